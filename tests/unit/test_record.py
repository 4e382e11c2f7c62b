"""Records: bytes and structs say the same, both ways; what is not ours is refused by name."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.activity import (
    Activity,
    Failure,
    Limit,
    OnExhaustion,
    Unique,
    decode_activity,
    encode_activity,
)
from queues.domain.errors import MalformedRecord, UnknownSchemaVersion
from queues.domain.priority import Band
from queues.domain.record import (
    EPOCH_SHIFT,
    Kind,
    decode_body,
    epoch_of,
    first_headers,
    later_headers,
    later_record,
    parse_record,
    record_key,
    split_key,
    stage_of,
)
from queues.domain.states import State

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
word = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
instants = st.integers(0, 2**43)
activities = st.builds(
    Activity,
    id=word.filter(lambda w: ":" not in w),
    queue=word,
    type=word,
    state=st.sampled_from(State),
    version=st.integers(0, 2**53 - 1),
    args=st.builds(lambda x: msgspec.Raw(msgspec.json.encode(x)), st.lists(st.integers() | text)),
    priority=st.integers(-100, 100),
    created_ms=instants,
    due_ms=instants,
    expires_ms=instants,
    attempt=st.integers(0, 100),
    max_attempts=st.none() | st.integers(1, 9),
    on_exhaustion=st.sampled_from(OnExhaustion),
    key=text,
    unique=st.none() | st.builds(Unique, text),
    limits=st.lists(st.builds(Limit, text, st.integers(1, 9)), max_size=3).map(tuple),
    tags=st.lists(text, max_size=3).map(tuple),
    meta=st.dictionaries(text, text, max_size=3),
    once=st.booleans(),
    workflow=word | st.just(""),
    dead=st.booleans(),
    errors=st.lists(st.builds(Failure, text, text, st.integers(1, 9), instants), max_size=3).map(tuple),
    result=st.sampled_from([msgspec.UNSET, msgspec.Raw(b"null"), msgspec.Raw(b'{"a":[1]}')]),
)


def parse(key, headers, body, kind=Kind.PENDING):
    return parse_record("q", kind, Band.NORMAL, 3, 17, 99, key, headers, body)


@given(activities)
def test_an_activity_is_the_same_after_a_trip_through_bytes(a: Activity):
    assert decode_activity(encode_activity(a)) == a


@given(activities, word, word)
def test_headers_say_what_the_body_says(a: Activity, address: str, earlier: str):
    key, body, headers = later_record(a, address, earlier)
    r = parse(key, headers, body, stage_of(a))
    assert (r.id, r.version, r.state, r.type, r.priority) == (a.id, a.version, a.state, a.type, a.priority)
    assert (r.due_ms, r.workflow, r.address, r.earlier) == (a.due_ms, a.workflow, address, earlier)
    assert (r.partition, r.offset, r.timestamp_ms) == (3, 17, 99)
    assert decode_body(r) == a


@given(activities)
def test_a_first_record_is_version_nought_wherever_it_lies(a: Activity):
    r = parse(record_key(a.id, 0), first_headers(a), b"x")
    assert (r.version, r.address, r.earlier) == (0, "", "")


@given(word.filter(lambda w: ":" not in w), st.integers(0, 2**53))
def test_a_key_names_one_record_and_is_read_back(activity_id: str, version: int):
    assert split_key(record_key(activity_id, version)) == (activity_id, version)


@given(st.integers(0, 2**17 - 1), st.integers(0, EPOCH_SHIFT - 1))
def test_a_version_tells_its_epoch_and_fits_a_double(epoch: int, n: int):
    version = epoch * EPOCH_SHIFT + n
    assert epoch_of(version) == epoch
    assert int(float(version)) == version


@pytest.mark.parametrize("key", [None, b"", b"id", b"id:", b"id:x", b"\xff:1"])
def test_a_key_that_is_not_ours_is_malformed(key: bytes | None):
    with pytest.raises(MalformedRecord):
        parse(key, [], b"{}")


def test_headers_that_are_not_ours_are_malformed():
    whole = first_headers(Activity(id="i", queue="q", type="t"))
    for at in range(1, len(whole)):
        with pytest.raises(MalformedRecord):
            parse(b"i:0", whole[:at] + whole[at + 1 :], b"{}")
    with pytest.raises(MalformedRecord):
        parse(b"i:0", None, b"{}")
    with pytest.raises(MalformedRecord):
        parse(b"i:0", [*whole[:1], ("s", b"nowhere"), *whole[2:]], b"{}")


def test_a_record_of_a_newer_release_stops_the_reader():
    headers = [*first_headers(Activity(id="i", queue="q", type="t"))[:4], ("e", b"2")]
    with pytest.raises(UnknownSchemaVersion, match="upgrade"):
        parse(b"i:0", headers, b"{}")


def test_a_null_needs_no_headers_and_has_only_its_key_to_say():
    r = parse(b"i:7", None, None)
    assert (r.id, r.version, r.body) == ("i", 7, None)


@pytest.mark.parametrize("body", [None, b"", b"{", b"[]", b'{"id":1}', b'{"id":"i","queue":"q"}'])
def test_a_body_that_is_not_an_activity_is_malformed(body: bytes | None):
    with pytest.raises(MalformedRecord):
        decode_body(parse(b"i:0", first_headers(Activity(id="i", queue="q", type="t")), body))


def test_a_body_of_a_newer_minor_release_with_more_fields_is_read():
    a = decode_activity(b'{"id":"i","queue":"q","type":"t","field_of_tomorrow":1}')
    assert a == Activity(id="i", queue="q", type="t")


@given(activities)
def test_each_version_belongs_to_one_topic(a: Activity):
    terminal = a.state in {State.COMPLETED, State.CANCELLED, State.DISCARDED}
    expected = (
        (Kind.DLQ if a.dead else Kind.COMPLETED) if terminal else Kind.RETRY if a.version else Kind.PENDING
    )
    assert stage_of(a) is expected


def test_earlier_records_are_left_out_where_there_are_none():
    a = Activity(id="i", queue="q", type="t", version=5)
    assert "o" not in dict(later_headers(a, "n:1", ""))
