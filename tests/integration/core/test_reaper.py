"""The reaper against workers that are late, and against itself."""

import asyncio

import pytest

from queues import failpoints
from queues.domain.activity import OnExhaustion
from queues.domain.errors import LeaseLost
from queues.domain.outcomes import completed
from queues.domain.record import Kind, decode_body, record_key
from queues.domain.states import State
from queues.keeper.reaper import REAP, Reaper
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.cancel import cancel
from queues.services.claim import Lease
from queues.services.decide import decide
from queues.services.settle import _seal_outcome, settle
from tests.protocol.folding import assert_views_agree
from tests.protocol.system import System, activity, failure

pytestmark = pytest.mark.django_db
DONE = completed(b'"done"')


async def append_only(s: System, lease: Lease, outcome=DONE) -> None:
    """Append what ends the attempt, and die before it takes effect."""
    lease.sealed = lease.sealed or _seal_outcome(s.b, lease, outcome, 0)
    a = lease.sealed
    topic = topic_name(s.b.conf, lease.queue, a.kind)
    key = record_key(lease.id, a.activity.version)
    [report] = await s.b.log.append([Message(topic, a.partition, key, a.body, a.headers)])
    assert not report.error


async def test_nothing_is_given_back_before_the_loader_has_passed_what_may_have_been_appended(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await append_only(s, lease)
    await s.expire_leases("q")
    reaper = Reaper(s.b, s.directory)
    for _ in range(3):
        assert await s.reap(reaper) == 0
    assert await s.claim("q") == []
    await s.load("q")
    assert await s.reap(reaper) == 0, "it had ended: dying after the append costs nothing"
    stub = await s.hot("q", lease.id)
    assert stub is not None
    assert stub.state == State.COMPLETED
    await assert_views_agree(s, "q")


async def test_a_settle_that_lands_behind_the_reapers_sample_is_told_that_it_does_not_count(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.expire_leases("q")
    await s.load("q")
    [decision] = await decide(s.b, "q", REAP, [(lease.id, -1)])
    assert decision.state == "available"
    with pytest.raises(LeaseLost):
        await s.settle(lease, DONE)
    second = await s.claim_one("q")
    assert (second.id, second.attempt) == (lease.id, 2)
    await s.settle(second, DONE)
    await assert_views_agree(s, "q")


async def test_a_settle_between_the_reapers_decision_and_its_append_is_told_that_it_does_not_count(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.expire_leases("q")
    failpoints.arm({"decide.held": "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await decide(s.b, "q", REAP, [(lease.id, -1)])
    with pytest.raises(LeaseLost):
        await s.settle(lease, DONE)
    await s.load("q")
    await s.expire_leases("q")
    assert await s.reap() == 1, "the reaper that died is followed"
    await s.settle(await s.claim_one("q"), DONE)
    await assert_views_agree(s, "q")


async def test_a_settle_before_the_reapers_decision_wins(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.expire_leases("q")
    await s.settle(lease, DONE)
    [refusal] = await decide(s.b, "q", REAP, [(lease.id, -1)])
    assert refusal.code == "conflict"
    await assert_views_agree(s, "q")


async def test_a_late_record_of_an_old_reaper_after_a_completed_settle_is_a_ghost(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.expire_leases("q")
    old = Lease(**{name: getattr(lease, name) for name in _FIELDS})
    [held] = await s.b.hot.decide(
        "q", "reap", ["leased", "expired"], list(State), [(lease.id, -1, False)], lease_ms=1, holder="old"
    )
    old.version = held.version
    await s.load("q")
    await s.expire_leases("q")
    assert await s.reap() == 1
    await s.settle(await s.claim_one("q"), DONE)
    await s.load("q")
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").stubs, 1, lease.id)
    assert await s.b.hot.trim("q", {"d:0": 100}) == 1
    await append_only(s, old, failure("from the grave"))
    await s.load("q")
    assert await s.claim("q") == []
    logged = (await assert_views_agree(s, "q"))[lease.id]
    ghost = next(r for r in logged.records if r.version == old.version)
    assert ghost.kind is Kind.RETRY
    assert logged.nulled(ghost)


async def test_a_retry_of_a_lease_not_seen_for_long_is_appended_only_when_it_is_still_held(s: System):
    await s.enqueue(*(activity("q", max_attempts=9) for _ in range(2)))
    held, lost = await s.claim("q")
    await cancel(s.b, "q", lost.id, actor="a", reason="")
    for lease in (held, lost):
        lease.seen_s -= 1_000
    with pytest.raises(LeaseLost):
        await s.settle(lost, failure())
    await s.settle(held, failure())
    await s.settle(held, failure())
    logged = await assert_views_agree(s, "q")
    assert {r.kind for r in logged[lost.id].records} == {Kind.PENDING, Kind.COMPLETED}
    assert logged[held.id].newest.version == held.version


_FIELDS = (
    "address", "attempt", "body", "claimed_ms", "deadline_ms", "earlier", "fence", "id", "partition", "queue",
    "token", "type", "version", "worker",
)  # fmt: skip


async def test_two_reapers_give_back_each_lease_once(s: System):
    for _ in range(20):
        await s.add("q")
    leases = await s.claim("q")
    await s.expire_leases("q")
    await s.load("q")
    assert sum(await asyncio.gather(s.reap(), s.reap())) == 20
    again = await s.claim("q")
    assert {x.id for x in again} == {x.id for x in leases}
    assert {x.attempt for x in again} == {2}
    await assert_views_agree(s, "q")


async def test_a_lease_that_was_renewed_or_taken_anew_since_is_left_alone(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.expire_leases("q")
    reaper = Reaper(s.b, s.directory)
    await s.add("q")
    other = await s.claim_one("q")
    await append_only(s, other)
    assert await s.reap(reaper) == 0
    assert await s.b.hot.renew("q", 60_000, [(lease.id, lease.fence)]) == "1"
    await s.load("q")
    assert await s.reap(reaper) == 0
    await s.settle(lease, DONE)


@pytest.mark.parametrize(("exhausted", "kind"), [("dead_letter", Kind.DLQ), ("discard", Kind.COMPLETED)])
async def test_spent_attempts_end_with_the_lease(s: System, exhausted: str, kind: Kind):
    await s.add("q", max_attempts=1, on_exhaustion=OnExhaustion(exhausted))
    lease = await s.claim_one("q")
    await s.expire_leases("q")
    await s.load("q")
    assert await s.reap() == 1
    newest = (await assert_views_agree(s, "q"))[lease.id].newest
    assert newest.kind is kind
    assert decode_body(newest).errors[0].type == "LeaseExpired"


async def test_a_second_settle_of_another_attempt_never_overwrites_the_first(s: System):
    await s.add("q")
    first = await s.claim_one("q")
    await s.expire_leases("q")
    await s.load("q")
    await s.reap()
    second = await s.claim_one("q")
    results = await asyncio.gather(
        settle(s.b, first, completed(b"1")), settle(s.b, second, completed(b"2")), return_exceptions=True
    )
    assert isinstance(results[0], LeaseLost)
    assert results[1] is None
    await assert_views_agree(s, "q")
    stub = await s.hot("q", second.id)
    assert stub is not None
    assert stub.result == b"2"
