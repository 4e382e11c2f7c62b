"""Topic names lead to queues and back; settings are those that the architecture promises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from queues.conf import Conf
from queues.domain.priority import BANDS, Band
from queues.domain.record import Kind
from queues.log.topics import (
    control_topic,
    max_record_bytes,
    parse_topic,
    queue_topics,
    satisfies,
    stage_topics,
    topic_name,
    topic_settings,
)

CONF = Conf(topic_prefix="rq")
queue_names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,40}", fullmatch=True) | st.sampled_from(
    [
        "a-pending",
        "a-pending-high",
        "control",
        "pending",
        "x-dlq-retry",
    ]
)
roles = st.sampled_from(
    [
        *((kind, Band.NORMAL) for kind in Kind),
        *((Kind.PENDING, band) for band in BANDS),
    ]
)


@given(queue_names, roles)
def test_a_name_leads_back_to_queue_kind_and_band(queue: str, role: tuple[Kind, Band]):
    assert parse_topic(CONF, topic_name(CONF, queue, *role)) == (queue, *role)


@given(queue_names, queue_names, roles, roles)
def test_no_two_roles_share_a_topic(
    one: str, other: str, role: tuple[Kind, Band], another: tuple[Kind, Band]
):
    same = (one, role) == (other, another)
    assert (topic_name(CONF, one, *role) == topic_name(CONF, other, *another)) == same


def test_names_are_those_that_users_expect():
    assert topic_name(CONF, "mail", Kind.PENDING) == "rq-mail-pending"
    assert topic_name(CONF, "mail", Kind.PENDING, Band.CRITICAL) == "rq-mail-pending-critical"
    assert topic_name(CONF, "mail", Kind.DLQ) == "rq-mail-dlq"
    assert control_topic(CONF) == "rq-control"


@pytest.mark.parametrize(
    "name", ["rq-control", "rq--pending", "other-mail-pending", "rq-mail", "rq-mail-weird"]
)
def test_other_topics_are_no_queues(name: str):
    assert parse_topic(CONF, name) is None


def test_pending_is_made_last():
    kinds = list(queue_topics(CONF, "mail", (Band.NORMAL, Band.LOW)).values())
    assert kinds[-2:] == [Kind.PENDING, Kind.PENDING]
    assert Kind.PENDING not in kinds[:-2]


def test_the_views_fold_every_band_and_every_later_stage():
    assert set(stage_topics(CONF, "mail")) == {
        f"rq-mail-{role}"
        for role in (
            "pending",
            "pending-critical",
            "pending-high",
            "pending-low",
            "retry",
            "completed",
            "dlq",
        )
    }


@pytest.mark.parametrize(
    ("kind", "policy"),
    [
        (Kind.PENDING, "compact"),
        (Kind.RETRY, "compact"),
        (Kind.DLQ, "compact"),
        (Kind.STATE, "compact"),
        (Kind.COMPLETED, "compact,delete"),
        (Kind.PROCESSING, "delete"),
        (Kind.EVENTS, "delete"),
    ],
)
def test_nothing_live_is_ever_deleted_by_age(kind: Kind, policy: str):
    settings = topic_settings(CONF, kind)
    assert settings["cleanup.policy"] == policy
    assert ("retention.ms" in settings) == ("delete" in policy)


def test_a_topic_takes_arguments_and_result_at_their_limits():
    assert int(topic_settings(CONF, Kind.DLQ)["max.message.bytes"]) > max_record_bytes(CONF)
    assert max_record_bytes(CONF) > 2 * CONF.max_payload_bytes


def test_broker_time_is_used_so_that_no_clock_of_ours_can_have_a_record_refused():
    assert {topic_settings(CONF, kind)["message.timestamp.type"] for kind in Kind} == {"LogAppendTime"}


def test_replicas_in_sync_are_the_brokers_business_unless_set():
    assert "min.insync.replicas" not in topic_settings(CONF, Kind.PENDING)
    assert topic_settings(Conf(min_insync_replicas=2), Kind.PENDING)["min.insync.replicas"] == "2"


@pytest.mark.parametrize(
    ("key", "found", "wanted", "enough"),
    [
        ("cleanup.policy", "delete,compact", "compact,delete", True),
        ("cleanup.policy", "delete", "compact", False),
        ("max.message.bytes", "9000", "8000", True),
        ("max.message.bytes", "7000", "8000", False),
        ("max.message.bytes", "", "8000", False),
        ("message.timestamp.type", "CreateTime", "LogAppendTime", False),
    ],
)
def test_a_setting_is_enough_when_it_does_what_is_wanted(key: str, found: str, wanted: str, *, enough: bool):
    assert satisfies(key, found, wanted) is enough
