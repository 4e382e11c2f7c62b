"""The pruner removes from the index what retention does not keep any more, a bounded batch at a time."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from queues.index.retention import prune, rules, sweep
from queues.keeper.loop import Loop
from queues.services.backbone import Backbone

logger = logging.getLogger(__name__)
REST_S = 30.0


def _now() -> datetime:
    return datetime.now(UTC)


class Pruner(Loop):
    """Prune each queue and state by its rule; several may run side by side."""

    name = "pruner"
    rest_s = REST_S

    def __init__(self, b: Backbone, *, now: Callable[[], datetime] = _now) -> None:
        self._b = b
        self._now = now

    async def step(self) -> int:
        """Remove at most one batch of each queue and state; return how many rows."""
        pool, now = await self._b.index(), self._now()
        removed = 0
        for rule in await rules(pool, self._b.conf):
            n = await prune(pool, rule, now)
            if n:
                logger.info("index.pruned queue=%s state=%s count=%d", rule.queue, rule.state.name.lower(), n)
            removed += n
        return removed + await sweep(pool, self._b.conf, now)
