"""Groups: the follow-up runs once, when all members have ended, whatever is lost meanwhile."""

import asyncio

import pytest

from queues import failpoints
from queues.domain.outcomes import completed, failed
from queues.domain.states import State
from queues.services.queues import ensure_queue
from queues.services.redrive import redrive
from queues.services.workflows import enqueue_group
from tests.integration.core.conftest import Start
from tests.integration.core.test_islands import append
from tests.protocol.folding import assert_views_agree
from tests.protocol.system import System, activity, failure

pytestmark = pytest.mark.django_db
DONE = completed()
DEAD = failed(failure().failure, retryable=False)  # type: ignore[arg-type]


async def group(s: System, size: int = 3, queue: str = "q", **options: object) -> str:
    members = [activity(queue, type="member", **options) for _ in range(size)]
    return await enqueue_group(s.b, members, activity("q", type="followup", members=size))


async def state(s: System, activity_id: str) -> str:
    record = await s.hot("q", activity_id)
    assert record is not None
    return record.state


async def test_the_followup_runs_once_when_all_have_ended_however_they_did(s: System):
    followup = await group(s)
    outcomes = [DONE, DEAD, DONE]
    for outcome in outcomes:
        assert await state(s, followup) == State.PENDING
        await s.settle(await s.claim_one("q"), outcome)
        await s.load("q")
    assert await s.run_all("q", DONE) == [followup]
    await assert_views_agree(s, "q")
    assert await s.claim("q") == []


async def test_members_of_other_queues_count(s: System):
    followup = await group(s, 2, queue="other")
    assert len(await s.run_all("other", DONE)) == 2
    await s.load("other")
    assert [x.id for x in await s.claim("q")] == [followup]


@pytest.mark.parametrize("ended", [0, 1, 2, 3])
async def test_what_was_counted_survives_the_loss_of_redis(s: System, ended: int):
    followup = await group(s)
    for lease in await s.claim("q", ended) if ended else []:
        await s.settle(lease, DONE)
    await s.load("q")
    if ended < 3:
        await s.flush()
        await s.rebuild()
        await s.run_all("q", DONE)
        await s.load("q")
    await s.flush()
    await s.rebuild()
    await s.schedule()
    assert await s.run_all("q", DONE) == [followup]
    await assert_views_agree(s, "q")


@pytest.mark.parametrize("point", ["loader.applied", "loader.nulled", "loader.caused", "decide.held"])
async def test_a_loader_that_dies_over_the_last_member_leaves_the_followup_to_the_next(s: System, point: str):
    followup = await group(s, 1)
    await s.settle(await s.claim_one("q"), DONE)
    failpoints.arm({point: "once:raise"})
    with pytest.raises(failpoints.FailpointError):
        await s.load("q")
    await s.crash_loader()
    await s.load("q")
    if point == "decide.held":
        await s.expire_leases("q")
        await s.reap()
    await s.schedule()
    assert await s.run_all("q", DONE) == [followup]
    await assert_views_agree(s, "q")


async def test_a_followup_that_is_loaded_after_its_members_ended_is_woken(start: Start):
    async with start(HOT_WINDOW=1) as s:
        await ensure_queue(s.b, "q")
        late = activity("q", type="followup", members=2)
        late.state = State.PENDING
        await append(s, late)
        members = [activity("m", workflow=f"q/{late.id}") for _ in range(2)]
        await s.enqueue(*members)
        await s.load("m")
        await s.run_all("m", DONE)
        await s.load("m")
        await s.load("q")
        # The loader reads all queues: it may have met the follow-up in time and woken it by itself.
        await s.schedule()
        assert await s.run_all("q", DONE) == [late.id]


async def test_two_schedulers_and_a_loader_wake_it_once(s: System):
    followup = await group(s, 2)
    await s.run_all("q", DONE)
    await asyncio.gather(s.load("q"), s.schedule(), s.schedule())
    await s.schedule()
    assert await s.run_all("q", DONE) == [followup]
    await assert_views_agree(s, "q")


async def test_a_member_that_is_redriven_later_wakes_nobody_again(s: System):
    followup = await group(s, 1)
    member = await s.claim_one("q")
    await s.settle(member, DEAD)
    await s.load("q")
    await redrive(s.b, "q", member.id, actor="a", reason="")
    ran = await s.run_all("q", DONE)
    await s.load("q")
    await s.schedule()
    ran += await s.run_all("q", DONE)
    assert sorted(ran) == sorted([followup, member.id])
