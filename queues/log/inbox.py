"""The inbox: what librdkafka hands over, sorted into records, partition ends and failures."""

import logging
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError

from queues.domain.errors import LogUnavailable, Misconfigured, PositionLost, QueueError

logger = logging.getLogger(__name__)

type Partition = tuple[str, int]


class RawMessage(NamedTuple):
    """A record as it lies in the log; a null has ``value`` None."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]] | None


_LOST: Final = frozenset({KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE})  # noqa: SLF001
_DENIED: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
_PASSING: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,  # subscribed before it is made: the next metadata finds it
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._MAX_POLL_EXCEEDED,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    }
)
_new: Final = tuple.__new__


class Inbox:
    """Sorted messages; ``at_end`` holds each partition read to its end → the offset that comes next there."""

    def __init__(self) -> None:
        self.at_end: dict[Partition, int] = {}
        self.failure: QueueError | None = None

    def sort(self, messages: Iterable[Any]) -> list[RawMessage]:
        """Return the records, in order; keep ends and the first failure."""
        records: list[RawMessage] = []
        keep, at_end = records.append, self.at_end
        for message in messages:
            error = message.error()
            if error is not None:
                self._note(message, error)
                continue
            topic, partition = message.topic(), message.partition()
            if at_end:
                at_end.pop((topic, partition), None)
            keep(
                _new(
                    RawMessage,
                    (
                        topic,
                        partition,
                        message.offset(),
                        message.timestamp()[1],
                        message.key(),
                        message.value(),
                        message.headers(),
                    ),
                )
            )
        return records

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Drop what is known of partitions that are another's now, or are read from elsewhere."""
        for partition in partitions:
            self.at_end.pop(partition, None)

    def raise_failure(self) -> None:
        """Raise what went wrong, once; the records before it have been returned."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _note(self, message: Any, error: KafkaError) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001
            self.at_end[message.topic(), message.partition()] = message.offset()
        elif code in _PASSING:
            logger.debug("kafka.consumer %s", error.str())
        elif self.failure is None:
            self.failure = _translated(message, error)


def _translated(message: Any, error: KafkaError) -> QueueError:
    if error.code() in _LOST:
        return PositionLost(
            f"{message.topic()}[{message.partition()}] does not hold the offset that this view has reached:"
            f" {error.str()}: the log was cut or its records expired; rebuild the view from what is left"
        )
    if error.code() in _DENIED:
        return Misconfigured(
            f"Kafka denies it: {error.str()}: `manage.py topics --plan` lists the rights needed"
        )
    return LogUnavailable(f"Kafka: {error.str()}")
