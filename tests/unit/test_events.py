"""Events are CloudEvents 1.0, and the same fact has the same id."""

import json
from datetime import datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.events import EventData, EventType, decode_event, encode_event, event_ms

DATA = EventData("q", "t", "active", 0, fence=7, attempt=2, worker="w", lines=("one", "two"))


@given(st.sampled_from(EventType), st.integers(0, 4_000_000_000_000))
def test_an_event_is_read_back_and_tells_its_time(kind: EventType, at_ms: int):
    event = decode_event(encode_event(kind, "id", at_ms, DATA))
    assert event.data == DATA
    assert (event.subject, event.type) == ("id", f"io.runnerq.activity.{kind}")
    assert abs(event_ms(event) - at_ms) <= 1


def test_it_has_what_cloudevents_demands():
    found = json.loads(encode_event(EventType.COMPLETED, "id", 1_700_000_000_123, DATA))
    assert {"id", "source", "specversion", "type", "time", "data"} <= found.keys()
    assert found["specversion"] == "1.0"
    assert found["time"] == "2023-11-14T22:13:20.123Z"
    assert datetime.fromisoformat(found["time"]).tzinfo is not None


def test_the_same_transition_has_the_same_id_and_notes_of_one_attempt_differ():
    same = [json.loads(encode_event(EventType.STARTED, "id", n, DATA))["id"] for n in (1, 2)]
    notes = [json.loads(encode_event(EventType.LOG, "id", 1, DATA, tail=f":{n}"))["id"] for n in (1, 2)]
    assert len(set(same)) == 1
    assert len({*same, *notes}) == 3


def test_what_is_not_ours_is_not_decoded():
    with pytest.raises(msgspec.DecodeError):
        decode_event(b'{"id":1}')
