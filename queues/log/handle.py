"""A session of librdkafka's producer, polled by the event loop."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as Driver

from queues.log.delivery import Batch, Message, refused, report_of_error
from queues.log.pulse import Pulse

logger = logging.getLogger(__name__)

_SLOWEST_S: Final = 0.01


class Handle:
    """One idempotent session with the brokers; a fatal error ends it, and its owner opens another.

    The loop polls it, in short steps that grow while nothing comes, and not at all when nothing is awaited.
    Not a thread: each report takes the interpreter's lock anew, and beside a busy loop a thread gets that so
    seldom that a batch of a thousand was seen to take seconds.
    """

    def __init__(self, settings: dict[str, Any], loop: asyncio.AbstractEventLoop, first_s: float) -> None:
        self.driver = Driver({**settings, "error_cb": self._on_error})
        self.fatal = ""
        self._first_s = first_s
        self._quiet_since = 0.0
        self._pulse = Pulse(loop, self._beat)

    def produce(self, batch: Batch) -> bool:
        """Hand the batch to librdkafka; tell whether the session could take records at all.

        What it refuses at once is reported in the batch. False: it took nothing, open a new session.
        """
        if self.fatal:
            return False
        produce: Callable[..., None] = self.driver.produce
        answer = batch.answer
        for index, (topic, to, key, value, headers) in enumerate(batch.messages):
            try:
                produce(topic, value, key, to, partial(answer, index), None, 0, headers)
            except BufferError:
                batch.settle(index, refused(to, "queue full: too many records wait for the broker"))
            except KafkaException as exc:
                if exc.args[0].fatal():
                    self.fatal = exc.args[0].str()
                    if index == 0:
                        return False
                batch.settle(index, report_of_error(to, exc.args[0])._replace(certain=True))
        self._wait()
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
        self._wait()
        return dropped

    async def close(self, timeout_s: float) -> None:
        """Wait for what is under way; what is unanswered then gets a report of unknown outcome."""
        deadline = time.monotonic() + timeout_s
        while len(self.driver) and time.monotonic() < deadline:
            self.driver.poll(0)
            await asyncio.sleep(0.002)
        if len(self.driver):
            await asyncio.to_thread(self.driver.purge)
            self.driver.poll(0.1)
        self._pulse.close()
        await asyncio.to_thread(self.driver.close)

    def _wait(self) -> None:
        self._quiet_since = time.monotonic()
        self._pulse.after(self._first_s)

    def _beat(self) -> None:
        served = self.driver.poll(0)
        if not len(self.driver):
            return
        now = time.monotonic()
        if served:
            self._quiet_since = now
        quiet_s = now - self._quiet_since
        self._pulse.after(min(max(self._first_s, quiet_s / 8), max(_SLOWEST_S, self._first_s)))

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self.fatal = error.str()
        elif error.code() != KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001
            logger.info("kafka.producer %s", error.str())
