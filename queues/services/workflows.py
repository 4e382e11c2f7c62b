"""Workflows: a follow-up that waits, as a live activity, until its members have ended."""

from collections.abc import Sequence

from queues.domain.activity import Activity
from queues.domain.errors import Conflict, InvalidOption, NotFound
from queues.domain.states import State
from queues.hot import reads
from queues.services.backbone import Backbone
from queues.services.decide import decide
from queues.services.enqueue import enqueue_activities
from queues.services.verbs import waking

MEMBERS_KEPT_S = 30 * 24 * 3600
CHUNK = 1_000


async def enqueue_group(b: Backbone, members: Sequence[Activity], followup: Activity) -> str:
    """Enqueue ``followup``, blocked, then ``members``; it becomes claimable when all have ended. Return its id.

    How a member ended does not matter. The follow-up is in the log before its first member: a member that ends can
    always be counted.

    Raises:
        InvalidOption: there is no member. Otherwise as ``enqueue_activities``; a repeat with the same ids completes it.
    """
    if not members:
        raise InvalidOption("a group needs at least one member")
    followup.members = len(members)
    followup.state = State.PENDING
    followup.due_ms = 0
    await enqueue_activities(b, [followup])
    name = f"{followup.queue}/{followup.id}"
    for member in members:
        member.workflow = name
        member.parent = member.parent or followup.id
        member.root = member.root or followup.root or followup.id
    for at in range(0, len(members), CHUNK):
        await enqueue_activities(b, members[at : at + CHUNK])
    return followup.id


async def count_members(b: Backbone, ended: Sequence[tuple[str, str]]) -> None:
    """Note that members have ended, as (workflow, member id), and wake each workflow that now has all. Idempotent."""
    by_workflow: dict[str, list[str]] = {}
    for workflow, member in ended:
        by_workflow.setdefault(workflow, []).append(member)
    for workflow, members in by_workflow.items():
        queue, _, activity_id = workflow.partition("/")
        key = b.hot.keys(queue).members(activity_id)
        await b.hot.client.command("SADD", key, *members)
        await b.hot.client.command("EXPIRE", key, MEMBERS_KEPT_S)
        await wake_when_complete(b, queue, activity_id)


async def wake_when_complete(b: Backbone, queue: str, activity_id: str) -> bool:
    """Make a workflow claimable when all its members have ended; tell whether it was woken now."""
    record = await reads.find(b.hot, queue, activity_id)
    if record is None or record.settled or record.state != State.PENDING:
        return False
    counted = await b.hot.client.command("SCARD", b.hot.keys(queue).members(activity_id))
    if int(counted) < record.members:
        return False
    [answer] = await decide(b, queue, waking(), [(activity_id, record.version)])
    if isinstance(answer, Conflict | NotFound):
        return False
    if isinstance(answer, Exception):
        raise answer
    return True
