"""Settings: the one ``RUNNERQ`` dict as a frozen dataclass, with types, units and defaults together."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from queues.domain.errors import Misconfigured


def _setting(default: Any, text: str) -> Any:
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True)
class Conf:
    """Everything that can be set, by its key in ``RUNNERQ`` (lower case here, upper case there)."""

    kafka: dict[str, Any] = _setting({}, "librdkafka settings of every client; needs `bootstrap.servers`")
    redis_url: str = _setting("", "Redis or Valkey, 6.2 or later, `maxmemory-policy noeviction`")
    redis_prefix: str = _setting("rq", "first part of every Redis key")
    topic_prefix: str = _setting("runnerq", "first part of every topic name")
    partitions: int = _setting(4, "partitions of a new queue's stage topics")
    replication: int = _setting(-1, "replication factor of new topics; -1 is the broker's default")
    min_insync_replicas: int = _setting(0, "min.insync.replicas of new topics; 0 is the broker's default")
    create_topics: bool = _setting(
        True, "create a queue's topics on first use; off where only `topics --apply` may"
    )
    max_payload_bytes: int = _setting(
        1024 * 1024, "arguments, and result, of one activity: bytes of JSON each"
    )
    hot_window: int = _setting(
        50_000, "activities per queue and band that Redis holds ready; the rest waits in Kafka"
    )
    hot_recent: int = _setting(200_000, "settled activities per queue that Redis remembers at the most")
    stub_s: int = _setting(60, "how long a settled activity stays readable in Redis, at least")
    once_stub_s: int = _setting(3600, "the same for ids that may come twice (chosen by a caller, derived)")
    lease_s: float = _setting(15.0, "how long a claim holds without being renewed")
    heartbeat_s: float = _setting(5.0, "how often a worker renews its leases")
    timeout_s: float = _setting(300.0, "run time of one attempt where the activity does not say otherwise")
    max_attempts: int = _setting(3, "attempts where the activity does not say otherwise")
    append_timeout_s: float = _setting(10.0, "how long an append may take before its outcome is unknown")
    max_waiting: int = _setting(
        50_000, "records of one process that may wait for the log; more are refused (503)"
    )
    max_waiting_bytes: int = _setting(256 * 1024 * 1024, "the same in bytes")
    claim_batch: int = _setting(500, "activities that one claim takes at the most")
    load_batch: int = _setting(1_000, "records that the loader applies in one call")
    index_batch: int = _setting(5_000, "records that the indexer writes in one transaction")
    retention_days: float = _setting(
        30.0, "how long the index keeps terminal activities that are not completed"
    )
    retention_completed_days: float = _setting(7.0, "how long the index keeps completed activities")
    payload_index_bytes: int = _setting(16 * 1024, "arguments up to this size are searchable by path")
    events_enqueued: bool = _setting(
        False, "publish an event for each enqueue too (the pending record tells it)"
    )
    system_queue: str = _setting("runnerq.system", "queue of the product's own work")

    @property
    def brokers(self) -> str:
        """The bootstrap servers, for messages to people."""
        return str(self.kafka.get("bootstrap.servers", ""))


KEYS = tuple(f.name.upper() for f in dataclasses.fields(Conf))


def unknown_keys(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return each key that is no setting → the nearest one, or ``""``."""
    return {
        key: next(iter(difflib.get_close_matches(key.upper(), KEYS, 1)), "")
        for key in settings
        if key not in KEYS
    }


def build(settings: Mapping[str, Any]) -> Conf:
    """Return the settings.

    Raises:
        Misconfigured: an unknown key (with the nearest known one), or a value of the wrong kind or range.
    """
    for key, near in unknown_keys(settings).items():
        raise Misconfigured(f"RUNNERQ[{key!r}] is no setting" + (f": did you mean {near!r}?" if near else ""))
    conf = Conf(**{key.lower(): value for key, value in settings.items()})
    for f in dataclasses.fields(Conf):
        value = getattr(conf, f.name)
        _require_type(f.name.upper(), value, f.default)
    if conf.heartbeat_s * 2 > conf.lease_s:
        raise Misconfigured(
            "RUNNERQ['HEARTBEAT_S'] must be at most half of LEASE_S, or one slow renewal loses leases"
        )
    return conf


def _require_type(key: str, value: Any, default: Any) -> None:
    expected = dict if default is dataclasses.MISSING else type(default)
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise Misconfigured(f"RUNNERQ[{key!r}] is {value!r}: expected {expected.__name__}")
    if isinstance(value, int | float) and value < 0 and key != "REPLICATION":
        raise Misconfigured(f"RUNNERQ[{key!r}] is {value!r}: must not be negative")


@cache
def get_conf() -> Conf:
    """Return the settings of this process, from Django's ``RUNNERQ``."""
    from django.conf import settings  # noqa: PLC0415 -- conf is imported before Django is set up

    return build(getattr(settings, "RUNNERQ", {}))
