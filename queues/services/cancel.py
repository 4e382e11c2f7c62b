"""Cancel: end a live activity."""

from queues.services.backbone import Backbone
from queues.services.decide import Decision, decide_one
from queues.services.verbs import cancelling


async def cancel(b: Backbone, queue: str, activity_id: str, *, actor: str, reason: str) -> Decision:
    """End a live activity, running or not; a running handler is told within a heartbeat.

    Raises:
        Conflict: it is settled already, or being settled this moment. NotFound: nobody knows it.
    """
    decision = await decide_one(b, queue, cancelling(actor, reason), activity_id)
    await b.hot.client.command("PUBLISH", b.hot.keys(queue).cancelled, activity_id)
    return decision
