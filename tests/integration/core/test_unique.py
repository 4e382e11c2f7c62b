"""Unique keys and chosen ids: reserved before the append, confirmed after it, held while their activity lives."""

import asyncio

import pytest

from queues import failpoints
from queues.domain.activity import Unique
from queues.domain.errors import Duplicate, EnqueueUnknown, HotUnavailable
from queues.domain.outcomes import completed
from queues.domain.record import decode_body
from queues.domain.schedule import Schedule
from queues.hot.client import HotClosed
from queues.keeper.scheduler import Scheduler
from queues.services.queues import ensure_queue
from tests.integration.core.conftest import Start
from tests.integration.core.test_islands import append, island
from tests.protocol.folding import assert_views_agree, fold
from tests.protocol.system import System, activity

pytestmark = pytest.mark.django_db
DONE = completed()
KEY = Unique("k")
EXISTING = Unique("k", "existing")


async def key_of(s: System) -> tuple[bytes | None, int]:
    name = f"{s.b.hot.keys('q').base}uq:k"
    return await s.b.hot.client.command("GET", name), await s.b.hot.client.command("PTTL", name)


async def test_a_key_is_held_while_its_activity_lives_and_free_after(s: System):
    first = await s.add("q", unique=KEY)
    assert await key_of(s) == (first.encode(), -1)
    with pytest.raises(Duplicate) as refused:
        await s.add("q", unique=KEY)
    assert refused.value.existing_id == first
    [existing] = await s.enqueue(activity("q", unique=EXISTING))
    assert (existing.id, existing.existing) == (first, True)
    await s.settle(await s.claim_one("q"), DONE)
    second = await s.add("q", unique=KEY)
    assert await key_of(s) == (second.encode(), -1)


async def test_a_key_ends_with_the_stub_once_the_index_has_the_settlement(s: System):
    first = await s.add("q", unique=KEY)
    await s.settle(await s.claim_one("q"), DONE)
    await s.load("q")
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").stubs, 1, first)
    assert (await key_of(s))[0] == first.encode()
    await s.b.hot.trim("q", {"d:0": 100})
    assert (await key_of(s))[0] is None


async def test_of_many_at_once_one_gets_the_key(s: System):
    await ensure_queue(s.b, "q")
    answers = await asyncio.gather(*(s.add("q", unique=KEY) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(a, str) for a in answers) == 1
    assert sum(isinstance(a, Duplicate) for a in answers) == 19
    assert len(await s.claim("q")) == 1


async def test_what_is_refused_leaves_nothing_reserved(s: System):
    await s.add("q", unique=KEY)
    fresh = activity("q", unique=Unique("other"), id="chosen")
    with pytest.raises(Duplicate):
        await s.enqueue(fresh, activity("q", unique=KEY))
    with pytest.raises(Duplicate):
        await s.enqueue(activity("q", unique=KEY), activity("q", unique=Unique("third")))
    await s.enqueue(fresh, activity("q", unique=Unique("third")))
    assert len(await s.claim("q")) == 3


async def test_an_enqueuer_that_dies_before_its_append_holds_the_key_for_half_a_minute(s: System):
    await ensure_queue(s.b, "q")
    assert await s.b.hot.reserve("q", [("dead", "k", 0, "")]) == [""]
    holder, left_ms = await key_of(s)
    assert holder == b"dead"
    assert 0 < left_ms <= 30_000
    with pytest.raises(Duplicate):
        await s.add("q", unique=KEY)
    await s.b.hot.client.command("DEL", f"{s.b.hot.keys('q').base}uq:k")
    await s.add("q", unique=KEY)


async def test_a_key_held_by_what_nobody_knows_is_taken_over(s: System):
    await ensure_queue(s.b, "q")
    assert await s.b.hot.reserve("q", [("lost", "k", 0, "")]) == [""]
    await s.b.hot.confirm("q", [("lost", "k", 1)])
    second = await s.add("q", unique=KEY, id="chosen")
    assert await key_of(s) == (second.encode(), -1)


async def test_an_admission_whose_key_belongs_to_another_live_one_is_discarded_as_a_duplicate(s: System):
    await ensure_queue(s.b, "q")
    late = activity("q", unique=KEY)
    [offset] = await append(s, late)
    owner = await s.add("q", unique=KEY)
    assert await island(s, (offset, [late])) == "1"
    assert [x.id for x in await s.claim("q")] == [owner]
    assert await s.schedule() == 1
    logged = await assert_views_agree(s, "q")
    assert decode_body(logged[late.id].newest).reason == "duplicate"
    assert await key_of(s) == (owner.encode(), -1)


async def test_keys_come_back_with_their_activities_and_when_two_hold_one_both_stay(s: System):
    first = await s.add("q", unique=KEY)
    await append(s, second := activity("q", unique=KEY))
    await s.flush()
    await s.rebuild()
    assert {x.id for x in await s.claim("q")} == {first, second.id}
    with pytest.raises(Duplicate):
        await s.add("q", unique=KEY)


async def test_a_failed_confirmation_does_not_refuse_what_is_in_the_log(s: System):
    await s.add("q")
    answered = s.b.hot.confirm

    async def away(queue, items):
        raise HotUnavailable("just now")

    s.b.hot.confirm = away  # type: ignore[method-assign]
    [accepted] = await s.enqueue(activity("q", unique=KEY))
    s.b.hot.confirm = answered  # type: ignore[method-assign]
    assert accepted.id in await fold(s, "q")
    assert await key_of(s) == (accepted.id.encode(), -1), "its admission confirms it"


async def test_a_chosen_id_is_used_once(s: System):
    await s.add("q", id="mine")
    with pytest.raises(Duplicate):
        await s.add("q", id="mine")
    await s.settle(await s.claim_one("q"), DONE)
    with pytest.raises(Duplicate):
        await s.add("q", id="mine")
    score = await s.b.hot.client.command("ZSCORE", s.b.hot.keys("q").stubs, "mine")
    other = await s.add("q")
    await s.settle(await s.claim_one("q"), DONE)
    usual = await s.b.hot.client.command("ZSCORE", s.b.hot.keys("q").stubs, other)
    assert float(score) - float(usual) > 3_000_000, "its stub stays an hour"


async def test_the_stub_of_a_chosen_id_stays_an_hour_after_a_rebuild_too(s: System):
    await s.add("q", id="mine")
    other = await s.add("q")
    await s.run_all("q", DONE)
    await s.flush()
    await s.rebuild()
    stubs = s.b.hot.keys("q").stubs
    mine, usual = [await s.b.hot.client.command("ZSCORE", stubs, i) for i in ("mine", other)]
    assert float(mine) - float(usual) > 3_000_000


async def test_an_id_that_another_call_is_enqueueing_is_unknown_not_taken(s: System):
    await ensure_queue(s.b, "q")
    assert await s.b.hot.reserve("q", [("mine", "", 1, "")]) == [""]
    with pytest.raises(EnqueueUnknown):
        await s.add("q", id="mine")
    await s.b.hot.confirm("q", [("mine", "", 0)])
    await s.add("q", id="mine")


async def test_a_chosen_id_and_a_key_work_on_a_queue_that_is_new(s: System):
    await s.enqueue(activity("q", id="mine", unique=KEY))
    assert [x.id for x in await s.claim("q")] == ["mine"]


async def test_with_the_hot_view_closed_a_plain_enqueue_is_accepted_and_a_chosen_id_is_not(s: System):
    await s.add("q")
    await s.flush()
    plain = await s.add("q")
    with pytest.raises(HotClosed):
        await s.add("q", id="mine")
    await s.rebuild()
    await s.load("q")
    assert plain in {x.id for x in await s.claim("q")}


async def test_a_tick_is_enqueued_once_by_two_schedulers_and_again_by_the_next_tick(s: System):
    await ensure_queue(s.b, "q")
    schedule = Schedule("e", 3_600_000, activity("q"))
    await asyncio.gather(s.schedule([schedule]), s.schedule([schedule]), return_exceptions=True)
    await s.schedule([schedule])
    [tick] = await s.claim("q")
    await s.settle(tick, DONE)
    await s.schedule([schedule])
    assert await s.claim("q") == []
    await s.schedule([Schedule("e", 1_800_000, activity("q"))])
    await s.schedule([Schedule("f", 3_600_000, activity("q"))])
    assert len(await s.claim("q")) >= 1


async def test_a_scheduler_that_dies_over_a_tick_is_followed_by_the_other(start: Start):
    async with start() as s:
        await ensure_queue(s.b, "q")
        schedule = Schedule("e", 3_600_000, activity("q"))
        await s.look()
        dying, other = (Scheduler(s.b, s.directory, [schedule]) for _ in range(2))
        failpoints.arm({"enqueue.appended": "once:raise"})
        with pytest.raises(failpoints.FailpointError):
            await dying.step()
        with pytest.raises(EnqueueUnknown):
            await other.step()
        await s.load("q")
        await other.step()
        await other.step()
        assert len(await s.claim("q")) == 1
