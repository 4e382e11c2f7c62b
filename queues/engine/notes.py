"""What running attempts say (progress, log lines), gathered and published a few times a second."""

import asyncio
import logging
import threading
from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Final

from queues.engine.attempt import Attempt, Key
from queues.engine.context import Context, running

if TYPE_CHECKING:
    from queues.services.backbone import Backbone

EVERY_S: Final = 0.25


class _Said:
    __slots__ = ("lines", "progress")

    def __init__(self) -> None:
        self.progress: tuple[float, str] | None = None
        self.lines: list[tuple[str, str]] = []


class Notes:
    """The listener of every context of a worker; of progress the newest word is passed on."""

    def __init__(self, b: "Backbone", attempts: dict[Key, Attempt]) -> None:
        self._b = b
        self._attempts = attempts
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._said: dict[Key, _Said] = {}

    def progress(self, context: Context, fraction: float, message: str) -> None:
        """Keep the newest progress; called from any thread."""
        with self._lock:
            self._of(context).progress = (fraction, message)

    def line(self, context: Context, level: str, text: str) -> None:
        """Keep a line; called from any thread."""
        with self._lock:
            self._of(context).lines.append((level, text))

    def flush(self, attempt: Attempt) -> None:
        """Publish what ``attempt`` said, before its outcome is."""
        if not self._said:
            return
        with self._lock:
            said = self._said.pop(attempt.key, None)
        if said is not None:
            self._publish(attempt, said)

    def _of(self, context: Context) -> _Said:
        if not self._said:
            self._loop.call_soon_threadsafe(self._loop.call_later, EVERY_S, self._flush_all)
        return self._said.setdefault((context.queue, context.fence), _Said())

    def _flush_all(self) -> None:
        with self._lock:
            all_said, self._said = self._said, {}
        for key, said in all_said.items():
            attempt = self._attempts.get(key)
            if attempt is not None:
                self._publish(attempt, said)

    def _publish(self, attempt: Attempt, said: _Said) -> None:
        from queues.services.progress import report_lines, report_progress  # noqa: PLC0415 -- see queues.door

        if attempt.stop is not None:
            return
        for level, lines in groupby(said.lines, key=lambda pair: pair[0]):
            report_lines(self._b, attempt.lease, [text for _, text in lines], level)
        if said.progress is not None:
            report_progress(self._b, attempt.lease, *said.progress)


class Capture(logging.Handler):
    """Keep what a handler logs with its activity, beside where logs go anyway."""

    def emit(self, record: logging.LogRecord) -> None:
        """Add the record to the attempt that runs here, if one does."""
        context = running.get(None)
        if context is not None:
            try:
                text = record.getMessage()
            except (TypeError, ValueError):
                self.handleError(record)
                return
            if record.exc_info and record.exc_info[0] is not None:
                text += f" ({record.exc_info[0].__name__}: {record.exc_info[1]})"
            context.log(text, record.levelname.lower())


def install_capture() -> Callable[[], None]:
    """Let the root logger feed attempts; return the function that undoes it."""
    capture = Capture()
    logging.getLogger().addHandler(capture)
    return lambda: logging.getLogger().removeHandler(capture)
