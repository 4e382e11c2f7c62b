"""Nulls: each removes one superseded record, the loader writes all of them, and none is ever missing for long."""

import pytest

from queues import failpoints
from queues.domain.outcomes import completed, failed
from queues.domain.record import Kind, decode_body
from queues.services.redrive import redrive
from tests.integration.core.conftest import Start
from tests.integration.core.test_reaper import append_only
from tests.protocol.folding import assert_views_agree, fold
from tests.protocol.system import System, activity, failure

pytestmark = pytest.mark.django_db
DONE = completed()
DEAD = failed(failure().failure, retryable=False)  # type: ignore[arg-type]


async def test_a_null_names_one_record_and_only_superseded_ones_have_one(s: System):
    activity_id = await s.add("q", retry=activity("q").retry)
    lease = await s.claim_one("q")
    await s.settle(lease, failure())
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert logged.nulls == {("n", 0, 0)}
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").due, 1, activity_id)
    await s.schedule()
    await s.settle(await s.claim_one("q"), DONE)
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert logged.nulls == {("n", 0, 0), ("r", 0, lease.version)}


async def test_a_retry_that_the_loader_brings_supersedes_what_was_before_it_alone(s: System):
    activity_id = await s.add("q", max_attempts=9)
    lease = await s.claim_one("q")
    await append_only(s, lease, failure())
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert logged.nulls == {("n", 0, 0)}
    await s.b.hot.client.command("ZADD", s.b.hot.keys("q").due, 1, activity_id)
    await s.schedule()
    again = await s.claim_one("q")
    await append_only(s, again, failure())
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert logged.nulls == {("n", 0, 0), ("r", 0, lease.version)}


async def test_workers_write_no_null_so_that_the_loader_need_not_guess(s: System):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.settle(lease, DONE)
    assert (await fold(s, "q"))[lease.id].nulls == set()


@pytest.mark.parametrize("point", ["loader.applied", "loader.nulled", "loader.moved"])
async def test_a_loader_killed_between_its_steps_leaves_no_null_out(s: System, point: str):
    await s.add("q", max_attempts=9)
    lease = await s.claim_one("q")
    await s.settle(lease, failure())
    await s.add("q")
    await s.settle(await s.claim_one("q"), DONE)
    failpoints.arm({point: "raise"})
    with pytest.raises(failpoints.FailpointError):
        await s.load("q")
    failpoints.arm({})
    await s.crash_loader()
    await assert_views_agree(s, "q")


@pytest.mark.parametrize("point", ["loader.applied", "loader.nulled"])
async def test_a_null_that_is_missing_when_redis_is_lost_is_written_by_the_rebuild(s: System, point: str):
    await s.add("q")
    lease = await s.claim_one("q")
    await s.settle(lease, DONE)
    failpoints.arm({point: "raise"})
    with pytest.raises(failpoints.FailpointError):
        await s.load("q")
    failpoints.arm({})
    await s.crash_loader()
    await s.flush()
    await s.rebuild()
    assert await s.claim("q") == []
    logged = await assert_views_agree(s, "q")
    assert logged[lease.id].nulls == {("n", 0, 0)}
    for _ in range(2):
        await s.flush()
        await s.rebuild()
        assert await s.claim("q") == []


async def test_a_redrive_supersedes_the_dead_letter_alone_and_survives_a_late_null(s: System):
    activity_id = await s.add("q")
    dead = await s.claim_one("q")
    await s.settle(dead, DEAD)
    decision = await redrive(s.b, "q", activity_id, actor="a", reason="again")
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert (logged.live, logged.newest.version) == (True, decision.version)
    assert logged.nulls == {("n", 0, 0), ("x", 0, dead.version)}
    assert decode_body(logged.newest).generation == 1
    await s.flush()
    await s.rebuild()
    assert [x.id for x in await s.claim("q")] == [activity_id]


async def test_the_null_of_a_redriven_dead_letter_is_written_by_the_rebuild_too(s: System):
    activity_id = await s.add("q")
    dead = await s.claim_one("q")
    await s.settle(dead, DEAD)
    await s.load("q")
    await redrive(s.b, "q", activity_id, actor="a", reason="again")
    await s.flush()
    await s.rebuild()
    logged = (await assert_views_agree(s, "q"))[activity_id]
    assert ("x", 0, dead.version) in logged.nulls
    assert logged.live


async def test_a_dead_letter_of_a_zombie_gets_its_null_too(s: System):
    await s.add("q", max_attempts=9)
    zombie = await s.claim_one("q")
    await s.expire_leases("q")
    await s.load("q")
    await s.reap()
    second = await s.claim_one("q")
    from queues.domain.errors import LeaseLost

    with pytest.raises(LeaseLost):
        await s.settle(zombie, DEAD)
    await s.settle(second, DONE)
    logged = (await assert_views_agree(s, "q"))[second.id]
    assert ("x", 0, zombie.version) in logged.nulls
    assert logged.newest.kind is Kind.COMPLETED


async def test_a_zombies_retry_behind_a_newer_one_gets_its_null_and_leaves_the_newer_one(start: Start):
    from queues.domain.errors import LeaseLost

    async with start() as s:
        activity_id = await s.add("q", max_attempts=9)
        zombie = await s.claim_one("q")
        await s.expire_leases("q")
        await s.load("q")
        await s.reap()
        second = await s.claim_one("q")
        await s.settle(second, failure())
        with pytest.raises(LeaseLost):
            await s.settle(zombie, failure())
        logged = (await assert_views_agree(s, "q"))[activity_id]
        assert ("r", 0, zombie.version) in logged.nulls
        assert logged.newest.version == second.version
        await s.flush()
        await s.rebuild()
        logged = (await assert_views_agree(s, "q"))[activity_id]
        assert logged.newest.version == second.version
