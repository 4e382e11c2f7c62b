"""A timer of the event loop that can wait for less than a millisecond."""

import asyncio
import os
import time
from collections.abc import Callable


class Pulse:
    """Call ``beat`` on the loop after the time asked for; asked again, the sooner one counts.

    The loop's own timers are whole milliseconds where it waits by epoll, so Linux gets a timer of its own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, beat: Callable[[], None]) -> None:
        self._loop = loop
        self._beat = beat
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._fd = _timer()
        if self._fd >= 0:
            loop.add_reader(self._fd, self._fire)

    def after(self, delay_s: float) -> None:
        """Beat in ``delay_s``, unless a sooner beat is due anyway."""
        due = time.monotonic() + delay_s
        if self._due and self._due <= due:
            return
        self._due = due
        if self._fd >= 0:
            os.timerfd_settime(self._fd, initial=delay_s)
        else:
            if self._handle is not None:
                self._handle.cancel()
            self._handle = self._loop.call_later(delay_s, self._fire)

    def close(self) -> None:
        """Beat no more."""
        if self._handle is not None:
            self._handle.cancel()
        if self._fd >= 0:
            if not self._loop.is_closed():
                self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _fire(self) -> None:
        self._due = 0.0
        if self._fd >= 0:
            # A beat that asks for no other would else leave the timer readable and the loop spinning.
            os.timerfd_settime(self._fd, initial=0)
        self._beat()


def _timer() -> int:
    if hasattr(os, "timerfd_create"):
        return os.timerfd_create(time.CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)
    return -1
