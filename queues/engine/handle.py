"""What an enqueue gives back: a name to ask after, and a result to wait for."""

import math
import time
from typing import TYPE_CHECKING, Any, Final

from queues import door
from queues.domain.states import State
from queues.engine.arguments import decode_result
from queues.engine.control import ActivityCancelled, ActivityFailed

if TYPE_CHECKING:
    from queues.services.results import Found

_STEP_S: Final = 30.0


class Handle[R]:
    """One enqueued activity. ``existing``: a unique key or a chosen id led to one that was there already."""

    __slots__ = ("_returns", "existing", "id", "queue")

    def __init__(self, id: str, queue: str, *, existing: bool = False, returns: Any = Any) -> None:  # noqa: A002
        self.id = id
        self.queue = queue
        self.existing = existing
        self._returns = returns

    def __repr__(self) -> str:
        return f"Handle(id={self.id!r}, queue={self.queue!r})"

    async def result(self, timeout: float | None = None) -> R:
        """Return the handler's result once the activity is completed.

        Raises:
            ActivityFailed: it was discarded; its kept errors are in ``failures``.
            ActivityCancelled: it was cancelled.
            TimeoutError: not settled within ``timeout`` seconds; it goes on all the same.
        """
        found = await self._settled(math.inf if timeout is None else time.monotonic() + timeout)
        if found.state is State.COMPLETED:
            return decode_result(found.result or b"null", self._returns)  # type: ignore[no-any-return]
        if found.state is State.CANCELLED:
            raise ActivityCancelled(self.id, getattr(found, "note", ""))
        raise ActivityFailed(self.id, getattr(found, "reason", ""), getattr(found, "errors", ()))

    def result_sync(self, timeout: float | None = None) -> R:
        """Return the result as ``result`` does, for callers without an event loop."""
        return door.wait(lambda: self.result(timeout))

    async def state(self) -> State | None:
        """Return the present state; None when neither Redis nor the index knows the activity (any more)."""
        from queues.services.results import find_activity  # noqa: PLC0415 -- see queues.door

        found = await find_activity(await door.backbone(), self.queue, self.id)
        return None if found is None else State(found.state)

    def state_sync(self) -> State | None:
        """Return the state, for callers without an event loop."""
        return door.wait(self.state)

    async def _settled(self, until: float) -> "Found":
        from queues.services.results import wait_settled  # noqa: PLC0415 -- see queues.door

        backbone = await door.backbone()
        while True:
            left = until - time.monotonic()
            try:
                found = await wait_settled(backbone, self.queue, self.id, max(min(left, _STEP_S), 0.0))
            except TimeoutError:
                found = None
            if found is not None and State(found.state) in _SETTLED:
                return found
            if left <= 0:
                raise TimeoutError(f"activity {self.id} is not settled yet")


_SETTLED: Final = frozenset({State.COMPLETED, State.CANCELLED, State.DISCARDED})
