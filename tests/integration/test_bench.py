"""``manage.py bench``: what it prints, what it takes away again, and which runs it refuses to count."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from django.conf import settings

from queues.conf import Conf, build
from queues.domain.activity import Activity
from queues.domain.options import Options, new_activity
from queues.domain.record import Kind, later_record
from queues.domain.states import State
from queues.log.delivery import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone
from queues.services.queues import ensure_queue
from runnerq_site.bench.figures import Void
from runnerq_site.bench.ledger import ENDS, Account, account, ends
from runnerq_site.embedded.stack import Services

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "manage.py", "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )


@pytest.mark.timeout(300)
def test_a_tiny_run_ends_with_a_line_of_json_and_leaves_nothing_behind(services: Services):
    # Half a minute, as it starts a database, a keeper, an indexer and workers: what it measures is real.
    before = _left(services)
    done = bench("--scenario", "enqueue_many,run", "--count", "200", "--runs", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])["runnerq"]
    assert figures["enqueue_per_s"] > 0
    assert figures["run_per_s"] > 0
    assert "VOID" not in done.stdout
    assert _left(services) == before


def _left(services: Services) -> set[str]:
    topics = AdminClient({"bootstrap.servers": services.brokers}).list_topics(timeout=10).topics
    with psycopg.connect(services.database_url) as connection:
        databases = [name for (name,) in connection.execute("SELECT datname FROM pg_database")]
    return {name for name in (*topics, *databases) if name.startswith("bench_")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenario", "runn"], "runn: choose among enqueue_many"),
        (["--peers", "cron"], "cron: choose among celery"),
        (["--count", "0"], "must be at least 1"),
    ],
)
def test_wrong_use_is_named(arguments: list[str], said: str):
    done = bench(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def settled(queue: str, version: int, *, dead: bool = False) -> Activity:
    activity = new_activity("noop", Options(queue=queue), now_ms=1_000)
    activity.state = State.DISCARDED if dead else State.COMPLETED
    activity.dead, activity.version, activity.claimed_ms = dead, version, 2_000
    return activity


async def accounted(conf: Conf, queue: str, activities: list[Activity]) -> Account:
    """Put terminal records into the log and read them back as a bench does."""
    b = await Backbone.open(conf)
    try:
        await ensure_queue(b, queue)
        since = await ends(b.admin, conf, queue, ENDS)
        messages = []
        for a in activities:
            key, body, headers = later_record(a, "n:0", "")
            topic = topic_name(conf, queue, Kind.DLQ if a.dead else Kind.COMPLETED)
            messages.append(Message(topic, 0, key, body, headers))
        reports = await b.log.append(messages)
        assert not any(report.error for report in reports)
        return await account(conf, queue, since, await ends(b.admin, conf, queue, ENDS))
    finally:
        await b.close()


@pytest.fixture
def conf(services: Services, topic_prefix: str, redis_prefix: str) -> Conf:
    return build(settings.RUNNERQ | {"TOPIC_PREFIX": topic_prefix, "REDIS_PREFIX": redis_prefix})


async def test_a_run_in_which_each_activity_was_settled_once_counts(conf: Conf, queue_name: str):
    found = await accounted(conf, queue_name, [settled(queue_name, 10 + n) for n in range(5)])
    found.require(5)
    assert found.seconds > 0


async def test_a_run_that_settled_an_activity_twice_is_void(conf: Conf, queue_name: str):
    activities = [settled(queue_name, 10 + n) for n in range(3)]
    again = settled(queue_name, 20)
    again.id = activities[0].id
    found = await accounted(conf, queue_name, [*activities, again])
    with pytest.raises(Void, match="1 settled more than once"):
        found.require(3)


async def test_a_run_that_lost_an_activity_is_void(conf: Conf, queue_name: str):
    found = await accounted(conf, queue_name, [settled(queue_name, 10)])
    with pytest.raises(Void, match="1 of 2 activities settled"):
        found.require(2)


async def test_a_run_that_left_a_dead_letter_is_void(conf: Conf, queue_name: str):
    found = await accounted(conf, queue_name, [settled(queue_name, 10), settled(queue_name, 11, dead=True)])
    with pytest.raises(Void, match="1 dead letters"):
        found.require(2)
