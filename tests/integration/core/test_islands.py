"""First records: by the enqueuer ahead of the loader, or by the loader; each takes effect once, in every order."""

import asyncio

import pytest

from queues import failpoints
from queues.domain.activity import Activity, encode_activity
from queues.domain.outcomes import completed
from queues.domain.priority import Band
from queues.domain.record import Kind, first_headers, record_key
from queues.hot import reads
from queues.hot.pack import row_of
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.queues import ensure_queue
from tests.integration.core.conftest import Start
from tests.protocol.folding import assert_views_agree, fold
from tests.protocol.system import System, activity

pytestmark = pytest.mark.django_db
DONE = completed()


async def append(s: System, *activities: Activity, partition: int = 0) -> list[int]:
    """Append first records as an enqueuer does that dies before its island; return their offsets."""
    reports = await s.b.log.append(
        [
            Message(
                topic_name(s.b.conf, a.queue, Kind.PENDING, a.band),
                partition,
                record_key(a.id, 0),
                encode_activity(a),
                first_headers(a),
            )
            for a in activities
        ]
    )
    assert not [r for r in reports if r.error]
    return [r.offset for r in reports]


async def island(s: System, *runs: tuple[int, list[Activity]], partition: int = 0) -> str:
    """Let runs of own records take effect; return the script's answer."""
    band, queue = runs[0][1][0].band.value, runs[0][1][0].queue
    rows = [
        (first, [row_of(a, band, partition, first + n) for n, a in enumerate(items)]) for first, items in runs
    ]
    bodies = [encode_activity(a) for _, items in runs for a in items]
    return await s.b.hot.island(queue, band, partition, rows, bodies)


async def position(s: System, code: str = "n:0") -> int:
    return (await reads.positions(s.b.hot, "q")).get(code, 0)


async def islands(s: System, code: str = "n:0") -> list[bytes]:
    return await s.b.hot.client.command("ZRANGE", f"{s.b.hot.keys('q').base}isl:{code}", 0, -1)


async def test_two_producers_interleaved_each_admit_their_own_offsets_alone(s: System):
    await ensure_queue(s.b, "q")
    a = [activity("q") for _ in range(6)]
    await append(s, *a)
    assert await island(s, (1, [a[1]]), (4, [a[4]])) == "11"
    assert await island(s, (0, [a[0]]), (3, [a[3]])) == "11"
    assert (await position(s), await islands(s)) == (2, [b"3:5"])
    assert {x.id for x in await s.claim("q")} == {a[n].id for n in (0, 1, 3, 4)}
    await s.load("q")
    assert {x.id for x in await s.claim("q")} == {a[2].id, a[5].id}, "the one that died is loaded"
    assert (await position(s), await islands(s)) == (6, [])
    await assert_views_agree(s, "q")


async def test_an_island_behind_the_position_is_refused_and_runs_once(s: System):
    a = activity("q")
    await ensure_queue(s.b, "q")
    await append(s, a)
    await s.load("q")
    assert await island(s, (0, [a])) == "0"
    assert len(await s.claim("q")) == 1


async def test_what_an_island_covers_is_not_run_again_by_the_loader_in_any_order(s: System):
    await ensure_queue(s.b, "q")
    a = [activity("q") for _ in range(4)]
    await append(s, *a)
    assert await island(s, (2, [a[2], a[3]])) == "1"
    ran = await s.run_all("q", DONE)
    await s.load("q")
    ran += await s.run_all("q", DONE)
    assert sorted(ran) == sorted(x.id for x in a)
    await s.crash_loader()
    await s.load("q")
    assert await s.claim("q") == []
    await assert_views_agree(s, "q")


async def test_neighbours_merge_and_an_island_at_the_position_moves_it(s: System):
    await ensure_queue(s.b, "q")
    a = [activity("q") for _ in range(8)]
    await append(s, *a)
    for n in (2, 6, 4, 3, 5):
        await island(s, (n, [a[n]]))
    assert await islands(s) == [b"2:7"]
    await island(s, (0, [a[0]]))
    assert await position(s) == 1
    await island(s, (1, [a[1]]))
    assert (await position(s), await islands(s)) == (7, [])


async def test_nothing_with_an_ordering_key_goes_ahead_of_its_turn(s: System):
    await ensure_queue(s.b, "q")
    first, second = activity("q", key="k"), activity("q", key="k")
    await append(s, first, second)
    assert await island(s, (1, [second])) == "0"
    assert await s.claim("q") == []
    await s.load("q")
    assert [x.id for x in await s.claim("q")] == [first.id]


async def test_islands_are_refused_far_ahead_at_a_full_window_and_when_no_loader_lives(start: Start):
    async with start(HOT_WINDOW=2) as s:
        await s.enqueue(*(activity("q") for _ in range(3)))
        await s.load("q")
        late = activity("q")
        [offset] = await append(s, late)
        assert await island(s, (offset, [late])) == "2", "the band is at its window"
        for lease in await s.claim("q"):
            await s.settle(lease, DONE)
        assert await island(s, (offset + 10**6, [late])) == "2", "far ahead"
        meta = s.b.hot.keys("q").meta
        await s.b.hot.client.command("HSET", meta, "loader", "1")
        assert await island(s, (offset, [late])) == "2", "no loader for a minute"
        await s.load("q")
        assert await island(s, (offset, [late])) == "0"
        assert len(await s.claim("q")) == 1


async def test_the_same_record_appended_twice_runs_once(s: System):
    a = activity("q")
    await s.enqueue(a)
    await append(s, a)
    assert await s.run_all("q", DONE) == [a.id]
    await s.load("q")
    assert await s.claim("q") == []
    await append(s, a)
    await assert_views_agree(s, "q")
    assert await s.claim("q") == []
    assert (await fold(s, "q"))[a.id].nulls == {("n", 0, 0)}


@pytest.mark.parametrize("first_runs", [True, False])
async def test_a_second_record_in_another_partition_or_band_gets_its_null_and_never_runs(
    start: Start, *, first_runs: bool
):
    async with start(PARTITIONS=3) as s:
        a = activity("q")
        await ensure_queue(s.b, "q")
        await ensure_queue(s.b, "q", Band.HIGH)
        await append(s, a, partition=1)
        await s.load("q")
        if first_runs:
            assert await s.run_all("q", DONE) == [a.id]
        await append(s, a, partition=2)
        a.priority = 50
        await append(s, a, partition=1)
        logged = (await assert_views_agree(s, "q"))[a.id]
        seconds = {("n", 2, 0), ("h", 1, 0)}
        assert logged.nulls == (seconds | {("n", 1, 0)} if first_runs else seconds)
        await s.flush()
        await s.rebuild()
        assert await s.run_all("q", DONE) == ([] if first_runs else [a.id])
        await assert_views_agree(s, "q")


async def test_of_two_records_of_one_id_a_rebuild_keeps_one(start: Start):
    async with start(PARTITIONS=3) as s:
        a = activity("q")
        await ensure_queue(s.b, "q")
        await append(s, a, partition=0)
        await append(s, a, partition=2)
        await s.flush()
        await s.rebuild()
        assert await s.run_all("q", DONE) == [a.id]
        await assert_views_agree(s, "q")
        await s.flush()
        await s.rebuild()
        assert await s.claim("q") == []


async def test_a_cancelled_activity_that_is_not_loaded_never_runs(start: Start):
    async with start(HOT_WINDOW=1) as s:
        first, second = activity("q"), activity("q")
        await s.enqueue(first)
        await append(s, second)
        await cancel_unloaded(s, second)
        stub = await s.hot("q", second.id)
        assert stub is not None
        assert stub.settled
        keys = s.b.hot.keys("q")
        await s.b.hot.client.command("HSET", f"{keys.base}pos", "d:0", 1)
        await s.b.hot.client.command("ZADD", keys.stubs, 1, second.id)
        assert await s.b.hot.trim("q", {"d:0": 100}) == 0, "it stays until its first record is passed"
        await s.b.hot.client.command("HDEL", f"{keys.base}pos", "d:0")
        await s.run_all("q", DONE)
        await assert_views_agree(s, "q")
        assert await s.claim("q") == []


async def cancel_unloaded(s: System, a: Activity, *, die: bool = False) -> None:
    """Cancel as an operator does who found the activity in the index."""
    from queues.services.decide import decide
    from queues.services.fetch import Cold
    from queues.services.verbs import cancelling

    cold = Cold(a.state.value, a.type, a.priority, 0, "n:1", 0, "n.0", 0, encode_activity(a))
    if die:
        failpoints.arm({"decide.held": "once:raise"})
        with pytest.raises(failpoints.FailpointError):
            await decide(s.b, "q", cancelling("a", ""), [(a.id, -1)], colds=[cold])
    else:
        [answer] = await decide(s.b, "q", cancelling("a", ""), [(a.id, -1)], colds=[cold])
        assert answer.state == "cancelled", answer


async def test_an_operator_who_dies_over_what_is_not_loaded_leaves_it_alive(s: System):
    first, second = activity("q"), activity("q")
    await s.enqueue(first)
    await append(s, second)
    await cancel_unloaded(s, second, die=True)
    await s.load("q")
    assert [x.id for x in await s.claim("q")] == [first.id]
    await s.expire_leases("q")
    await s.reap()
    assert {x.id for x in await s.claim("q")} == {first.id, second.id}
    await assert_views_agree(s, "q")


async def test_the_loader_stops_at_the_window_and_goes_on_when_there_is_room(start: Start):
    async with start(HOT_WINDOW=10, LOAD_BATCH=4) as s:
        await ensure_queue(s.b, "q")
        batch = [activity("q") for _ in range(50)]
        ids = [a.id for a in batch]
        await append(s, *batch)
        loader = s.loader = await s.make_loader()
        while (await reads.counts(s.b.hot, "q")).ready < 10:
            await loader.step()
        for _ in range(5):
            await loader.step()
        assert (await reads.counts(s.b.hot, "q")).ready == 10
        urgent = activity("q", priority=90)
        await s.enqueue(urgent)
        ran: list[str] = []
        for _ in range(200):
            leases = await s.claim("q", 3)
            assert (await reads.counts(s.b.hot, "q")).ready <= 10
            for lease in leases:
                await s.settle(lease, DONE)
            ran += [x.id for x in leases]
            await loader.step()
            if len(ran) == 51:
                break
        assert ran == [urgent.id, *ids]
        await assert_views_agree(s, "q")


async def test_a_claim_that_comes_away_hungry_lets_the_loader_read_past_a_full_window(start: Start):
    async with start(HOT_WINDOW=5, LOAD_BATCH=4) as s:
        await ensure_queue(s.b, "q")
        await append(s, *(activity("q", type="nobody") for _ in range(20)))
        wanted = activity("q", type="wanted")
        await append(s, wanted)
        loader = s.loader = await s.make_loader()
        for _ in range(40):
            await loader.step()
            if leases := await s.claim("q", 1, types=["wanted"]):
                break
        assert [x.id for x in leases] == [wanted.id]


async def test_two_loaders_on_one_partition_load_each_record_once(s: System):
    await ensure_queue(s.b, "q")
    a = [activity("q") for _ in range(300)]
    await append(s, *a)
    await s.look()
    one, two = await s.make_loader("one"), await s.make_loader("two")

    async def step(loader, times):
        for _ in range(times):
            await loader.step()

    await asyncio.gather(step(one, 10), step(two, 10))
    await s.load("q")
    assert sorted(await s.run_all("q", DONE)) == sorted(x.id for x in a)
    await assert_views_agree(s, "q")


async def test_partitions_that_are_added_later_are_loaded_and_rebuilt_too(start: Start):
    async with start() as s:
        first = activity("q")
        await s.enqueue(first)
        await s.load_some("q", 5)
        later = (Kind.COMPLETED, Kind.DLQ, Kind.RETRY, Kind.PENDING)
        await s.add_partitions([topic_name(s.b.conf, "q", kind) for kind in later], 3)
        second, third = activity("q"), activity("q")
        # A producer learns of partitions within half a minute; that of a new process knows them.
        async with start() as fresh:
            await append(fresh, second, partition=1)
            await append(fresh, third, partition=2)
            await s.load("q")
            leases = await s.claim("q")
            assert {x.id for x in leases} == {first.id, second.id, third.id}
            for lease in leases[:2]:
                await fresh.settle(lease, DONE)
            await s.crash_loader()
            await fresh.flush()
            await fresh.rebuild()
            assert await fresh.run_all("q", DONE) == [leases[2].id]
            await assert_views_agree(fresh, "q")


async def test_a_loader_that_dies_after_each_of_its_steps_goes_on_where_it_was(s: System):
    points = ["loader.loaded", "loader.nulled", "loader.applied", "loader.moved"]
    for n, point in enumerate(points * 2):
        await s.enqueue(activity("q"), activity("q"))
        lease = await s.claim_one("q")
        await s.settle(lease, DONE if n % 2 else _retry())
        failpoints.arm({point: "once:raise"})
        try:
            await s.load("q")
        except failpoints.FailpointError:
            await s.crash_loader()
        failpoints.arm({})
    await assert_views_agree(s, "q")


def _retry():
    from tests.protocol.system import failure

    return failure()
