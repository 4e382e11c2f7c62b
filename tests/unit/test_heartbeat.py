"""Whose leases are renewed: of a process that can still finish, and of no other."""

import time
from types import SimpleNamespace

import pytest

from queues.domain.errors import HotUnavailable
from queues.engine import heartbeat
from queues.engine.heartbeat import Heartbeat, Owner
from queues.engine.wire import Note
from queues.services.heartbeat import Held


@pytest.fixture
def renewed(monkeypatch):
    """Stand for Redis: notes each call, and answers as told."""
    seen = SimpleNamespace(calls=[], answers={}, away=False)

    async def renew_leases(_b, leases):
        if seen.away:
            raise HotUnavailable("away")
        seen.calls.append([lease.id for lease in leases])
        return [seen.answers.get(lease.id, Held.HELD) for lease in leases]

    monkeypatch.setattr(heartbeat, "renew_leases", renew_leases)
    return seen


@pytest.fixture
def beat() -> Heartbeat:
    return Heartbeat(SimpleNamespace(conf=SimpleNamespace(lease_s=15.0)))


@pytest.fixture
def told() -> list:
    return []


@pytest.fixture
def owner(beat: Heartbeat, told: list) -> Owner:
    owner = Owner(told.extend)
    beat.owners.append(owner)
    owner.took([note("a", 1), note("b", 2)], [])
    age(owner, 1.0)
    return owner


def note(activity_id: str, fence: int, timeout_ms: int = 10_000) -> Note:
    return Note("q", activity_id, fence, timeout_ms)


def age(owner: Owner, seconds: float) -> None:
    for entry in owner.entries.values():
        entry.since -= seconds


async def test_leases_that_are_held_are_renewed_until_they_are_given_up(beat, owner, renewed):
    assert await beat.step() == 2
    owner.took([], [("q", 1)])
    assert await beat.step() == 1
    assert renewed.calls == [["a", "b"], ["b"]]


async def test_a_lease_just_taken_can_wait(beat, owner, renewed):
    owner.took([note("young", 3)], [])
    await beat.step()
    assert renewed.calls == [["a", "b"]]


async def test_lost_and_cancelled_leases_are_told_once_and_not_renewed_again(beat, owner, renewed, told):
    renewed.answers = {"a": Held.LOST, "b": Held.CANCELLED}
    await beat.step()
    await beat.step()
    assert told == [(("q", 1), Held.LOST), (("q", 2), Held.CANCELLED)]
    assert renewed.calls == [["a", "b"]]


async def test_a_stopped_process_is_not_vouched_for(beat, owner, renewed):
    owner.stopped = True
    assert await beat.step() == 0
    assert renewed.calls == []


async def test_a_silent_process_is_vouched_for_as_long_as_its_handler_may_run_and_a_lease(
    beat, owner, renewed
):
    owner.took([note("long", 3, timeout_ms=60_000)], [])
    age(owner, 30.0)
    owner.heard = time.monotonic() - 24.0
    assert await beat.step() == 3
    owner.heard = time.monotonic() - 26.0
    assert await beat.step() == 1
    assert renewed.calls[-1] == ["long"]
    assert not owner.hopeless(15.0)
    owner.heard = time.monotonic() - 76.0
    assert await beat.step() == 0
    assert owner.hopeless(15.0)


async def test_a_renewal_without_an_answer_is_tried_again_with_the_same_leases(beat, owner, renewed, told):
    renewed.away = True
    assert await beat.step() == 0
    assert beat.failures == 1
    renewed.away = False
    assert await beat.step() == 2
    assert beat.failures == 0
    assert told == []
