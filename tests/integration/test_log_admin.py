"""A queue's topics come to be once, whoever asks, and never beside another's that Kafka could not tell apart."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from queues.conf import Conf
from queues.domain.errors import InvalidName, Misconfigured, TopicCollision
from queues.domain.priority import Band
from queues.domain.record import Kind
from queues.log.admin import LogAdmin
from queues.log.producer import Message, Producer
from queues.log.topics import control_topic, queue_topics, topic_name, topic_settings
from runnerq_site.embedded.stack import Services
from tests.waiting import reached

CREATE = """
import asyncio, sys
from queues.conf import Conf
from queues.log.admin import LogAdmin
from queues.log.producer import Message, Producer

async def main(brokers, prefix):
    conf = Conf(kafka={"bootstrap.servers": brokers}, topic_prefix=prefix, partitions=2)
    admin, producer = LogAdmin(conf), Producer(conf)
    await producer.start()
    fresh = await admin.create_queue_topics("q")
    reports = await producer.append([Message(f"{prefix}-q-pending", n, b"k", b"v", None) for n in (0, 1)])
    print(fresh, [report.error for report in reports])
    await producer.close()
    await admin.close()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def conf(services: Services, topic_prefix: str) -> Conf:
    return Conf(kafka={"bootstrap.servers": services.brokers}, topic_prefix=topic_prefix, partitions=2)


@pytest.fixture
async def admin(conf: Conf) -> AsyncIterator[LogAdmin]:
    admin = LogAdmin(conf)
    yield admin
    await admin.close()


def make_topic(conf: Conf, name: str, partitions: int = 2, **settings: str) -> None:
    kafka = AdminClient(conf.kafka)
    kafka.create_topics([NewTopic(name, partitions, config=settings)])[name].result(10)


async def test_a_queue_gets_every_topic_with_the_settings_of_its_role(conf: Conf, admin: LogAdmin):
    assert await admin.create_queue_topics("mail", (Band.NORMAL, Band.HIGH)) is True
    wanted = queue_topics(conf, "mail", (Band.NORMAL, Band.HIGH))
    assert len(wanted) == 8
    found = await admin.settings_of(wanted)
    for name, kind in wanted.items():
        settings = topic_settings(conf, kind)
        assert {key: found[name][key] for key in settings} == settings
        assert await admin.partitions(name) == 2
    assert await admin.list_queues() == ["mail"]


async def test_asked_again_nothing_is_new(admin: LogAdmin):
    await admin.create_queue_topics("mail")
    assert await admin.create_queue_topics("mail") is False


def test_two_processes_create_a_queues_topics_at_once(services: Services, topic_prefix: str):
    command = [sys.executable, "-c", CREATE, services.brokers, topic_prefix]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert all(answer.endswith("['', '']") for answer in answers), "both can append at once"
    assert sum(answer.startswith("True") for answer in answers) <= 1


@pytest.mark.parametrize("other", ["a_b", "A.B", "A_b"])
async def test_a_name_that_kafka_could_not_tell_from_anothers_is_refused(admin: LogAdmin, other: str):
    await admin.create_queue_topics("a.b")
    with pytest.raises(TopicCollision, match=r"'a\.b'"):
        await admin.create_queue_topics(other)
    assert await admin.list_queues() == ["a.b"]


async def test_a_name_with_spaces_is_refused_before_anything_is_made(admin: LogAdmin):
    with pytest.raises(InvalidName, match="no such name"):
        await admin.create_queue_topics("no such name")
    assert await admin.list_queues() == []


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        (Kind.PENDING, {"cleanup.policy": "delete"}, "cleanup.policy is delete, must be compact"),
        (Kind.DLQ, {"cleanup.policy": "compact", "max.message.bytes": "1000"}, "max.message.bytes is 1000"),
    ],
)
async def test_a_topic_that_would_lose_records_is_refused_with_the_command_that_mends_it(
    conf: Conf, admin: LogAdmin, kind: Kind, settings: dict[str, str], says: str
):
    make_topic(conf, topic_name(conf, "q", kind), **settings)
    await reached(lambda: admin.partitions(topic_name(conf, "q", kind)))
    with pytest.raises(Misconfigured, match=says) as refused:
        await admin.create_queue_topics("q")
    assert "manage.py topics --apply" in str(refused.value)
    assert len(await admin.list_queues()) == 1, "what was there is all there is"
    assert await admin.partitions(topic_name(conf, "q", Kind.COMPLETED)) == 0


async def test_where_topics_may_not_be_made_the_missing_ones_are_named(conf: Conf):
    admin = LogAdmin(replace(conf, create_topics=False))
    with pytest.raises(Misconfigured, match=f"{topic_name(conf, 'q', Kind.DLQ)}.*topics --apply"):
        await admin.create_queue_topics("q")
    await admin.close()


async def test_a_new_band_has_no_more_partitions_than_what_follows_it(conf: Conf, admin: LogAdmin):
    await admin.create_queue_topics("q")
    grown = LogAdmin(replace(conf, partitions=5))
    await grown.create_queue_topics("q", (Band.CRITICAL,))
    assert await grown.partitions(topic_name(conf, "q", Kind.PENDING, Band.CRITICAL)) == 2
    await grown.close()


async def test_a_topic_that_does_not_exist_has_no_partitions(admin: LogAdmin):
    assert await admin.partitions("none") == 0


async def test_a_topic_made_by_another_is_seen_within_seconds(conf: Conf, admin: LogAdmin):
    name = topic_name(conf, "q", Kind.PENDING)
    assert await admin.partitions(name) == 0
    other = LogAdmin(conf)
    await other.create_queue_topics("q")
    await other.close()
    assert await reached(lambda: admin.partitions(name), 5) == 2


async def test_the_control_topic_has_one_partition(conf: Conf, admin: LogAdmin):
    await asyncio.gather(admin.create_control_topic(), admin.create_control_topic())
    assert await admin.partitions(control_topic(conf)) == 1
    assert (await admin.settings_of([control_topic(conf)]))[control_topic(conf)][
        "cleanup.policy"
    ] == "compact"


async def test_offsets_are_told_for_each_partition(conf: Conf, admin: LogAdmin):
    await admin.create_queue_topics("q")
    topic = topic_name(conf, "q", Kind.PENDING)
    both = [(topic, 0), (topic, 1)]
    assert await admin.end_offsets(both) == {(topic, 0): 0, (topic, 1): 0}
    producer = Producer(conf)
    await producer.start()
    await producer.append([Message(topic, 0, b"k%d" % n, b"v", None) for n in range(3)])
    await producer.close()
    assert await admin.end_offsets(both) == {(topic, 0): 3, (topic, 1): 0}
    assert await admin.begin_offsets(both) == {(topic, 0): 0, (topic, 1): 0}
    assert await admin.offsets_for_time(both, 1) == {(topic, 0): 0}
    assert await admin.committed("nobody", both) == {}
