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
    """Records that are appended together and answered one by one; ``future`` is done with the last one.

    The polling side alone counts ``answered``, the producing side alone lowers ``expected``: no lock needed.
    """

    __slots__ = ("answered", "expected", "future", "loop", "messages", "reports", "since", "suspects")

    def __init__(self, messages: Sequence[Message], loop: asyncio.AbstractEventLoop) -> None:
        self.messages = messages
        self.reports: list[Report | None] = [None] * len(messages)
        self.suspects: list[int] = []
        self.answered = 0
        self.expected = len(messages)
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.since = time.monotonic()

    def answer(self, index: int, error: KafkaError | None, delivered: Delivered) -> None:
        """Keep the report of record ``index``; wake the waiting one after the last."""
        if error is None:
            self.reports[index] = _new(Report, (delivered.partition(), delivered.offset(), "", True))
        else:
            if error.code() in _WHOLE_BATCH:
                self.suspects.append(index)
            self.reports[index] = report_of_error(self.messages[index].partition, error)
        self.answered += 1
        if self.answered == self.expected:
            self.wake()

    def refuse(self, index: int, report: Report) -> None:
        """Keep the report of a record that librdkafka did not take."""
        self.reports[index] = report
        self.expected -= 1

    def wake(self) -> None:
        """Let the waiting one go on; harmless when repeated or when its loop is gone."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.finish)

    def finish(self) -> None:
        """Resolve the future."""
        if not self.future.done():
            self.future.set_result(None)

    def unanswered(self) -> set[tuple[str, int]]:
        """Return the partitions that owe an answer."""
        return {
            (m.topic, m.partition)
            for m, report in zip(self.messages, self.reports, strict=True)
            if report is None
        }


# Through the class it costs twice as much, and this is done for every record.
_new: Final = tuple.__new__
