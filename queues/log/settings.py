"""librdkafka settings: what the operator gave, under what the product cannot work without."""

import logging
from typing import Any, Final

from queues.conf import Conf
from queues.log.topics import max_record_bytes

logger = logging.getLogger("queues.log.kafka")

_ALL: Final[dict[str, Any]] = {
    "client.id": "runnerq",
    # A stopped broker must be noticed by its own timeouts, not by the system's quarter of an hour.
    "socket.keepalive.enable": True,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,
    "topic.metadata.refresh.interval.ms": 30_000,
    "log.connection.close": False,
    "logger": logger,
    # What it warns of (a coordinator that loads, a connection that closes) it mends by itself.
    "log_level": 3,
}
FOLLOWED_BYTES: Final = 64 * 1024
POST_ROOM: Final = 50_000
"""Records that nobody waits for, held at the most while brokers are away."""


def client_settings(conf: Conf, **more: Any) -> dict[str, Any]:
    """Return the settings of any client."""
    return {**_ALL, **conf.kafka, **more}


def producer_settings(conf: Conf, client_id: str) -> dict[str, Any]:
    """Return the settings of the one producer; ours win where safety hangs on them."""
    timeout_ms = int(conf.append_timeout_s * 1000)
    speed = {
        "linger.ms": 0,
        "compression.type": "none",
        "batch.num.messages": 10_000,
        "batch.size": max(1_000_000, max_record_bytes(conf)),
        "queue.buffering.max.messages": max(100_000, 2 * conf.max_waiting),
        "queue.buffering.max.kbytes": max(1_048_576, 2 * conf.max_waiting_bytes // 1024),
        "retry.backoff.ms": 20,
        # How long a topic may be unknown to the brokers before its records are given up.
        "topic.metadata.propagation.max.ms": 3_000,
        "request.timeout.ms": min(30_000, timeout_ms),
    }
    safety = {
        "client.id": client_id,
        "acks": "all",
        "enable.idempotence": True,
        "max.in.flight.requests.per.connection": 5,
        "message.timeout.ms": timeout_ms,
        "message.max.bytes": max_record_bytes(conf) + 4096,
        "partitioner": "consistent_random",
        "allow.auto.create.topics": False,
    }
    return {**_ALL, **speed, **conf.kafka, **safety}


def poster_settings(conf: Conf, client_id: str) -> dict[str, Any]:
    """Return the settings of the session for what nobody waits for: few large requests, bounded memory."""
    return producer_settings(conf, client_id) | {
        "linger.ms": 20,
        "compression.type": "lz4",
        "queue.buffering.max.messages": POST_ROOM,
        "queue.buffering.max.kbytes": 64 * 1024,
    }


def consumer_settings(conf: Conf, group: str) -> dict[str, Any]:
    """Return the settings of a reader; where it starts is always said, so a lost position is an error."""
    return {
        **_ALL,
        # A topic made a moment ago is found within a second; the keeper has few clients, so this is cheap.
        "topic.metadata.refresh.interval.ms": 1_000,
        "session.timeout.ms": 8_000,
        "heartbeat.interval.ms": 1_000,
        "fetch.wait.max.ms": 100,
        "fetch.error.backoff.ms": 20,
        # With the default of 1 s a backlog is read at a quarter of the speed.
        "fetch.queue.backoff.ms": 2,
        "queued.min.messages": 5_000,
        "queued.max.messages.kbytes": 8 * 1024,
        "fetch.max.bytes": max(4 * 1024 * 1024, max_record_bytes(conf) + 4096),
        "fetch.message.max.bytes": 1024 * 1024,
        **conf.kafka,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "isolation.level": "read_uncommitted",
        "allow.auto.create.topics": False,
    }


def follower_settings(conf: Conf, group: str, gather_ms: int) -> dict[str, Any]:
    """Return the settings of a view's reader, which gathers for ``gather_ms``: nobody waits for it.

    Fetched as they come, records would arrive one by one, and each would cost the broker a request and the view a step.
    """
    return {
        **consumer_settings(conf, group),
        "fetch.min.bytes": FOLLOWED_BYTES,
        "fetch.wait.max.ms": gather_ms,
        **conf.kafka,
        "partition.assignment.strategy": "cooperative-sticky",
    }
