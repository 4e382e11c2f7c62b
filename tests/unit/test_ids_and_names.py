"""Identifiers and names."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.domain.errors import InvalidName
from queues.domain.ids import canonical_id, derived_id, new_id
from queues.domain.names import topic_identity, valid_queue, valid_type


def test_new_ids_are_version_7_and_sort_in_the_order_of_their_making():
    ids = [new_id() for _ in range(20_000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)
    assert {uuid.UUID(i).version for i in ids} == {7}
    assert {uuid.UUID(i).variant for i in ids} == {uuid.RFC_4122}


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text(min_size=1), min_size=1))
def test_a_derived_id_follows_from_its_cause_alone(one: list[str], other: list[str]):
    assert derived_id(*one) == derived_id(*one)
    if "\x1f".join(one) != "\x1f".join(other):
        assert derived_id(*one) != derived_id(*other)


def test_a_canonical_id_is_lower_case_with_hyphens():
    assert canonical_id("{0192F0A0-0000-7000-8000-000000000001}") == "0192f0a0-0000-7000-8000-000000000001"
    with pytest.raises(ValueError, match="badly formed"):
        canonical_id("nonsense")


@pytest.mark.parametrize("name", ["a", "A-1", "_x", "a.b_c-d", "9" * 128])
def test_good_queue_names_pass(name: str):
    assert valid_queue(name) == name


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a/b", "ä", "a\n", "9" * 129, "a*", "{a}"])
def test_bad_queue_names_are_refused(name: str):
    with pytest.raises(InvalidName):
        valid_queue(name)


@pytest.mark.parametrize("name", ["", "a b", "a\t", "ü", "x" * 256])
def test_bad_type_names_are_refused(name: str):
    assert valid_type("app.module:send/email@v1") == "app.module:send/email@v1"
    with pytest.raises(InvalidName):
        valid_type(name)


def test_queues_that_kafka_could_not_tell_apart_share_an_identity():
    assert topic_identity("Mail.out") == topic_identity("mail_out")
    assert topic_identity("mail-out") != topic_identity("mail_out")
