"""A plan makes topics as they should be: settled ones first, and never less than what is there."""

import pytest

from queues.conf import Conf
from queues.domain.errors import TopicCollision
from queues.domain.priority import BANDS, Band
from queues.domain.record import Kind
from queues.log.cluster import Cluster, TopicShape
from queues.log.grants import grants
from queues.log.plan import Action, Change, changes_for, drifts
from queues.log.topics import control_settings, control_topic, queue_topics, topic_name, topic_settings

CONF = Conf(topic_prefix="rq", partitions=4)


def cluster(*queues: str, partitions: int = 4, bands: tuple[Band, ...] = (Band.NORMAL,)) -> Cluster:
    topics = {control_topic(CONF): TopicShape(1, 1, 1, led=True)}
    for queue in queues:
        topics |= {name: TopicShape(partitions, 1, 1, led=True) for name in queue_topics(CONF, queue, bands)}
    return Cluster(1, 1, topics, 0.0)


def settings(found: Cluster, **wrong: dict[str, str]) -> dict[str, dict[str, str]]:
    as_wanted = {
        name: topic_settings(CONF, kind)
        for queue in found.queues(CONF)
        for name, kind in queue_topics(CONF, queue, BANDS).items()
    } | {control_topic(CONF): control_settings(CONF)}
    return {name: as_wanted[name] | wrong.get(name, {}) for name in found.topics}


def with_shape(found: Cluster, topic: str, partitions: int) -> Cluster:
    return found._replace(topics={**found.topics, topic: TopicShape(partitions, 1, 1, led=True)})


def plan(found: Cluster, *queues: str, **options: object) -> list[Change]:
    wrong = options.pop("wrong", {})
    return changes_for(CONF, found, settings(found, **wrong), queues, **options)


def test_what_is_as_it_should_be_needs_nothing():
    assert plan(cluster("mail"), "mail") == []


def test_an_empty_cluster_gets_the_control_topic_and_every_topic_of_the_queue():
    changes = plan(Cluster(1, 1, {}, 0.0), "mail")
    assert {change.action for change in changes} == {Action.CREATE}
    assert [change.topic for change in changes] == [control_topic(CONF), *queue_topics(CONF, "mail")]
    assert [change.partitions for change in changes] == [1, *[4] * 7]


def test_growing_adds_to_pending_last():
    changes = plan(cluster("mail"), "mail", partitions=6)
    assert {(change.action, change.partitions) for change in changes} == {(Action.GROW, 6)}
    assert changes[-1].topic == topic_name(CONF, "mail", Kind.PENDING)
    assert len(changes) == 7


def test_nothing_ever_shrinks():
    assert plan(cluster("mail", partitions=8), "mail", partitions=6) == []


def test_a_settled_topic_with_fewer_partitions_than_pending_grows():
    short = with_shape(cluster("mail"), topic_name(CONF, "mail", Kind.DLQ), 2)
    assert plan(short, "mail") == [Change(Action.GROW, topic_name(CONF, "mail", Kind.DLQ), 4, {})]


def test_a_new_band_has_as_many_partitions_as_the_queue():
    changes = plan(cluster("mail", partitions=9), "mail", bands=BANDS)
    assert {change.partitions for change in changes} == {9}
    assert {change.topic for change in changes} == {
        topic_name(CONF, "mail", Kind.PENDING, band) for band in BANDS if band is not Band.NORMAL
    }


def test_a_band_that_exists_is_looked_after_though_nobody_asked_for_it():
    low = topic_name(CONF, "mail", Kind.PENDING, Band.LOW)
    found = cluster("mail", bands=(Band.NORMAL, Band.LOW))
    changes = plan(found, "mail", wrong={low: {"cleanup.policy": "delete"}})
    assert changes == [Change(Action.ALTER, low, 0, {"cleanup.policy": "compact"})]


def test_two_queues_that_kafka_could_not_tell_apart_are_refused():
    with pytest.raises(TopicCollision, match="mail"):
        plan(cluster("mail"), "Mail")


def test_only_what_differs_is_altered():
    name = topic_name(CONF, "mail", Kind.RETRY)
    [change] = plan(
        cluster("mail"), "mail", wrong={name: {"segment.ms": "1", "max.message.bytes": "99999999"}}
    )
    assert change.settings == {"segment.ms": "600000"}


@pytest.mark.parametrize(
    ("found", "differs"), [("-1", False), ("999999999999", False), ("1000", True), ("", True)]
)
def test_more_retention_than_wanted_is_fine(found: str, *, differs: bool):
    wanted = {"retention.ms": "604800000"}
    assert bool(drifts({"retention.ms": found}, wanted)) is differs


def test_drift_that_loses_records_is_told_from_drift_that_does_not():
    wanted = topic_settings(CONF, Kind.DLQ)
    found = wanted | {"cleanup.policy": "delete", "segment.ms": "1"}
    assert {drift.key: drift.critical for drift in drifts(found, wanted)} == {
        "cleanup.policy": True,
        "segment.ms": False,
    }


def test_only_who_applies_the_plan_needs_to_create_where_others_may_not():
    strict = grants(Conf(topic_prefix="rq", create_topics=False))
    assert [grant.process for grant in strict if "Create" in grant.operations] == [
        "topics --apply and doctor"
    ]
    assert {grant.prefix for grant in strict} == {"rq-"}
    assert all(grant.text() for grant in strict)
