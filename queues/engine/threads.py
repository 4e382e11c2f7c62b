"""Threads for plain handlers: as many as slots are in use, each taken for one attempt at a time."""

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue


class Threads:
    """Run functions in daemon threads and hand their results to the loop, many at one wake-up.

    A thread that never ends is simply not used again; at exit it is left behind.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._jobs: SimpleQueue[tuple[Callable[[], object], Callable[[object], None]] | None] = SimpleQueue()
        self._done: deque[tuple[Callable[[object], None], object]] = deque()
        self._waking = False
        self._in_use = 0
        self._threads = 0

    def submit[R](self, function: Callable[[], R], done: Callable[[R], None]) -> None:
        """Call ``function`` in a thread, then ``done(result)`` on the loop; ``function`` must not raise."""
        self._in_use += 1
        if self._in_use > self._threads:
            self._threads += 1
            threading.Thread(target=self._run, name=f"activity-{self._threads}", daemon=True).start()
        self._jobs.put((function, done))  # type: ignore[arg-type]

    def close(self) -> None:
        """Let idle threads end."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, done = job
            refresh_connections()
            result = function()
            refresh_connections()
            self._done.append((done, result))
            if not self._waking:
                self._waking = True
                try:
                    self._loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:
                    return
            del job, function, done, result

    def _deliver(self) -> None:
        # Cleared before the queue is emptied: a result that comes now wakes the loop once more.
        self._waking = False
        while self._done:
            done, result = self._done.popleft()
            self._in_use -= 1
            done(result)


def refresh_connections() -> None:
    """Give up this thread's database connections that are broken or too old, as Django does for requests."""
    db = sys.modules.get("django.db")
    if db is not None:
        db.close_old_connections()
