"""``manage.py topics`` and ``manage.py doctor`` tell what is, and mend what they may."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from django.core.management.base import CommandError

from queues.conf import Conf
from queues.domain.activity import Activity
from queues.domain.record import Kind
from queues.log.topics import control_topic, topic_name
from queues.services.enqueue import enqueue_activities
from runnerq_site.embedded.stack import Services
from tests.sample.command import environment
from tests.sample.running import backbone, conf_of

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.django_db


@pytest.fixture
def conf(services: Services, topic_prefix: str, redis_prefix: str) -> Conf:
    return conf_of(topic_prefix, redis_prefix)


class Ran(NamedTuple):
    """What a command printed and how it ended."""

    code: int
    stdout: str
    stderr: str


type Manage = Callable[..., Coroutine[Any, Any, Ran]]


@pytest.fixture
def manage(conf: Conf, monkeypatch: pytest.MonkeyPatch) -> Manage:
    """Run a command on the test's own loop: a process of its own would take seconds each time."""

    async def run(name: str, *arguments: str, **more: Any) -> Ran:
        module = import_module(f"queues.management.commands.{name}")
        monkeypatch.setattr(module, "get_conf", lambda: replace(conf, **more))
        out, err = StringIO(), StringIO()
        command = module.Command(stdout=out, stderr=err, no_color=True)
        options = vars(command.create_parser("manage.py", name).parse_args(arguments))
        try:
            await command.run(options)
        except CommandError as exc:
            return Ran(exc.returncode, out.getvalue(), f"{err.getvalue()}{exc}")
        return Ran(0, out.getvalue(), err.getvalue())

    return run


def in_process(conf: Conf, *arguments: str, **env: str) -> Ran:
    done = subprocess.run(
        [sys.executable, ROOT / "manage.py", *arguments],
        env=os.environ | environment(conf) | env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def line_of(output: str, beginning: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.startswith(beginning))


async def enqueue(conf: Conf, queue: str, count: int = 3) -> None:
    async with backbone(conf) as b:
        await enqueue_activities(
            b, [Activity(id=f"{conf.topic_prefix}-{n}", queue=queue, type="a.b") for n in range(count)]
        )


def spoil(conf: Conf, topic: str, key: str, value: str) -> None:
    entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": conf.brokers})
    client.incremental_alter_configs([resource])[resource].result(10)


async def test_the_list_tells_records_and_how_far_the_hot_view_is(
    conf: Conf, queue_name: str, manage: Manage
):
    await enqueue(conf, queue_name)
    shown = await manage("topics")
    assert shown.code == 0, shown.stderr
    pending = line_of(shown.stdout, topic_name(conf, queue_name, Kind.PENDING))
    assert pending[1:6] == ["1", "1/1", "compact", "3", "0"]
    assert line_of(shown.stdout, control_topic(conf))[1] == "1"


async def test_the_same_as_json_has_each_partition(conf: Conf, queue_name: str, manage: Manage):
    await enqueue(conf, queue_name)
    shown = json.loads((await manage("topics", queue_name, "--json")).stdout)
    topics = {topic["name"]: topic for topic in shown["topics"]}
    pending = topics[topic_name(conf, queue_name, Kind.PENDING)]
    assert pending["partitions"] == [{"partition": 0, "begin": 0, "end": 3, "hot_at": 3, "index_at": None}]
    assert pending["drift"] == []
    assert (shown["hot_error"], shown["index_error"]) == ("", "")


async def test_a_plan_changes_nothing_and_names_the_rights_that_are_needed(
    conf: Conf, queue_name: str, manage: Manage
):
    planned = await manage("topics", "--plan", queue_name)
    assert planned.code == 0, planned.stderr
    assert f"create {topic_name(conf, queue_name, Kind.DLQ)} with 1 partitions" in planned.stdout
    assert f"keeper: Describe, Read on groups that begin with '{conf.topic_prefix}-'" in planned.stdout
    assert json.loads((await manage("topics", "--json")).stdout)["topics"] == []


async def test_where_processes_may_not_make_topics_apply_makes_all_they_need(
    conf: Conf, queue_name: str, manage: Manage
):
    applied = await manage("topics", "--apply", queue_name, create_topics=False)
    assert applied.code == 0, applied.stderr
    async with backbone(conf_of(conf.topic_prefix, conf.redis_prefix, CREATE_TOPICS=False)) as b:
        high = Activity(id=f"{conf.topic_prefix}-h", queue=queue_name, type="a.b", priority=99)
        [accepted] = await enqueue_activities(b, [high])
    assert accepted.offset == 0
    again = await manage("topics", "--apply", queue_name, create_topics=False)
    assert again.stdout.strip() == "topics: nothing to change"


async def test_partitions_are_added_on_demand(conf: Conf, queue_name: str, manage: Manage):
    await enqueue(conf, queue_name)
    assert (await manage("topics", "--apply", queue_name, "--partitions", "3")).code == 0
    shown = json.loads((await manage("topics", queue_name, "--json")).stdout)
    assert {len(t["partitions"]) for t in shown["topics"] if t["queue"]} == {3}


async def test_the_doctor_finds_nothing_bad_where_all_is_well(conf: Conf, queue_name: str, manage: Manage):
    await enqueue(conf, queue_name)
    told = await manage("doctor")
    assert told.code == 0, told.stdout + told.stderr
    for subject in ("kafka", "topics", "redis", "queues", "postgresql", "migrations", "lag", "clock"):
        assert any(line.split()[1] == subject for line in told.stdout.splitlines() if line[:4].strip()), (
            subject
        )
    assert "bad " not in told.stdout


async def test_a_topic_that_would_lose_records_is_bad_until_apply_mends_it(
    conf: Conf, queue_name: str, manage: Manage
):
    await enqueue(conf, queue_name)
    spoil(conf, topic_name(conf, queue_name, Kind.DLQ), "cleanup.policy", "delete")
    told = await manage("doctor", "--json")
    assert told.code == 1
    [bad] = [finding for finding in json.loads(told.stdout) if finding["level"] == "bad"]
    assert topic_name(conf, queue_name, Kind.DLQ) in bad["text"]
    assert bad["fix"] == "manage.py topics --apply"
    mended = await manage("topics", "--apply", queue_name)
    assert "done: alter" in mended.stdout, mended.stderr
    after = await manage("doctor")
    assert after.code == 0, after.stdout


async def test_a_queue_that_redis_lost_is_bad(conf: Conf, queue_name: str, manage: Manage):
    await enqueue(conf, queue_name)
    async with backbone(conf) as b:
        await b.hot.client.command("DEL", b.hot.keys(queue_name).meta)
    told = await manage("doctor")
    assert told.code == 1
    assert f"queue {queue_name} is not open" in told.stdout


def test_servers_that_are_away_are_each_named_with_what_to_check(conf: Conf):
    nowhere = {
        "KAFKA_BROKERS": "127.0.0.1:1",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "RUNNERQ_APPEND_TIMEOUT_S": "1",
    }
    told = in_process(conf, "doctor", "--json", **nowhere)
    assert told.code == 1
    bad = {
        finding["subject"]: finding["fix"] for finding in json.loads(told.stdout) if finding["level"] == "bad"
    }
    assert {"kafka", "redis", "postgresql"} <= set(bad)
    assert "KAFKA_BROKERS" in bad["kafka"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--plan", "no such"], "queue name 'no such'"),
        (["--partitions", "3"], "needs the names of queues"),
    ],
)
async def test_wrong_use_says_what_is_wrong(manage: Manage, arguments: list[str], says: str):
    refused = await manage("topics", *arguments)
    assert refused.code == 2
    assert says in refused.stderr


def test_the_list_of_an_empty_cluster_is_a_heading_alone(conf: Conf):
    shown = in_process(conf, "topics")
    assert (shown.code, shown.stdout.split()[0]) == (0, "TOPIC"), shown.stderr
