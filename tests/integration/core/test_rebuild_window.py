"""What a rebuild leaves in the log, and how a loader goes on from there."""

import time

import pytest

from queues.domain.outcomes import completed, failed
from queues.domain.retry import Backoff, RetryPolicy
from queues.hot import reads
from queues.hot.client import EpochChanged
from queues.services.queues import ensure_queue
from tests.integration.core.conftest import Start
from tests.integration.core.test_islands import append
from tests.protocol.folding import assert_views_agree, fold, hot_records
from tests.protocol.system import System, activity, failure

pytestmark = pytest.mark.django_db
DONE = completed()
LATER = RetryPolicy(Backoff.CONSTANT, 3_600_000, jitter=False)
DEAD = failed(failure().failure, retryable=False)  # type: ignore[arg-type]


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
