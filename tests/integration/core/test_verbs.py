"""What operators decide: cancel, redrive, reschedule, priority, delete; each counts once or is refused."""

import asyncio

import pytest

from queues import failpoints
from queues.domain.errors import Conflict, LeaseLost, NotFound
from queues.domain.outcomes import completed, failed
from queues.domain.record import Kind, decode_body
from queues.domain.retry import Backoff, RetryPolicy
from queues.domain.states import State
from queues.services.backbone import now_ms
from queues.services.cancel import cancel
from queues.services.delete import delete, purge_dead_letters
from queues.services.heartbeat import Held, renew_leases
from queues.services.prioritise import set_priority
from queues.services.redrive import redrive
from queues.services.reschedule import reschedule
from tests.integration.core.indexing import index
from tests.protocol.folding import assert_views_agree
from tests.protocol.system import System, failure

pytestmark = pytest.mark.django_db
DONE = completed()
DEAD = failed(failure().failure, retryable=False)  # type: ignore[arg-type]
LATER = RetryPolicy(Backoff.CONSTANT, 3_600_000, jitter=False)
WHO = {"actor": "someone", "reason": "because"}


async def test_cancelling_what_runs_is_told_at_the_heartbeat_and_its_outcome_is_refused(s: System):
    activity_id = await s.add("q")
    lease = await s.claim_one("q")
    decision = await cancel(s.b, "q", activity_id, **WHO)
    assert decision.state == State.CANCELLED
    assert await renew_leases(s.b, [lease]) == [Held.CANCELLED]
    with pytest.raises(LeaseLost):
        await s.settle(lease, DONE)
    newest = (await assert_views_agree(s, "q"))[activity_id].newest
    assert (newest.kind, newest.state) == (Kind.COMPLETED, State.CANCELLED)
    body = decode_body(newest)
    assert (body.actor, body.note, body.reason) == ("someone", "because", "cancelled")


async def test_a_cancel_and_a_settle_at_once_have_one_winner(s: System):
    for n in range(5):
        activity_id = await s.add("q")
        lease = await s.claim_one("q")
        settled, cancelled = await asyncio.gather(
            s.settle(lease, DONE), cancel(s.b, "q", activity_id, **WHO), return_exceptions=True
        )
        assert (settled is None) == isinstance(cancelled, Conflict), n
    await assert_views_agree(s, "q")


@pytest.mark.parametrize("place", ["ready", "due", "lane", "retry"])
async def test_whatever_waits_can_be_cancelled(s: System, place: str):
    options = {"due": {"delay_ms": 60_000}, "lane": {"key": "k"}, "retry": {"retry": LATER}}.get(place, {})
    if place == "lane":
        await s.add("q", key="k")
    activity_id = await s.add("q", **options)
    if place == "retry":
        await s.settle(await s.claim_one("q"), failure())
    await cancel(s.b, "q", activity_id, **WHO)
    assert activity_id not in {x.id for x in await s.claim("q")}
    with pytest.raises(Conflict):
        await cancel(s.b, "q", activity_id, **WHO)
    await assert_views_agree(s, "q")


async def test_an_operator_who_dies_before_the_append_is_followed_by_the_reaper(s: System):
    waiting = await s.add("q", delay_ms=3_600_000)
    failpoints.arm({"decide.held": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await cancel(s.b, "q", waiting, **WHO)
    with pytest.raises(Conflict):
        await cancel(s.b, "q", waiting, **WHO)
    await s.load("q")
    await s.expire_leases("q")
    assert await s.reap() == 1
    record = await s.hot("q", waiting)
    assert record is not None
    assert record.state == State.SCHEDULED
    await assert_views_agree(s, "q")


async def test_what_is_completed_is_never_redriven_nor_held_for_it(s: System):
    activity_id = await s.add("q")
    await s.settle(await s.claim_one("q"), DONE)
    with pytest.raises(Conflict):
        await redrive(s.b, "q", activity_id, **WHO)
    record = await s.hot("q", activity_id)
    assert record is not None
    assert record.settled
    await s.load("q")
    await s.expire_leases("q")
    assert await s.reap() == 0
    await assert_views_agree(s, "q")


@pytest.mark.parametrize("stub", [True, False], ids=["with a stub", "from the index"])
async def test_a_dead_letter_is_redriven_with_all_its_attempts(s: System, queue_name: str, *, stub: bool):
    q = queue_name
    activity_id = await s.add(q, max_attempts=2)
    dead = await s.claim_one(q)
    await s.settle(dead, DEAD)
    await s.load(q)
    if not stub:
        await index(s, q)
        await s.b.hot.client.command("ZADD", s.b.hot.keys(q).stubs, 1, activity_id)
        assert await s.b.hot.trim(q, {"x:0": 100, "d:0": 100}) == 1
    answers = await asyncio.gather(
        *(redrive(s.b, q, activity_id, **WHO) for _ in range(3)), return_exceptions=True
    )
    assert sorted(type(a).__name__ for a in answers) == ["Conflict", "Conflict", "Decision"]
    again = await s.claim_one(q)
    assert (again.attempt, again.activity().generation, again.activity().max_attempts) == (1, 1, 2)
    await s.settle(again, DONE)
    logged = (await assert_views_agree(s, q))[activity_id]
    assert ("x", 0, dead.version) in logged.nulls
    await s.flush()
    await s.rebuild()
    assert await s.claim(q) == []


async def test_a_cancelled_one_is_redriven_and_an_unknown_one_is_not_found(s: System, queue_name: str):
    activity_id = await s.add(queue_name)
    await cancel(s.b, queue_name, activity_id, **WHO)
    await redrive(s.b, queue_name, activity_id, **WHO)
    assert [x.id for x in await s.claim(queue_name)] == [activity_id]
    with pytest.raises(NotFound):
        await redrive(s.b, queue_name, "nobody", **WHO)
    with pytest.raises(Conflict):
        await redrive(s.b, queue_name, activity_id, **WHO)
    await assert_views_agree(s, queue_name)


async def test_rescheduling_moves_what_waits_in_both_directions(s: System):
    activity_id = await s.add("q")
    await reschedule(s.b, "q", activity_id, now_ms() + 3_600_000, **WHO)
    assert await s.claim("q") == []
    await reschedule(s.b, "q", activity_id, 0, **WHO)
    lease = await s.claim_one("q")
    with pytest.raises(Conflict):
        await reschedule(s.b, "q", activity_id, 0, **WHO)
    await s.settle(lease, DONE)
    await assert_views_agree(s, "q")


async def test_another_priority_moves_it_to_another_band_for_good(s: System):
    first, second = await s.add("q"), await s.add("q")
    await set_priority(s.b, "q", second, 90, **WHO)
    await assert_views_agree(s, "q")
    await s.flush()
    await s.rebuild()
    assert [x.id for x in await s.claim("q")] == [second, first]
    await s.expire_leases("q")
    await s.load("q")
    await s.reap()
    assert await s.run_all("q", DONE) == [second, first]
    await assert_views_agree(s, "q")


async def test_deleting_removes_what_has_ended_and_refuses_what_lives(s: System, queue_name: str):
    q = queue_name
    ended, alive = await s.add(q, type="ended"), await s.add(q, type="alive")
    await s.settle(await s.claim_one(q, types=["ended"]), DONE)
    await index(s, q)
    with pytest.raises(Conflict, match="just ended"):
        await delete(s.b, q, ended, **WHO)
    await s.load(q)
    with pytest.raises(Conflict):
        await delete(s.b, q, alive, **WHO)
    await delete(s.b, q, ended, **WHO)
    await index(s, q)
    with pytest.raises(NotFound):
        await delete(s.b, q, ended, **WHO)
    await s.flush()
    await s.rebuild()
    assert [x.id for x in await s.claim(q)] == [alive]


async def test_purging_dead_letters_leaves_alone_what_was_redriven(s: System, queue_name: str):
    q = queue_name
    dead = [await s.add(q) for _ in range(3)]
    for lease in await s.claim(q):
        await s.settle(lease, DEAD)
    await s.load(q)
    await index(s, q)
    await redrive(s.b, q, dead[0], **WHO)
    assert await purge_dead_letters(s.b, q, **WHO) == 2
    await index(s, q)
    assert await purge_dead_letters(s.b, q, **WHO) == 0
    for _ in range(2):
        await s.flush()
        await s.rebuild()
        assert [x.id for x in await s.claim(q)] == [dead[0]]
