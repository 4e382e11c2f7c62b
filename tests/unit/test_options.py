"""Options are refused by name where they are out of range, and make the activity that they describe."""

import msgspec
import pytest

from queues.domain.activity import Limit, Unique
from queues.domain.errors import Invalid, InvalidName, InvalidOption
from queues.domain.options import MAX_META_BYTES, MAX_SPAN_MS, Options, new_activity, require_options
from queues.domain.priority import Band, band_of, valid_priority
from queues.domain.states import State

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"queue": "no good"}, "queue"),
        ({"priority": 101}, "priority"),
        ({"priority": True}, "priority"),
        ({"delay_ms": -1}, "delay_ms"),
        ({"members": -1}, "members"),
        ({"delay_ms": 1, "at_ms": NOW}, "delay or at"),
        ({"delay_ms": MAX_SPAN_MS + 1}, "delay_ms"),
        ({"timeout_ms": 0}, "timeout_ms"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"unique": Unique("k", "maybe")}, "on_conflict"),
        ({"tags": ("",)}, "tags"),
        ({"tags": ("x",) * 33}, "tags"),
        ({"id": "has space"}, "id"),
        ({"id": "a:b"}, "id"),
        ({"limits": (Limit("k", 0),)}, "limits"),
        ({"limits": (Limit("k", 1),) * 17}, "limits"),
        ({"key": "k" * 513}, "key"),
        ({"unique": Unique("k" * 513)}, "key"),
        ({"meta": {"a": "x" * MAX_META_BYTES}}, "meta"),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(options: dict, named: str):
    with pytest.raises(Invalid, match=named):
        require_options(Options(**options))


def test_the_defaults_pass():
    assert require_options(Options()) == Options()


@pytest.mark.parametrize(
    ("options", "state", "due_ms"),
    [
        ({}, State.AVAILABLE, 0),
        ({"delay_ms": 5}, State.SCHEDULED, NOW + 5),
        ({"at_ms": NOW + 9}, State.SCHEDULED, NOW + 9),
        ({"at_ms": NOW - 9}, State.AVAILABLE, 0),
        ({"members": 2}, State.PENDING, 0),
    ],
)
def test_due_times_and_members_make_the_first_state(options: dict, state: State, due_ms: int):
    a = new_activity("t", Options(**options), now_ms=NOW)
    assert (a.state, a.due_ms, a.created_ms, a.version) == (state, due_ms, NOW, 0)


def test_a_chosen_id_may_come_twice_and_a_made_one_does_not():
    assert new_activity("t", Options(id="mine"), now_ms=NOW).once
    assert not new_activity("t", Options(), now_ms=NOW).once


def test_arguments_are_kept_as_they_are():
    a = new_activity("t", Options(), now_ms=NOW, args=msgspec.Raw(b"[ 1]"), kwargs=msgspec.Raw(b'{"a" :2}'))
    assert (bytes(a.args), bytes(a.kwargs)) == (b"[ 1]", b'{"a" :2}')


def test_an_expiry_must_lie_after_the_due_time():
    with pytest.raises(InvalidOption, match="expires"):
        new_activity("t", Options(delay_ms=100, expires_ms=NOW + 50), now_ms=NOW)
    with pytest.raises(InvalidOption, match="expires"):
        new_activity("t", Options(expires_ms=NOW), now_ms=NOW)
    with pytest.raises(InvalidName):
        new_activity("a type", Options(), now_ms=NOW)


def test_each_priority_has_its_band():
    bands = {p: band_of(valid_priority(p)) for p in range(-100, 101)}
    assert [p for p, band in bands.items() if band is Band.NORMAL] == [0]
    assert bands[-1] is bands[-100] is Band.LOW
    assert bands[1] is bands[74] is Band.HIGH
    assert bands[75] is bands[100] is Band.CRITICAL
    for wrong in (101, -101, 1.0, "1", None, True):
        with pytest.raises(InvalidOption):
            valid_priority(wrong)
