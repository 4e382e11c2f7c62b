"""Claim and settle: what counts, what does not, and in which order things run."""

import asyncio

import pytest

from queues.domain.activity import Limit
from queues.domain.errors import LeaseLost
from queues.domain.outcomes import completed, failed, released, snoozed
from queues.domain.retry import Backoff, RetryPolicy
from queues.domain.states import State
from queues.services.heartbeat import Held, renew_leases
from queues.services.queues import pause_queue, resume_queue
from queues.services.settle import settle
from tests.integration.core.conftest import Start
from tests.protocol.folding import assert_views_agree
from tests.protocol.system import System, activity, failure

pytestmark = pytest.mark.django_db

DONE = completed()
AT_ONCE = RetryPolicy(Backoff.CONSTANT, 0)
LATER = RetryPolicy(Backoff.CONSTANT, 600_000, jitter=False)


async def test_an_activity_is_claimed_settled_and_forgotten_once_both_views_have_it(s: System):
    activity_id = await s.add("q", args=[1])
    lease = await s.claim_one("q")
    assert lease.id == activity_id
    assert bytes(lease.activity().args) == b"[1]"
    assert await s.claim("q") == []
    await s.settle(lease, completed(b'"done"'))
    stub = await s.hot("q", activity_id)
    assert stub is not None
    assert (stub.state, stub.settled, stub.result) == (State.COMPLETED, True, b'"done"')
    await assert_views_agree(s, "q")
    assert await s.b.hot.trim("q", {"d:0": 1, "n:0": 1}) == 0, "a minute has not passed"
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").stubs, 1, activity_id)
    assert await s.b.hot.trim("q", {"d:0": 0}) == 0, "the index has not passed it"
    assert await s.b.hot.trim("q", {"d:0": 1}) == 1
    assert await s.hot("q", activity_id) is None


async def test_a_stub_stays_until_the_loader_has_passed_the_settlement_and_the_first_record(s: System):
    activity_id = await s.add("q")
    await s.settle(await s.claim_one("q"), DONE)
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").stubs, 1, activity_id)
    assert await s.b.hot.trim("q", {"d:0": 100, "n:0": 100}) == 0
    await s.load("q")
    assert await s.b.hot.trim("q", {"d:0": 100, "n:0": 100}) == 1


async def test_beyond_the_most_that_are_kept_the_index_is_not_waited_for(start: Start):
    async with start(HOT_RECENT=3) as s:
        ids = [await s.add("q") for _ in range(5)]
        await s.run_all("q", DONE)
        assert await s.b.hot.trim("q", {}) == 0, "the loader has not passed them"
        await s.load("q")
        await s.schedule()
        left = [i for i in ids if await s.hot("q", i)]
        assert len(left) == 3


async def test_the_same_call_gives_the_same_leases_and_another_gives_none(s: System):
    await s.enqueue(*(activity("q") for _ in range(3)))
    first = await s.claim("q", 2, call="c1")
    again = await s.claim("q", 2, call="c1")
    assert [(x.id, x.fence, x.version) for x in again] == [(x.id, x.fence, x.version) for x in first]
    await s.settle(again[0], DONE)
    assert [x.id for x in await s.claim("q", 2, call="c1")] == [first[1].id]
    assert len(await s.claim("q", 2, call="c2")) == 1


async def test_a_fence_is_higher_than_every_version_before_it(s: System):
    await s.add("q", retry=AT_ONCE)
    first = await s.claim_one("q")
    assert 0 < first.fence < first.version
    await s.settle(first, failure())
    second = await s.claim_one("q")
    assert first.version < second.fence < second.version
    assert second.attempt == 2


async def test_a_settle_after_the_lease_is_anothers_is_refused_and_changes_nothing(s: System):
    await s.add("q")
    zombie = await s.claim_one("q")
    await s.expire_leases("q")
    await s.load("q")
    assert await s.reap() == 1
    second = await s.claim_one("q", worker="second")
    assert second.attempt == 2
    with pytest.raises(LeaseLost):
        await s.settle(zombie, completed(b'"late"'))
    await s.settle(second, completed(b'"true"'))
    await assert_views_agree(s, "q")
    stub = await s.hot("q", second.id)
    assert stub is not None
    assert (stub.version, stub.result) == (second.version, b'"true"')


@pytest.mark.parametrize("outcome", [DONE, failure(), failed(failure().failure, retryable=False)])  # type: ignore[arg-type]
async def test_the_same_settle_repeated_counts_once_and_is_answered_alike(s: System, outcome):
    await s.add("q", retry=AT_ONCE)
    lease = await s.claim_one("q")
    await s.settle(lease, outcome)
    await s.settle(lease, outcome)
    await assert_views_agree(s, "q")
    await s.settle(lease, outcome)
    await assert_views_agree(s, "q")
    assert len(await s.claim("q")) == (1 if outcome.retryable and outcome is not DONE else 0)


async def test_a_zombies_retry_is_refused_also_when_it_is_repeated(s: System):
    await s.add("q", retry=AT_ONCE)
    zombie = await s.claim_one("q")
    await s.expire_leases("q")
    [held] = await s.b.hot.decide(
        "q", "reap", ["leased", "expired"], list(State), [(zombie.id, -1, False)], lease_ms=1, holder="r"
    )
    assert not held.why
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await settle(s.b, zombie, failure())
    await s.load("q")
    assert await s.reap() == 1, "the reaper that died is followed"
    await assert_views_agree(s, "q")


async def test_heartbeats_extend_what_is_held_and_say_what_is_lost(s: System):
    await s.enqueue(activity("q"), activity("q"))
    kept, lost = await s.claim("q")
    await s.settle(lost, DONE)
    await s.expire_leases("q")
    assert await renew_leases(s.b, [kept, lost]) == [Held.HELD, Held.LOST]
    assert await s.b.hot.overdue("q", 10) == ([], [])


async def test_order_is_band_then_priority_then_what_ran_before_then_time(s: System):
    names = {}
    for name, priority in [("low", -5), ("a", 0), ("b", 0), ("high", 40), ("higher", 60), ("critical", 90)]:
        names[await s.add("q", priority=priority, retry=AT_ONCE)] = name
    order = [names[x.id] for x in await s.claim("q", 4)]
    assert order == ["critical", "higher", "high", "a"]
    await s.expire_leases("q")
    await s.load("q")
    assert await s.reap() == 4
    order = [names[x.id] for x in await s.claim("q", 10)]
    assert order == ["critical", "higher", "high", "a", "b", "low"]


async def test_a_filter_takes_only_its_types_in_order(s: System):
    await s.enqueue(*(activity("q", type=f"t{n % 3}") for n in range(9)))
    taken = await s.claim("q", 10, types=["t1", "t2"])
    assert [x.type for x in taken] == ["t1", "t2"] * 3
    assert {x.type for x in await s.claim("q")} == {"t0"}


async def test_a_claim_never_gives_more_than_the_batch(s: System):
    await s.enqueue(*(activity("q") for _ in range(s.b.conf.claim_batch + 5)))
    assert len(await s.claim("q", 10**6)) == s.b.conf.claim_batch


async def test_released_and_snoozed_attempts_do_not_count(s: System):
    await s.add("q", max_attempts=1)
    await s.settle(await s.claim_one("q"), released())
    lease = await s.claim_one("q")
    assert lease.attempt == 1
    await s.settle(lease, snoozed(1))
    await s.load("q")
    assert await s.schedule() >= 0
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").due, "XX", 1, lease.id)
    await s.schedule()
    assert (await s.claim_one("q")).attempt == 1


async def test_what_is_due_later_is_claimable_only_then_and_promoted_once(s: System):
    activity_id = await s.add("q", delay_ms=3_600_000)
    assert await s.claim("q") == []
    assert await s.schedule() == 0
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").due, 1, activity_id)
    assert sum(await asyncio.gather(s.schedule(), s.schedule())) == 1
    assert [x.id for x in await s.claim("q")] == [activity_id]


async def test_spent_attempts_make_a_dead_letter(s: System):
    activity_id = await s.add("q", max_attempts=2, retry=AT_ONCE)
    await s.settle(await s.claim_one("q"), failure("one"))
    await s.settle(await s.claim_one("q"), failure("two"))
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert logged.newest.kind.value == "dlq"
    assert [f.message for f in _body(logged).errors] == ["one", "two"]


def _body(logged):
    from queues.domain.record import decode_body

    return decode_body(logged.newest)


async def test_of_a_lane_one_runs_at_a_time_in_the_order_of_the_log_whatever_the_clocks_say(s: System):
    lane = [activity("q", key="k", args=[n], retry=LATER) for n in range(4)]
    lane[2].created_ms -= 60_000
    ids = [a.id for a in lane]
    for one in lane:
        await s.enqueue(one)
    other = await s.add("q", key="other")
    head, beside = await s.claim("q")
    assert {head.id, beside.id} == {ids[0], other}
    head = head if head.id == ids[0] else beside
    await s.settle(head, failure())
    assert await s.claim("q") == [], "a head that waits for its retry keeps the lane"
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").due, 1, ids[0])
    await s.schedule()
    assert await s.run_all("q", DONE) == ids
    await assert_views_agree(s, "q")


async def test_a_lane_is_left_by_what_is_cancelled_or_dead(s: System):
    from queues.services.cancel import cancel

    ids = [await s.add("q", key="k", max_attempts=1) for _ in range(3)]
    await s.settle(await s.claim_one("q"), failure())
    await cancel(s.b, "q", ids[1], actor="a", reason="")
    assert [x.id for x in await s.claim("q")] == [ids[2]]


async def test_no_more_run_than_a_limit_allows_and_each_place_that_is_freed_is_taken(s: System):
    limits = (Limit("tenant", 2),)
    await s.enqueue(*(activity("q", limits=limits) for _ in range(5)))
    ran = 0
    while leases := await s.claim("q"):
        assert len(leases) <= 2
        ran += len(leases)
        await s.settle(leases[0], DONE)
        held = await s.claim("q")
        ran += len(held)
        assert len(held) <= 1
        for lease in [*leases[1:], *held]:
            await s.settle(lease, DONE)
    assert ran == 5


async def test_a_place_is_passed_on_by_one_who_waits_for_another_limit(s: System):
    one, two = Limit("one", 1), Limit("two", 1)
    await s.add("q", limits=(one,))
    await s.add("q", limits=(two,))
    holds_one, holds_two = await s.claim("q")
    both = await s.add("q", limits=(one, two))
    only_one = await s.add("q", limits=(one,))
    assert await s.claim("q") == []
    await s.settle(holds_one, DONE)
    assert await s.claim("q", 1) == [], "it needs the other limit too"
    assert [x.id for x in await s.claim("q", 1)] == [only_one]
    await s.settle(holds_two, DONE)
    assert both


async def test_a_place_that_a_cancelled_one_was_let_in_for_is_passed_on(s: System):
    from queues.services.cancel import cancel

    limits = (Limit("one", 1),)
    await s.add("q", limits=limits)
    held = await s.claim_one("q")
    second, third = await s.add("q", limits=limits), await s.add("q", limits=limits)
    assert await s.claim("q") == []
    await s.settle(held, DONE)
    await cancel(s.b, "q", second, actor="a", reason="")
    assert [x.id for x in await s.claim("q")] == [third]


async def test_what_has_expired_is_never_claimed_and_is_discarded(s: System):
    from queues.services.backbone import now_ms

    late = activity("q", expires_ms=now_ms() + 60_000)
    late.expires_ms = now_ms() - 1
    retried = activity("q", retry=LATER, expires_ms=now_ms() + 600_000)
    await s.enqueue(late, retried)
    assert [x.id for x in await s.claim("q")] == [retried.id]
    assert await s.schedule() == 1
    logged = await assert_views_agree(s, "q")
    assert _body(logged[late.id]).reason == "expired"
    assert logged[retried.id].live


async def test_a_paused_queue_gives_nothing_and_what_runs_goes_on(s: System, queue_name: str):
    await s.enqueue(activity(queue_name), activity(queue_name))
    running = await s.claim_one(queue_name)
    await pause_queue(s.b, queue_name, actor="a", reason="r")
    assert await s.claim(queue_name) == []
    await s.settle(running, DONE)
    await resume_queue(s.b, queue_name, actor="a", reason="r")
    assert len(await s.claim(queue_name)) == 1


async def test_at_the_memory_limit_what_runs_is_renewed_settled_and_forgotten(s: System):
    command = s.b.hot.client.command
    await s.enqueue(*(activity("q") for _ in range(4)))
    kept, done, failed_one = await s.claim("q", 3)
    failed_one.activity().retry = AT_ONCE
    await s.load("q")
    await command("CONFIG", "SET", "maxmemory", "1mb")
    try:
        assert await renew_leases(s.b, [kept]) == [Held.HELD]
        await s.settle(done, DONE)
        await s.settle(failed_one, failure())
        await s.load("q")
        assert len(await s.claim("q")) == 2
        assert await s.claim("q") == []
        await command("ZREM", s.b.hot.keys("q").stubs, "x")
        await s.b.hot.trim("q", {"d:0": 100})
        assert await s.enqueue(activity("q")), "an enqueue is in the log, and is loaded when there is room"
    finally:
        await command("CONFIG", "SET", "maxmemory", "0")
    await s.load("q")
    assert len(await s.claim("q")) == 1


async def test_a_counter_that_is_used_up_closes_the_queue_until_a_new_epoch(s: System):
    from queues.hot.client import HotClosed

    activity_id = await s.add("q")
    await s.b.hot.client.command("HSET", s.b.hot.keys("q").meta, "n", str(2**36 - 5))
    with pytest.raises(HotClosed):
        await s.claim("q")
    assert await s.rebuild() == 1
    assert [x.id for x in await s.claim("q")] == [activity_id]
