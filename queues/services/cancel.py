"""Cancel: end a live activity."""

import contextlib

from queues.domain.errors import HotUnavailable
from queues.services.backbone import Backbone
from queues.services.decide import Decision, decide_one
from queues.services.verbs import cancelling


async def cancel(b: Backbone, queue: str, activity_id: str, *, actor: str, reason: str) -> Decision:
    """End a live activity, running or not; a running handler is told within a heartbeat.

    Raises:
        Conflict: it is settled already, or being settled this moment. NotFound: nobody knows it.
    """
    decision = await decide_one(b, queue, cancelling(actor, reason), activity_id)
    # A hint: without it the worker learns of it at its next heartbeat.
    with contextlib.suppress(HotUnavailable):
        await b.hot.client.command("PUBLISH", b.hot.keys(queue).cancelled, activity_id)
    return decision
