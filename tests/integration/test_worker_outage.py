"""A worker while Kafka or Redis is away: outcomes are kept and offered again, and nothing new is taken."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from queues.conf import Conf
from queues.services.backbone import Backbone
from runnerq_site.embedded.stack import Stack
from tests.sample import activities as sample
from tests.sample import running
from tests.waiting import reached

TIMEOUT_S = 60


@pytest.fixture
def conf(private_stack: Stack) -> Conf:
    """Leases that outlive the outage: the outcome that counts in the end is the first one."""
    services = private_stack.services
    more = {"KAFKA": {"bootstrap.servers": services.brokers}, "REDIS_URL": services.redis_url}
    return running.conf_of("outage", "outage", LEASE_S=30.0, HEARTBEAT_S=1.0, APPEND_TIMEOUT_S=2.0, **more)


@pytest.fixture
async def b(conf: Conf) -> AsyncIterator[Backbone]:
    async with running.backbone(conf) as b:
        yield b


@pytest.mark.timeout(180)
@pytest.mark.parametrize("away", ["kafka", "redis"])
async def test_an_outcome_waits_for_the_server_and_counts_once(
    private_stack: Stack, b: Backbone, tmp_path: Path, away: str
):
    """Takes 30 s: servers of its own; Kafka is killed, Redis hangs (a restarted one is rebuilt, see the keeper)."""
    kafka, redis = private_stack.kafka, private_stack.redis
    leave, back = (kafka.kill, kafka.start) if away == "kafka" else (redis.pause, redis.resume)
    go, marks = tmp_path / "go", tmp_path / "marks"
    async with running.worker(b, "q") as worker, running.keeper(b):
        held = await sample.wait_for.using(queue="q").enqueue(str(go), str(marks))
        await reached(lambda: asyncio.to_thread(marks.exists), what="the handler began")
        await asyncio.to_thread(leave)
        go.touch()

        async def failing() -> bool:
            return worker.settler.failing > 0

        await reached(failing, what="the settle waits")
        await asyncio.to_thread(back)
        assert await held.result(TIMEOUT_S) == "attempt 1"
        later = await sample.add.using(queue="q").enqueue(1, 2)
        assert await later.result(TIMEOUT_S) == 3
        assert worker.settler.lost == 0
    assert len(marks.read_text().splitlines()) == 1
