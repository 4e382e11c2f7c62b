"""Real processes, killed, stopped and cut off: each activity ends once, and nothing runs after its yes."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from queues.conf import Conf
from queues.domain.errors import OutcomeUnknown, Unavailable
from queues.domain.states import State
from queues.services.overview import hot_counts
from runnerq_site.embedded.stack import Services, Stack
from tests.protocol.folding import assert_views_agree, fold
from tests.protocol.system import System, activity, conf_of, system
from tests.sample.command import environment
from tests.waiting import reached

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(240)]
ROOT = Path(__file__).parent.parent.parent
LATER_S = 90.0
type Process = subprocess.Popen[bytes]


@pytest.fixture
def conf(services: Services, db: None, topic_prefix: str, redis_prefix: str) -> Conf:
    return conf_of(topic_prefix, redis_prefix, APPEND_TIMEOUT_S=3.0)


@pytest.fixture
async def s(conf: Conf) -> AsyncIterator[System]:
    async with system(conf) as s:
        yield s


class Site:
    """Workers and keepers as processes; all are gone at the end."""

    def __init__(self, conf: Conf, folder: Path) -> None:
        self.conf = conf
        self.marks = folder / "marks"
        self.processes: list[subprocess.Popen[bytes]] = []

    def _start(self, *command: str) -> Process:
        process = subprocess.Popen(
            [sys.executable, *command],
            env=os.environ | environment(self.conf) | {"RUNNERQ_APPEND_TIMEOUT_S": "3"},
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.processes.append(process)
        return process

    def keeper(self) -> Process:
        return self._start("manage.py", "runkeeper")

    def worker(self) -> Process:
        names = (
            "kafka",
            "redis_url",
            "topic_prefix",
            "redis_prefix",
            "lease_s",
            "heartbeat_s",
            "append_timeout_s",
        )
        settings = {name.upper(): getattr(self.conf, name) for name in names}
        return self._start("-m", "tests.protocol.worker", str(self.marks), "q", json.dumps(settings))

    def facts(self) -> list[tuple[str, str]]:
        """Return (word, id) of what the workers wrote, in order."""
        if not self.marks.exists():
            return []
        lines = self.marks.read_text().splitlines()
        return [(word, activity_id) for word, activity_id, _ in map(str.split, lines)]

    def stop(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait(20)


@pytest.fixture
def site(conf: Conf, tmp_path: Path) -> Iterator[Site]:
    site = Site(conf, tmp_path)
    try:
        yield site
    finally:
        site.stop()


async def all_ended(s: System, ids: Sequence[str]) -> None:
    """Wait until the log says of each that it has ended."""

    async def ended() -> bool:
        with contextlib.suppress(Unavailable):
            counts = await hot_counts(s.b, "q")
            if counts.ready or counts.active or counts.scheduled:
                return False
            logged = await fold(s, "q")
            return all(i in logged and not logged[i].live for i in ids)
        return False

    await reached(ended, LATER_S, "all have ended")


def assert_none_ran_after_its_yes(facts: list[tuple[str, str]], ids: Sequence[str]) -> None:
    said_yes: Counter[str] = Counter()
    for word, activity_id in facts:
        if word == "start":
            assert not said_yes[activity_id], f"{activity_id} ran again after its yes"
        said_yes[activity_id] += word == "yes"
    assert {i for i in ids if said_yes[i] > 1} == set()


async def enqueue(s: System, count: int) -> list[str]:
    """Enqueue so many, a few at a time; what is unknown is repeated until it is known."""
    ids = []
    for _ in range(count // 10):
        batch = [activity("q", max_attempts=None) for _ in range(10)]
        ids += [a.id for a in batch]
        while batch:
            try:
                await s.enqueue(*batch)
            except OutcomeUnknown as exc:
                again = set(getattr(exc, "ids", ()))
                batch = [a for a in batch if a.id in again]
            except Unavailable:
                await asyncio.sleep(0.2)
            else:
                batch = []
    return ids


async def test_killed_and_stopped_processes_and_an_emptied_redis_lose_nothing_and_repeat_no_yes(
    s: System, site: Site
):
    """Takes about a minute: two keepers and three workers start anew several times."""
    rng = random.Random(7)  # noqa: S311 -- the same disasters each time
    keepers = [site.keeper(), site.keeper()]
    workers = [site.worker() for _ in range(3)]
    ids = await enqueue(s, 50)
    await reached(_some(site, 20), LATER_S, "work has begun")
    zombie = workers.pop()
    os.kill(zombie.pid, signal.SIGSTOP)

    def replace(which: list[Process], start: Callable[[], Process]) -> None:
        at = rng.randrange(len(which))
        which[at].kill()
        which[at].wait(20)
        which[at] = start()

    for n in range(5):
        ids += await enqueue(s, 50)
        if n == 2:
            await s.flush()
        elif n % 2:
            replace(keepers, site.keeper)
        else:
            replace(workers, site.worker)
        await reached(_some(site, 40 * (n + 1)), LATER_S, f"work goes on ({n})")
    await all_ended(s, ids)
    os.kill(zombie.pid, signal.SIGCONT)
    ids += await enqueue(s, 50)
    await all_ended(s, ids)
    assert_none_ran_after_its_yes(site.facts(), ids)
    site.stop()
    await s.rebuild()
    logged = await assert_views_agree(s, "q")
    assert {logged[i].newest.state for i in ids} == {State.COMPLETED}
    assert len({r.version for i in ids for r in logged[i].records if r.version}) == sum(
        len({r.version for r in logged[i].records if r.version}) for i in ids
    ), "no two decisions share a version"


def _some(site: Site, count: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return sum(word == "yes" for word, _ in site.facts()) >= count

    return enough


async def test_with_kafka_silent_for_longer_than_a_session_all_goes_on_after_it(
    s: System, site: Site, stack: Stack
):
    """Takes about half a minute: Kafka is silent for 10 s, so that even its groups have given the keeper up."""
    site.keeper()
    site.worker()
    ids = await enqueue(s, 50)
    await all_ended(s, ids)
    assert stack.kafka.pid is not None
    os.kill(stack.kafka.pid, signal.SIGSTOP)
    try:
        refused = await asyncio.gather(
            *(s.enqueue(activity("q")) for _ in range(5)), asyncio.sleep(10), return_exceptions=True
        )
        assert all(isinstance(r, OutcomeUnknown | Unavailable) for r in refused[:-1]), refused
    finally:
        os.kill(stack.kafka.pid, signal.SIGCONT)
    ids += await enqueue(s, 100)
    await all_ended(s, ids)
    assert_none_ran_after_its_yes(site.facts(), ids)
    site.stop()
    await assert_views_agree(s, "q")
