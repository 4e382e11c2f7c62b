"""A process is a loop over ``step()``; several run side by side until told to stop."""

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

from queues.domain.errors import QueueError

logger = logging.getLogger(__name__)
MOST_BACKOFF_S = 5.0
SAY_AGAIN_S = 30.0


class Loop(ABC):
    """Call ``step`` until told to stop; rest only when there was nothing to do."""

    name: str
    rest_s: float = 0.2

    async def start(self) -> None:  # noqa: B027 -- most need nothing
        """Make ready; called once before the first step."""

    @abstractmethod
    async def step(self) -> int:
        """Do one bounded piece of work. Return how much was done; 0 is idle."""

    async def close(self) -> None:  # noqa: B027 -- most hold nothing
        """Give back what ``start`` took."""


class Complaint:
    """Says a failure once, again only when it changes or after half a minute, and says when it is over."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._text = ""
        self._at = 0.0
        self.failures = 0

    def failed(self, exc: Exception) -> float:
        """Note a failure; return how long to wait before the next try, in s."""
        self.failures += 1
        text = f"{type(exc).__name__}: {exc}"
        if text != self._text or time.monotonic() - self._at > SAY_AGAIN_S:
            logger.warning("%s waits: %s", self._name, text)
            self._text, self._at = text, time.monotonic()
        return min(0.1 * float(2 ** min(self.failures, 6)), MOST_BACKOFF_S)

    def worked(self) -> None:
        """Note that it goes on."""
        if self.failures:
            logger.info("%s goes on after %d failures", self._name, self.failures)
        self.failures, self._text = 0, ""


async def run_loop(loop: Loop, stop: asyncio.Event) -> None:
    """Run ``loop`` until ``stop``; a refusal of a server is said once and tried again with a growing pause."""
    complaint = Complaint(loop.name)
    started = False
    try:
        while not stop.is_set():
            try:
                if not started:
                    await loop.start()
                    started = True
                done = await loop.step()
            except QueueError as exc:
                await _rest(stop, complaint.failed(exc))
                continue
            complaint.worked()
            if not done:
                await _rest(stop, loop.rest_s)
    finally:
        await loop.close()


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def run_loops(loops: Iterable[Loop], stop: asyncio.Event) -> None:
    """Run all until ``stop``; one that fails for good ends them all, and its exception is raised."""
    async with asyncio.TaskGroup() as group:
        for loop in loops:
            group.create_task(run_loop(loop, stop), name=loop.name)
