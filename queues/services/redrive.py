"""Redrive: run what failed, died or was cancelled again."""

from collections.abc import Sequence

from queues.domain.errors import QueueError
from queues.services.backbone import Backbone
from queues.services.decide import Decision, decide_one
from queues.services.verbs import redriving


async def redrive(b: Backbone, queue: str, activity_id: str, *, actor: str, reason: str) -> Decision:
    """Make a discarded or cancelled activity claimable again, with all its attempts; ``generation`` grows by one.

    Raises:
        Conflict: it is not discarded or cancelled. NotFound: its body is gone from the log.
    """
    return await decide_one(b, queue, redriving(actor, reason), activity_id)


async def redrive_many(
    b: Backbone, queue: str, ids: Sequence[str], *, actor: str, reason: str
) -> list[Decision | QueueError]:
    """Redrive each; answer each by its decision or its refusal."""
    answers: list[Decision | QueueError] = []
    for activity_id in ids:
        try:
            answers.append(await redrive(b, queue, activity_id, actor=actor, reason=reason))
        except QueueError as exc:
            answers.append(exc)
    return answers
