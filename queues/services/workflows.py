"""Workflows: a follow-up that waits, as a live activity, until its members have ended."""

import contextlib
from collections.abc import Sequence

from queues.domain.activity import Activity
from queues.domain.errors import Conflict, InvalidOption, NotFound, QueueError
from queues.domain.states import State
from queues.hot import reads
from queues.hot.client import HotClosed
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


async def note_members(b: Backbone, ended: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Note that members have ended, as (workflow, member id). Idempotent. Return each workflow as (queue, id)."""
    by_workflow: dict[str, list[str]] = {}
    for workflow, member in ended:
        by_workflow.setdefault(workflow, []).append(member)
    told = []
    for workflow, members in by_workflow.items():
        queue, _, activity_id = workflow.partition("/")
        key = b.hot.keys(queue).members(activity_id)
        for at in range(0, len(members), CHUNK):
            await b.hot.client.command("SADD", key, *members[at : at + CHUNK])
        await b.hot.client.command("EXPIRE", key, MEMBERS_KEPT_S)
        told.append((queue, activity_id))
    return told


async def count_members(b: Backbone, ended: Sequence[tuple[str, str]]) -> None:
    """Note that members have ended and wake each workflow that now has all. Idempotent.

    Raises:
        HotUnavailable, LogUnavailable, OutcomeUnknown: some may not have been counted; do it again.
    """
    for queue, activity_id in await note_members(b, ended):
        record = await reads.find(b.hot, queue, activity_id)
        if record is None or record.state != State.PENDING:
            continue
        counted = await b.hot.client.command("SCARD", b.hot.keys(queue).members(activity_id))
        if int(counted) >= record.members:
            # The sweep wakes it when its queue is closed this moment.
            with contextlib.suppress(HotClosed):
                await _wake(b, queue, [(activity_id, record.version)])


async def wake_complete(b: Backbone, queue: str) -> int:
    """Wake every blocked activity of ``queue`` whose members have all ended; return how many.

    A member may end before its workflow is loaded, and whoever counted the last one may have died: this finds both.
    """
    woken, at = 0, 0
    while True:
        at, complete = await b.hot.complete(queue, at, CHUNK)
        if complete:
            woken += await _wake(b, queue, complete)
        if not at:
            return woken


async def _wake(b: Backbone, queue: str, items: Sequence[tuple[str, int]]) -> int:
    answers = await decide(b, queue, waking(), items)
    for answer in answers:
        if isinstance(answer, QueueError) and not isinstance(answer, Conflict | NotFound):
            raise answer
    return sum(not isinstance(answer, QueueError) for answer in answers)
