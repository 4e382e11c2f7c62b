"""Reschedule: change when a waiting activity becomes claimable."""

from queues.domain.errors import InvalidOption
from queues.domain.options import MAX_SPAN_MS
from queues.services.backbone import Backbone, now_ms
from queues.services.decide import Decision, decide_one
from queues.services.verbs import rescheduling


async def reschedule(
    b: Backbone, queue: str, activity_id: str, due_ms: int, *, actor: str, reason: str
) -> Decision:
    """Let a waiting activity become claimable at ``due_ms`` (epoch ms; past: at once).

    Raises:
        InvalidOption: more than ten years ahead. Conflict: it runs, is blocked or settled. NotFound.
    """
    now = now_ms()
    if not 0 <= due_ms <= now + MAX_SPAN_MS:
        raise InvalidOption(f"due_ms {due_ms}: must lie within the next ten years")
    return await decide_one(b, queue, rescheduling(due_ms, now, actor, reason), activity_id)
