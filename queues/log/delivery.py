"""Delivery: what the broker said of each record of a batch, and whether a failed one may be in the log."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from confluent_kafka import KafkaError
from confluent_kafka import Message as Delivered

from queues.domain.record import Headers


class Message(NamedTuple):
    """A record to append; the broker gives its time, so that no clock of ours can make it refused."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None


class Report(NamedTuple):
    """What became of one record.

    ``error`` "": acknowledged by all in-sync replicas. ``certain`` with an error: the record is surely not in
    the log. ``offset`` -1: acknowledged without one (a repeat that the broker had), or an error.
    """

    partition: int
    offset: int
    error: str
    certain: bool


_NOT_STORED: Final = frozenset(
    {
        KafkaError._QUEUE_FULL,  # noqa: SLF001 -- librdkafka's own codes begin with an underscore
        KafkaError._INVALID_DIFFERENT_RECORD,  # noqa: SLF001
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.TOPIC_EXCEPTION,
    }
)
"""Verdicts that depend on the record or the topic alone, so an earlier try cannot have been stored.

A refusal that may change between two tries (authorization, replicas, sequence numbers, a topic unknown to the
one asked), a timeout and a purge are not among them: the first try may be in the log, the second refused.
"""
_WHOLE_BATCH: Final = frozenset({KafkaError.INVALID_RECORD, KafkaError._INVALID_DIFFERENT_RECORD})  # noqa: SLF001
"""The broker refuses a whole batch for one bad record, and does not always say which."""


def report_of_error(partition: int, error: KafkaError) -> Report:
    """Return the report of a record that was not acknowledged."""
    return Report(partition, -1, f"{error.name()}: {error.str()}", error.code() in _NOT_STORED)


def refused(partition: int, why: str) -> Report:
    """Return the report of a record that never left this process."""
    return Report(partition, -1, why, True)


class Batch:
    """Records that are appended together and answered one by one; ``future`` is done with the last one."""

    __slots__ = ("future", "left", "messages", "reports", "since", "suspects")

    def __init__(self, messages: Sequence[Message], future: asyncio.Future[None]) -> None:
        self.messages = messages
        self.reports: list[Report | None] = [None] * len(messages)
        self.suspects: list[int] = []
        self.left = len(messages)
        self.future = future
        self.since = time.monotonic()

    def answer(self, index: int, error: KafkaError | None, delivered: Delivered) -> None:
        """Keep the report of record ``index``; the last one lets the waiting call go on."""
        if error is None:
            # By way of settle, or of the class, it costs half as much again, for every record.
            self.reports[index] = _new(Report, (delivered.partition(), delivered.offset(), "", True))
            self.left -= 1
            if not self.left:
                self._finish()
            return
        if error.code() in _WHOLE_BATCH:
            self.suspects.append(index)
        self.settle(index, report_of_error(self.messages[index].partition, error))

    def settle(self, index: int, report: Report) -> None:
        """Keep ``report`` as that of record ``index``."""
        self.reports[index] = report
        self.left -= 1
        if not self.left:
            self._finish()

    def unanswered(self) -> set[tuple[str, int]]:
        """Return the partitions that owe an answer."""
        return {
            (m.topic, m.partition)
            for m, report in zip(self.messages, self.reports, strict=True)
            if report is None
        }

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


_new: Final = tuple.__new__
