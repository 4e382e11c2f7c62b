"""Redis lost, restored or replaced: nothing accepted is lost, nothing runs again after its yes."""

import asyncio

import pytest

from queues import failpoints
from queues.domain.errors import Conflict, HotUnavailable, LeaseLost, OutcomeUnknown
from queues.domain.outcomes import completed, failed
from queues.domain.record import epoch_of
from queues.domain.retry import Backoff, RetryPolicy
from queues.hot.client import HotClosed, LockLost
from queues.hot.rebuild import HotRebuild
from queues.keeper.rebuilder import Rebuilder
from queues.services.decide import decide
from queues.services.fetch import fetch_cold
from queues.services.heartbeat import Held, renew_leases
from queues.services.queues import pause_queue, resume_queue
from queues.services.redrive import redrive
from queues.services.verbs import redriving
from tests.integration.core.conftest import Start
from tests.protocol.folding import assert_views_agree, hot_records
from tests.protocol.system import System, activity, failure

pytestmark = pytest.mark.django_db
DONE = completed()
LATER = RetryPolicy(Backoff.CONSTANT, 3_600_000, jitter=False)
DEAD = failed(failure().failure, retryable=False)  # type: ignore[arg-type]


async def test_everything_that_lives_comes_back_and_nothing_that_ended(s: System):
    waiting = await s.add("q")
    later = await s.add("q", delay_ms=3_600_000)
    urgent = await s.add("q", priority=90)
    done, dead, retried, running = [
        await s.add("q", type=f"t{n}", max_attempts=9, retry=LATER) for n in range(4)
    ]
    await s.settle(await s.claim_one("q", types=["t0"]), DONE)
    await s.settle(await s.claim_one("q", types=["t1"]), DEAD)
    await s.settle(await s.claim_one("q", types=["t2"]), failure())
    lost = await s.claim_one("q", types=["t3"])
    await s.flush()
    with pytest.raises(HotClosed):
        await s.claim("q")
    assert await s.rebuild() == 1
    assert await s.rebuild() == 0
    found = await hot_records(s, "q")
    assert {i: r["s"] for i, r in found.items()} == {
        waiting: "ready", later: "due", urgent: "ready", retried: "due", running: "ready", done: "gone", dead: "gone",
    }  # fmt: skip
    assert [x.id for x in await s.claim("q")] == [urgent, waiting, running]
    with pytest.raises(OutcomeUnknown):
        await s.settle(lost, DONE)
    with pytest.raises(LeaseLost):
        await s.settle(lost, DONE)
    await assert_views_agree(s, "q")


async def test_the_result_of_an_old_epoch_counts_when_nobody_ran_it_again(s: System):
    activity_id = await s.add("q")
    lost = await s.claim_one("q")
    await s.flush()
    await s.rebuild()
    assert await renew_leases(s.b, [lost]) == [Held.LOST]
    with pytest.raises(OutcomeUnknown):
        await s.settle(lost, completed(b'"kept"'))
    await s.load("q")
    assert await s.claim("q") == []
    stub = await s.hot("q", activity_id)
    assert stub is not None
    assert stub.version == lost.version
    await assert_views_agree(s, "q")


async def test_versions_of_a_new_epoch_are_above_all_of_the_old_ones(s: System):
    await s.add("q")
    before = await s.claim_one("q")
    await s.flush()
    await s.rebuild()
    after = await s.claim_one("q")
    assert epoch_of(after.fence) > epoch_of(before.version)


async def test_a_zombie_of_an_old_epoch_never_overturns_what_was_acknowledged_in_the_new_one(s: System):
    await s.add("q")
    zombie = await s.claim_one("q")
    await s.flush()
    await s.rebuild()
    second = await s.claim_one("q")
    await s.settle(second, completed(b'"yes"'))
    with pytest.raises(OutcomeUnknown):
        await s.settle(zombie, failure())
    await assert_views_agree(s, "q")
    assert await s.claim("q") == []
    await s.flush()
    await s.rebuild()
    assert await s.claim("q") == []


async def test_a_paused_queue_is_still_paused(s: System, queue_name: str):
    await s.add(queue_name)
    await pause_queue(s.b, queue_name, actor="a", reason="r")
    await s.flush()
    await s.rebuild()
    assert await s.claim(queue_name) == []
    await resume_queue(s.b, queue_name, actor="a", reason="r")
    assert len(await s.claim(queue_name)) == 1


async def test_a_stale_redis_refuses_every_script_but_the_rebuilds(s: System):
    await s.enqueue(activity("q"), activity("q"))
    lease = await s.claim_one("q")
    other = await s.claim_one("q")
    await s.settle(other, DONE)
    await s.load("q")
    stale = await s.snapshot()
    await s.settle(lease, DONE)
    await s.fail_over_to(stale)
    hot = s.b.hot
    for call in (
        hot.claim("q", "c", 1, 1, "w", []),
        hot.renew("q", 1, [(lease.id, lease.fence)]),
        hot.apply("q", [], []),
        hot.island("q", "n", 0, [], []),
        hot.look("q", 1, "n", 0, []),
        hot.load("q", 1, "n", 0, 1, [], []),
        hot.move("q", 1, "d", 0, 1, []),
        hot.decide("q", "v", [], [], [], lease_ms=1, holder="h"),
        hot.promote("q", 1),
        hot.overdue("q", 1),
        hot.trim("q", {}),
        hot.reserve("q", []),
        hot.confirm("q", []),
        hot.watch("q", "x"),
        hot.complete("q", 0, 1),
    ):
        with pytest.raises(HotClosed):
            await call
    assert await s.rebuild() == 1
    assert await s.claim("q") == []
    await assert_views_agree(s, "q")


async def test_a_server_that_restarts_during_a_rebuild_is_not_opened_by_it(s: System):
    await s.add("q")
    await s.flush()
    work = HotRebuild(s.b.hot, "q", "one")
    assert await work.begin() == "locked"
    await s.b.hot.client.command("HSET", s.b.hot.keys("q").meta, "lock_run", "another")
    with pytest.raises(LockLost):
        await work.drop()
    with pytest.raises(LockLost):
        await work.open(7, [], paused=False)


async def test_a_rebuilder_whose_lock_is_lost_can_do_nothing_more(s: System):
    await s.add("q")
    await s.flush()
    slow = HotRebuild(s.b.hot, "q", "slow")
    assert await slow.begin() == "locked"
    assert await s.rebuild() == 0, "another rebuilds"
    await s.b.hot.client.command("HSET", s.b.hot.keys("q").meta, "locked_until", 1)
    assert await s.rebuild() == 1
    before = await hot_records(s, "q")
    for call in (slow.drop(), slow.fill([], [], []), slow.open(10**6, [], paused=True), slow.give_up()):
        with pytest.raises(LockLost):
            await call
    assert await hot_records(s, "q") == before
    assert len(await s.claim("q")) == 1


async def test_a_rebuild_that_is_emptied_halfway_gives_up_and_the_next_one_has_everything(s: System):
    ids = {await s.add("q") for _ in range(5)}
    await s.flush()
    failpoints.arm({"rebuild.filled": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await s.rebuild()
    await s.flush()
    await s.rebuild()
    assert {x.id for x in await s.claim("q")} == ids


@pytest.mark.parametrize("point", ["rebuild.recorded", "rebuild.dropped", "rebuild.nulled", "rebuild.filled"])
async def test_a_rebuilder_that_dies_is_followed_when_its_lock_has_run_out(s: System, point: str):
    alive = await s.add("q", max_attempts=9)
    await s.settle(await s.claim_one("q"), failure())
    await s.add("q")
    await s.settle(await s.claim_one("q"), DONE)
    await s.flush()
    failpoints.arm({point: "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await s.rebuild()
    assert await s.rebuild() == 0
    await s.b.hot.client.command("HSET", s.b.hot.keys("q").meta, "locked_until", 1)
    assert await s.rebuild() == 1
    logged = await assert_views_agree(s, "q")
    assert [i for i, one in logged.items() if one.live] == [alive]


async def test_a_rebuild_gives_its_lock_back_when_a_server_is_away(s: System):
    await s.add("q")
    await s.flush()
    rebuilder = Rebuilder(s.b, s.directory)

    async def away():
        raise HotUnavailable("for a moment")

    rebuilder._pauses = away  # type: ignore[method-assign]
    await s.look()
    with pytest.raises(HotUnavailable):
        await rebuilder.rebuild("q")
    assert await s.rebuild() == 1


async def test_a_purged_dead_letter_does_not_come_back_to_life(s: System):
    from queues.services.delete import Settled, _purge

    activity_id = await s.add("q")
    dead = await s.claim_one("q")
    await s.settle(dead, DEAD)
    row = Settled(activity_id, "dlq", 0, dead.version)
    [refusal] = await _purge(s.b, "q", [row], "a", "")
    assert refusal is not None, "the loader has not written the nulls of its earlier records"
    failpoints.arm({"loader.applied": "raise"})
    with pytest.raises(failpoints.FailpointError):
        await s.load("q")
    failpoints.arm({})
    await s.crash_loader()
    await s.flush()
    # Nothing in Redis says how far the loader is: the rebuild must know it from the null alone.
    assert await _purge(s.b, "q", [row], "a", "") == [None]
    await s.rebuild()
    assert await s.claim("q") == []
    await s.load("q")
    await s.flush()
    await s.rebuild()
    assert await s.claim("q") == []


async def test_a_redriven_one_whose_operator_died_is_redriven_all_the_same(s: System):
    activity_id = await s.add("q")
    await s.settle(await s.claim_one("q"), DEAD)
    cold = await fetch_cold(s.b, "q", activity_id)
    failpoints.arm({"decide.held": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await decide(s.b, "q", redriving("a", ""), [(activity_id, -1)], colds=[cold])
    with pytest.raises(Conflict):
        await redrive(s.b, "q", activity_id, actor="a", reason="it is being redriven")
    await s.load("q")
    await s.expire_leases("q")
    assert await s.reap() == 1
    assert [(x.id, x.attempt) for x in await s.claim("q")] == [(activity_id, 1)]
    await assert_views_agree(s, "q")


async def test_two_keepers_open_a_queue_once(start: Start):
    async with start() as s, start() as other:
        ids = {await s.add("q") for _ in range(3)}
        await s.flush()
        opened = await asyncio.gather(s.rebuild(), other.rebuild())
        assert sum(opened) == 1
        assert {x.id for x in await s.claim("q")} == ids
