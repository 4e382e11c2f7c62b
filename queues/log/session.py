"""A session of administration: the client, what the cluster looked like last, and errors in our own words."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from queues.conf import Conf
from queues.domain.errors import LogUnavailable, Misconfigured, QueueError
from queues.log.cluster import Cluster, cluster_of
from queues.log.settings import client_settings

FRESH_S: Final = 10.0
SOON_S: Final = 1.0
PAUSE_S: Final = 0.05


class AdminSession:
    """One client for administration, made on first use."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.timeout_s = conf.append_timeout_s
        self._client: AdminClient | None = None
        self._cluster: Cluster | None = None
        self._asking: asyncio.Task[Cluster] | None = None

    @property
    def client(self) -> AdminClient:
        """The driver's own."""
        if self._client is None:
            self._client = AdminClient(client_settings(self.conf))
        return self._client

    async def close(self) -> None:
        """Drop the connection."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.__exit__, None, None, None)

    async def cluster(self, max_age_s: float = FRESH_S) -> Cluster:
        """Return brokers and topics as of at most ``max_age_s`` ago.

        Raises:
            LogUnavailable: no broker answered.
        """
        if self._cluster is not None and time.monotonic() - self._cluster.at_s <= max_age_s:
            return self._cluster
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def settled(self, ask: Callable[[], Mapping[Any, Future[Any]]]) -> dict[Any, Any]:
        """Return the answers, asked again while leaders or coordinators are on the move.

        Raises:
            LogUnavailable: they are still, or no broker answered.
            Misconfigured: the brokers deny or refuse it.
        """
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                return await self._answers(ask())
            except _Settling as exc:
                if time.monotonic() > deadline:
                    raise LogUnavailable(str(exc)) from exc
                await asyncio.sleep(PAUSE_S)

    def translated(self, error: KafkaError, doing: str = "") -> QueueError:
        """Return the driver's error as one of ours."""
        text = f"{doing + ': ' if doing else ''}{error.str()}"
        if error.code() in _DENIED:
            return Misconfigured(
                f"Kafka denies it: {text}: `manage.py topics --plan` lists the rights that are needed"
            )
        if error.code() in _REFUSED:
            return Misconfigured(f"Kafka refuses it: {text}")
        return LogUnavailable(f"Kafka at {self.conf.brokers}: {text}")

    async def _ask(self) -> Cluster:
        client = self.client
        began = time.monotonic()
        try:
            metadata = await asyncio.to_thread(client.list_topics, timeout=self.timeout_s)
        except KafkaException as exc:
            raise self.translated(exc.args[0]) from exc
        self._cluster = cluster_of(metadata, began)
        return self._cluster

    async def _answers(self, futures: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
        for answer in (found := await all_answers(futures)).values():
            if isinstance(answer, KafkaException):
                error = answer.args[0]
                if error.retriable() or error.code() in _MOVING:
                    raise _Settling(error.str()) from answer
                raise self.translated(error) from answer
            if isinstance(answer, BaseException):
                raise answer
        return found


class _Settling(LogUnavailable):
    """A partition or group is between two leaders, or so new that its leader does not know it yet."""


async def all_answers(futures: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
    """Return what each future came to, errors among them."""
    # All are awaited before one is raised: a client dropped with answers under way can hang the exit.
    found = await asyncio.gather(*map(asyncio.wrap_future, futures.values()), return_exceptions=True)
    return dict(zip(futures, found, strict=True))


_MOVING: Final = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
_DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
_REFUSED: Final = frozenset(
    {
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.TOPIC_EXCEPTION,
    }
)


def _translated(error: KafkaError, brokers: str = "", doing: str = "") -> QueueError:
    text = f"{doing + ': ' if doing else ''}{error.str()}"
    if error.code() in _DENIED:
        return Misconfigured(
            f"Kafka denies it: {text}: `manage.py topics --plan` lists the rights that are needed"
        )
    if error.code() in _REFUSED:
        return Misconfigured(f"Kafka refuses it: {text}")
    return LogUnavailable(f"Kafka{' at ' + brokers if brokers else ''}: {text}")
