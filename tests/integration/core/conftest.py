"""A system of one's own on real servers, for each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from queues import failpoints
from queues.conf import Conf
from runnerq_site.embedded.stack import Services
from tests.protocol.system import System, conf_of, system

type Start = Callable[..., AbstractAsyncContextManager[System]]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loader that is stepped at the end of its partitions returns at once."""
    monkeypatch.setattr("queues.keeper.loader.WAIT_S", 0.02)


@pytest.fixture
def conf(services: Services, db: None, topic_prefix: str, redis_prefix: str) -> Conf:
    """Settings of this test's system."""
    return conf_of(topic_prefix, redis_prefix)


@pytest.fixture
async def s(conf: Conf) -> AsyncIterator[System]:
    """A system with one partition a topic."""
    async with system(conf) as s:
        yield s
        failpoints.arm({})


@pytest.fixture
def start(services: Services, db: None, topic_prefix: str, redis_prefix: str) -> Start:
    """Make further systems of the same names: other processes, or other settings."""
    return lambda **more: system(conf_of(topic_prefix, redis_prefix, **more))
