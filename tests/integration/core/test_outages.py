"""Servers that are silent or away: what is answered, and what becomes of it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from queues.domain.errors import EnqueueUnknown, HotUnavailable, LeaseLost, LogUnavailable, OutcomeUnknown
from queues.domain.outcomes import completed
from queues.log.topics import max_record_bytes
from queues.services.claim import claim
from queues.services.heartbeat import Held, renew_leases
from queues.services.queues import ensure_queue
from queues.services.settle import _seal_outcome, commit_sealed
from runnerq_site.embedded.stack import Stack
from tests.integration.core.conftest import Start
from tests.protocol.folding import assert_views_agree
from tests.protocol.system import activity, failure
from tests.waiting import reached

pytestmark = pytest.mark.django_db
DONE = completed(b'"done"')


@contextlib.contextmanager
def stopped(pid: int | None) -> Iterator[None]:
    """Let a process be silent for a while."""
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_an_enqueue_that_kafka_does_not_answer_is_unknown_and_its_repeat_runs_once(
    stack: Stack, start: Start
):
    async with start(APPEND_TIMEOUT_S=1.0) as s:
        await ensure_queue(s.b, "q")
        a = activity("q")
        with stopped(stack.kafka.pid):
            with pytest.raises(EnqueueUnknown) as unknown:
                await s.enqueue(a)
            assert unknown.value.ids == (a.id,)
        again = asyncio.create_task(_until_answered(s, a))
        await again
        await s.load("q")
        assert await s.run_all("q", DONE) == [a.id]
        await assert_views_agree(s, "q")
        await s.flush()
        await s.rebuild()
        assert await s.claim("q") == []


async def _until_answered(s, a) -> None:
    from queues.domain.errors import Duplicate

    async def answered() -> bool:
        try:
            await s.enqueue(a)
        except OutcomeUnknown:
            return False
        except Duplicate:
            return True
        return True

    await reached(answered, what="Kafka answers again")


@pytest.mark.parametrize("outcome", [DONE, failure()], ids=["completed", "retry"])
async def test_a_settle_that_kafka_does_not_answer_is_unknown_and_its_repeat_counts_once(
    stack: Stack, start: Start, outcome
):
    async with start(APPEND_TIMEOUT_S=1.0, LEASE_S=60.0) as s:
        activity_id = await s.add("q")
        lease = await s.claim_one("q")
        with stopped(stack.kafka.pid), pytest.raises(OutcomeUnknown):
            await s.settle(lease, outcome)
        sealed = lease.sealed

        async def settled() -> bool:
            try:
                await s.settle(lease, failure("another outcome"))
            except OutcomeUnknown:
                return False
            return True

        await reached(settled, what="Kafka answers again")
        assert lease.sealed is sealed, "after an unknown append only the very same record is repeated"
        logged = (await assert_views_agree(s, "q"))[activity_id]
        assert {r.version for r in logged.records} == {0, lease.version}
        assert len({r.body for r in logged.records}) == 2


async def test_in_a_batch_each_settle_is_answered_by_its_own_report(start: Start):
    async with start() as s:
        await s.enqueue(*(activity("q") for _ in range(3)))
        leases = await s.claim("q")
        sealed = [_seal_outcome(s.b, lease, DONE, 0) for lease in leases]
        too_large = b" " * (max_record_bytes(s.b.conf) + 10_000)
        sealed[1] = sealed[1]._replace(body=too_large)
        answers = await commit_sealed(s.b, "q", sealed)
        assert [type(a) for a in answers] == [type(None), LogUnavailable, type(None)]
        assert await renew_leases(s.b, leases) == [Held.LOST, Held.HELD, Held.LOST]
        await s.settle(leases[1], DONE)
        await assert_views_agree(s, "q")


async def test_with_redis_away_enqueues_are_accepted_and_loaded_when_it_is_back(start: Start):
    async with start() as s, start(REDIS_URL="redis://127.0.0.1:1/0") as cut_off:
        first = await s.add("q")
        await cut_off.enqueue(later := activity("q"))
        with pytest.raises(HotUnavailable):
            await cut_off.enqueue(activity("q", id="chosen"))
        with pytest.raises(HotUnavailable):
            await claim(cut_off.b, "q", most=1, worker="w")
        await s.load("q")
        assert {x.id for x in await s.claim("q")} == {first, later.id}


async def test_a_worker_whose_redis_is_away_still_gets_its_result_into_the_log(start: Start):
    async with start() as s, start(REDIS_URL="redis://127.0.0.1:1/0") as cut_off:
        activity_id = await s.add("q")
        await ensure_queue(cut_off.b, "q")
        lease = await s.claim_one("q")
        with pytest.raises(OutcomeUnknown, match="Redis could not be asked"):
            await cut_off.settle(lease, DONE)
        await s.load("q")
        await s.expire_leases("q")
        assert await s.reap() == 0
        stub = await s.hot("q", activity_id)
        assert stub is not None
        assert stub.settled
        await s.settle(lease, DONE)
        await assert_views_agree(s, "q")


async def test_a_new_queue_made_without_redis_is_opened_by_a_keeper(start: Start):
    async with start(REDIS_URL="redis://127.0.0.1:1/0") as cut_off, start() as s:
        await cut_off.enqueue(a := activity("new"))
        with pytest.raises(HotUnavailable):
            await s.claim("new")
        assert await s.rebuild() == 1
        assert [x.id for x in await s.claim("new")] == [a.id]


async def test_two_processes_that_make_a_queue_at_once_leave_it_open(start: Start):
    async with start() as one, start() as two:
        made = await asyncio.gather(*(s.add(f"q{n}") for n in range(3) for s in (one, two)))

        async def all_claimed() -> bool:
            await one.rebuild()
            for n in range(3):
                await one.load(f"q{n}")
            return True

        await all_claimed()
        found = [x.id for n in range(3) for x in await two.claim(f"q{n}")]
        assert sorted(found) == sorted(made)


async def test_a_maker_that_finds_the_topics_there_gives_the_lock_back(start: Start):
    async with start() as one, start() as two:
        await one.b.admin.create_queue_topics("q")
        two.b.admin.partitions = _nothing_yet(two.b.admin.partitions)  # type: ignore[method-assign]
        await ensure_queue(two.b, "q")
        assert await one.rebuild() == 1
        await two.add("q")
        assert len(await one.claim("q")) == 1


def _nothing_yet(partitions):
    asked = []

    async def answer(topic: str) -> int:
        asked.append(topic)
        return 0 if len(asked) == 1 else await partitions(topic)

    return answer


async def test_a_lease_of_an_older_epoch_is_told_that_the_log_decides(start: Start):
    async with start() as s:
        await s.add("q")
        lease = await s.claim_one("q")
        await s.flush()
        await s.rebuild()
        with pytest.raises(OutcomeUnknown):
            await s.settle(lease, DONE)
        with pytest.raises(LeaseLost):
            await s.settle(lease, DONE)
