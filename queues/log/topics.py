"""Topics: their names, both ways, and the settings that a role demands."""

from typing import Final

from queues.conf import Conf
from queues.domain.priority import BANDS, Band
from queues.domain.record import STAGES, Kind

CONTROL: Final = "control"
RECORD_OVERHEAD: Final = 256 * 1024
"""What a record may hold beside arguments and result: errors, options, headers."""

_DAY_MS: Final = 24 * 3_600_000
_WEEK: Final = str(7 * _DAY_MS)
_BAND_WORD: Final = {Band.CRITICAL: "critical", Band.HIGH: "high", Band.LOW: "low"}
_SUFFIX: Final = {
    **{(kind, Band.NORMAL): kind.value for kind in Kind},
    **{(Kind.PENDING, band): f"{Kind.PENDING}-{word}" for band, word in _BAND_WORD.items()},
}
# The longest suffix first: a queue may itself be called "a-pending".
_BY_SUFFIX: Final = sorted(
    ((f"-{suffix}", kind, band) for (kind, band), suffix in _SUFFIX.items()), key=lambda row: -len(row[0])
)
_COMPACTED: Final = {
    "segment.ms": "600000",
    "segment.bytes": str(64 * 1024 * 1024),
    "min.cleanable.dirty.ratio": "0.2",
}
_CLEANUP: Final[dict[Kind, dict[str, str]]] = {
    Kind.PENDING: {"cleanup.policy": "compact", **_COMPACTED},
    Kind.RETRY: {"cleanup.policy": "compact", **_COMPACTED},
    Kind.DLQ: {"cleanup.policy": "compact", **_COMPACTED},
    Kind.STATE: {"cleanup.policy": "compact", **_COMPACTED},
    Kind.COMPLETED: {"cleanup.policy": "compact,delete", "retention.ms": _WEEK, **_COMPACTED},
    Kind.PROCESSING: {"cleanup.policy": "delete", "retention.ms": _WEEK},
    Kind.EVENTS: {"cleanup.policy": "delete", "retention.ms": _WEEK},
}

CRITICAL_SETTINGS: Final = frozenset({"cleanup.policy", "max.message.bytes", "message.timestamp.type"})
"""Settings without which a topic loses or refuses records: a drift here stops the product."""


def max_record_bytes(conf: Conf) -> int:
    """Return how large one record may be: arguments and result at their limits, and what surrounds them."""
    return 2 * conf.max_payload_bytes + RECORD_OVERHEAD


def topic_name(conf: Conf, queue: str, kind: Kind, band: Band = Band.NORMAL) -> str:
    """Return the topic of ``queue`` in this role; only ``pending`` has bands."""
    return f"{conf.topic_prefix}-{queue}-{_SUFFIX[kind, band]}"


def control_topic(conf: Conf) -> str:
    """Return the one topic that belongs to no queue."""
    return f"{conf.topic_prefix}-{CONTROL}"


def parse_topic(conf: Conf, name: str) -> tuple[str, Kind, Band] | None:
    """Return queue, kind and band of a topic; None when it is not a queue's."""
    prefix = f"{conf.topic_prefix}-"
    if not name.startswith(prefix):
        return None
    for suffix, kind, band in _BY_SUFFIX:
        if name.endswith(suffix) and len(name) > len(prefix) + len(suffix):
            return name[len(prefix) : -len(suffix)], kind, band
    return None


def queue_topics(conf: Conf, queue: str, bands: tuple[Band, ...] = (Band.NORMAL,)) -> dict[str, Kind]:
    """Return the queue's topics → kind, with a pending topic for each of ``bands``; settled ones first.

    The order matters when partitions are added: ``pending`` last, or a later record would lack its own.
    """
    settled = (Kind.COMPLETED, Kind.DLQ, Kind.RETRY, Kind.STATE, Kind.PROCESSING, Kind.EVENTS)
    names = {topic_name(conf, queue, kind): kind for kind in settled}
    return names | {
        topic_name(conf, queue, Kind.PENDING, band): Kind.PENDING for band in BANDS if band in bands
    }


def stage_topics(conf: Conf, queue: str, bands: tuple[Band, ...] = BANDS) -> list[str]:
    """Return the topics that both views fold."""
    later = [topic_name(conf, queue, kind) for kind in STAGES if kind is not Kind.PENDING]
    return later + [topic_name(conf, queue, Kind.PENDING, band) for band in bands]


def topic_settings(conf: Conf, kind: Kind) -> dict[str, str]:
    """Return the settings of a new topic of this kind."""
    settings = {
        **_CLEANUP[kind],
        "max.message.bytes": str(max_record_bytes(conf) + 4096),
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
    }
    if conf.min_insync_replicas:
        settings["min.insync.replicas"] = str(conf.min_insync_replicas)
    return settings


def control_settings(conf: Conf) -> dict[str, str]:
    """Return the settings of the control topic: compacted, like a stage."""
    return topic_settings(conf, Kind.STATE)


def satisfies(key: str, found: str, wanted: str) -> bool:
    """Tell whether a topic's setting does what is wanted: policies as sets, sizes at least."""
    if key == "cleanup.policy":
        return set(found.split(",")) == set(wanted.split(","))
    if key == "max.message.bytes":
        return found.isdigit() and int(found) >= int(wanted)
    return found == wanted
