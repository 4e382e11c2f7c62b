"""Redis lost, restored or replaced: nothing accepted is lost, nothing runs again after its yes."""

import asyncio
import time

import pytest

from queues import failpoints
from queues.domain.errors import Conflict, HotUnavailable, LeaseLost, OutcomeUnknown
from queues.domain.outcomes import completed, failed
from queues.domain.record import epoch_of
from queues.domain.retry import Backoff, RetryPolicy
from queues.hot import reads
from queues.hot.client import EpochChanged, HotClosed, LockLost
from queues.hot.rebuild import HotRebuild
from queues.keeper.rebuilder import Rebuilder
from queues.services.decide import decide
from queues.services.fetch import fetch_cold
from queues.services.heartbeat import Held, renew_leases
from queues.services.queues import ensure_queue, pause_queue, resume_queue
from queues.services.redrive import redrive
from queues.services.verbs import redriving
from tests.integration.core.conftest import Start
from tests.integration.core.test_islands import append
from tests.protocol.folding import assert_views_agree, fold, hot_records
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


async def test_with_a_full_window_the_rest_waits_in_the_log_and_what_ended_stays_ended(start: Start):
    async with start(HOT_WINDOW=4, LOAD_BATCH=3) as s:
        await ensure_queue(s.b, "q")
        batch = [activity("q", type="t" if n % 2 else "odd", retry=LATER) for n in range(30)]
        for a in batch:
            await s.enqueue(a)
        await s.load_some("q", 20)
        await s.settle(await s.claim_one("q", types=["odd"]), DONE)
        retried = await s.claim_one("q", types=["odd"])
        await s.settle(retried, failure())
        await s.load_some("q", 10)
        ended = {i for i, r in (await hot_records(s, "q")).items() if r["s"] == "gone"}
        await s.flush()
        await s.crash_loader()
        await s.rebuild()
        assert (await reads.counts(s.b.hot, "q")).ready <= 4
        order: list[str] = []
        deadline = time.monotonic() + 30
        while len(order) < len(batch) - len(ended) - 1 and time.monotonic() < deadline:
            leases = await s.claim("q", 3)
            for lease in leases:
                await s.settle(lease, DONE)
            order += [x.id for x in leases]
            await s.load_some("q", 1)
        assert order == [a.id for a in batch if a.id not in ended and a.id != retried.id]
        await assert_views_agree(s, "q")


async def test_first_records_behind_the_window_whose_null_lies_further_on_do_not_run_again(start: Start):
    async with start(HOT_WINDOW=2) as s:
        await ensure_queue(s.b, "q")
        early, ended, last = activity("q", type="early"), activity("q", type="ended"), activity("q")
        pad = [activity("q", type="early") for _ in range(4)]
        await append(s, early, *pad)
        [offset] = await append(s, ended)
        from tests.integration.core.test_islands import island

        assert await island(s, (offset, [ended])) == "1"
        await s.settle(await s.claim_one("q", types=["ended"]), DONE)
        loader = s.loader = await s.make_loader()
        while ("n", 0, 0) not in (await fold(s, "q"))[ended.id].nulls:
            await loader.step()
        await append(s, last)
        # The completed record is older than what a later rebuild scans: only the null tells of it.
        await s.forget_settled("q")
        await s.crash_loader()
        await s.flush()
        await s.rebuild()
        ran: list[str] = []
        while last.id not in ran or len(ran) < 6:
            leases = await s.claim("q", 1)
            for lease in leases:
                await s.settle(lease, DONE)
            ran += [x.id for x in leases]
            await s.load_some("q", 1)
        await s.load("q")
        assert await s.claim("q") == []
        assert sorted(ran) == sorted([early.id, *(a.id for a in pad), last.id])


async def test_what_is_enqueued_while_redis_is_closed_is_loaded_after_it(s: System):
    first = await s.add("q")
    await s.load_some("q", 10)
    await s.flush()
    second = await s.add("q")
    await s.load_some("q", 10)
    await s.rebuild()
    third = await s.add("q")
    await s.load("q")
    assert [x.id for x in await s.claim("q")] == [first, second, third]
    await assert_views_agree(s, "q")


async def test_a_loader_at_the_end_goes_back_to_where_the_rebuild_stopped_in_every_partition(start: Start):
    async with start(PARTITIONS=3, HOT_WINDOW=3, LOAD_BATCH=20) as s:
        await ensure_queue(s.b, "q")
        batches = [[activity("q") for _ in range(20)] for _ in range(3)]
        for partition, batch in enumerate(batches):
            await append(s, *batch, partition=partition)
        await s.look()
        ran: list[str] = []
        lost: list[str] = []
        loader = s.loader = await s.make_loader()
        while len(lost) < 60 or len(loader._reader.at_end) < 6:  # type: ignore[union-attr]
            await loader.step()
            lost += [x.id for x in await s.claim("q", 10)]
        await s.flush()
        await loader.step()
        await s.rebuild()
        deadline = time.monotonic() + 30
        while len(ran) < 60 and time.monotonic() < deadline:
            await loader.step()
            for lease in await s.claim("q", 10):
                await s.settle(lease, DONE)
                ran.append(lease.id)
        assert sorted(ran) == sorted(lost)
        await assert_views_agree(s, "q")


async def test_a_partition_still_read_from_where_an_older_view_stood_is_not_loaded(s: System):
    await s.enqueue(*(activity("q") for _ in range(5)))
    await s.load_some("q", 1)
    loader = s.loader
    assert loader is not None
    while len(loader._epochs) < 4:
        await loader.step()
    epochs = dict(loader._epochs)
    await s.flush()
    await s.rebuild()
    new = await reads.epoch(s.b.hot, "q")
    retry = next(p for p in epochs if p[0].endswith("-retry"))
    await loader._stand("q", [retry])
    assert loader._epochs[retry] == new
    assert {e for p, e in loader._epochs.items() if p != retry} == set(epochs.values())


async def test_a_batch_read_under_an_older_epoch_is_dropped(s: System):
    await s.add("q")
    old = await reads.epoch(s.b.hot, "q")
    assert old is not None
    await s.flush()
    await s.rebuild()
    for call in (
        s.b.hot.look("q", old, "n", 0, []),
        s.b.hot.load("q", old, "n", 0, 100, [], []),
        s.b.hot.move("q", old, "d", 0, 100, []),
        s.b.hot.apply("q", [], [], by_loader=True, epoch=old),
    ):
        with pytest.raises(EpochChanged):
            await call


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


async def test_a_retrying_head_keeps_its_lane_through_a_rebuild(s: System):
    ids = [await s.add("q", key="k", retry=LATER) for _ in range(3)]
    await s.settle(await s.claim_one("q"), failure())
    await s.flush()
    await s.rebuild()
    assert await s.claim("q") == []
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").due, "XX", 1, ids[0])
    await s.schedule()
    assert await s.run_all("q", DONE) == ids


async def test_bodies_that_cannot_be_read_are_passed_by(s: System):
    from queues.domain.record import Kind, first_headers, record_key
    from queues.log.producer import Message
    from queues.log.topics import topic_name

    good = await s.add("q")
    bad = activity("q")
    pending, retry = (topic_name(s.b.conf, "q", kind) for kind in (Kind.PENDING, Kind.RETRY))
    headers = [*first_headers(bad), ("a", b"n:1")]
    await s.b.log.append(
        [
            Message(pending, 0, record_key(bad.id, 0), b"{broken", first_headers(bad)),
            Message(retry, 0, record_key("other", 7), b"{broken", headers),
            Message(retry, 0, record_key("third", 7), b"{}", first_headers(bad)),
            Message(pending, 0, b"no version", b"{}", None),
        ]
    )
    await s.load("q")
    await s.flush()
    await s.rebuild()
    await s.load("q")
    assert [x.id for x in await s.claim("q")] == [good]


async def test_two_keepers_open_a_queue_once(start: Start):
    async with start() as s, start() as other:
        ids = {await s.add("q") for _ in range(3)}
        await s.flush()
        opened = await asyncio.gather(s.rebuild(), other.rebuild())
        assert sum(opened) == 1
        assert {x.id for x in await s.claim("q")} == ids
