"""A librdkafka producer with the thread that polls it."""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as Driver

from queues.log.delivery import Batch, Message, refused, report_of_error

logger = logging.getLogger(__name__)

_POLL_S: Final = 0.2


class Handle:
    """One idempotent session with the brokers; a fatal error ends it, and its owner opens another."""

    def __init__(self, settings: dict[str, Any], name: str) -> None:
        self.driver = Driver({**settings, "error_cb": self._on_error})
        self.fatal = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name=name, daemon=True)
        self._thread.start()

    def produce(self, batch: Batch) -> bool:
        """Hand the batch to librdkafka; tell whether the session could take records at all.

        What it refuses at once is reported in the batch. False: it took nothing, open a new session.
        """
        produce: Callable[..., None] = self.driver.produce
        answer = batch.answer
        refused_some = False
        for index, (topic, to, key, value, headers) in enumerate(batch.messages):
            try:
                produce(topic, value, key, to, partial(answer, index), None, 0, headers)
            except BufferError:
                batch.refuse(index, refused(to, "queue full: too many records wait for the broker"))
                refused_some = True
            except KafkaException as exc:
                if exc.args[0].fatal() or self.fatal:
                    if index == 0:
                        return False
                    self.fatal = self.fatal or exc.args[0].str()
                batch.refuse(index, report_of_error(to, exc.args[0])._replace(certain=True))
                refused_some = True
        if refused_some and batch.answered == batch.expected:
            batch.finish()
        return True

    def post(self, messages: Sequence[Message], room: int) -> int:
        """Hand over records that nobody waits for; return how many did not fit into ``room``."""
        if len(self.driver) + len(messages) > room or self.fatal:
            return len(messages)
        produce: Callable[..., None] = self.driver.produce
        dropped = 0
        for topic, to, key, value, headers in messages:
            try:
                produce(topic, value, key, to, None, None, 0, headers)
            except (BufferError, KafkaException):
                dropped += 1
        return dropped

    def close(self, timeout_s: float) -> int:
        """Wait for what is under way, then stop the thread; return how many records were left unanswered."""
        left = self.driver.flush(timeout_s)
        self._stopping.set()
        self._thread.join(2 * _POLL_S + 1)
        return left

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self.driver.poll(_POLL_S)

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.fatal = error.str()
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            logger.info("kafka.producer %s", error.str())
