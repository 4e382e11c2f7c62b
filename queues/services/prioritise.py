"""Prioritise: change the priority of a waiting activity."""

from queues.domain.priority import valid_priority
from queues.services.backbone import Backbone
from queues.services.decide import Decision, decide_one
from queues.services.verbs import prioritising


async def set_priority(
    b: Backbone, queue: str, activity_id: str, priority: int, *, actor: str, reason: str
) -> Decision:
    """Give a waiting activity another priority; it is claimed in its new band from now on.

    Raises:
        InvalidOption: not from -100 to 100. Conflict: it runs or is settled. NotFound.
    """
    return await decide_one(b, queue, prioritising(valid_priority(priority), actor, reason), activity_id)
