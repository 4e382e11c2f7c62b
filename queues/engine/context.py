"""What a running handler knows of its attempt, and what it may say while it runs."""

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, Protocol, cast

from queues.engine.control import Cancelled
from queues.engine.spans import as_datetime, now_ms


class Listener(Protocol):
    """Where progress and log lines of an attempt go; called from any thread."""

    def progress(self, context: "Context", fraction: float, message: str) -> None:
        """Take the newest progress; it replaces what was not passed on yet."""

    def line(self, context: "Context", level: str, text: str) -> None:
        """Take one log line."""


class Context:
    """One attempt as its handler sees it, by way of ``queues.current``.

    ``fence`` grows from attempt to attempt: write it beside what the handler changes in its tables, refuse
    a smaller one, and an attempt that lost its lease can overwrite nothing.
    """

    __slots__ = (
        "_cancelled", "_listener", "attempt", "deadline_ms", "fence", "id", "lines_left",
        "max_attempts", "meta", "parent", "queue", "root", "tags", "type",
    )  # fmt: skip

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 -- the handler's word for it
        queue: str,
        type: str,  # noqa: A002
        attempt: int,
        max_attempts: int | None,
        fence: int,
        meta: Mapping[str, str],
        tags: tuple[str, ...],
        parent: str,
        root: str,
        deadline_ms: int,
        listener: Listener | None,
    ) -> None:
        self.id = id
        self.queue = queue
        self.type = type
        self.attempt = attempt
        self.max_attempts = max_attempts
        self.fence = fence
        self.meta = meta
        self.tags = tags
        self.parent = parent
        self.root = root
        self.deadline_ms = deadline_ms
        self.lines_left = MAX_LINES
        self._listener = listener
        self._cancelled: threading.Event | None = None

    @property
    def deadline(self) -> datetime:
        """When this attempt times out."""
        return as_datetime(self.deadline_ms)

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline, 0 when it is past."""
        return max(self.deadline_ms - now_ms(), 0) / 1000

    @property
    def cancelled(self) -> bool:
        """Whether this attempt no longer counts; a plain handler looks here in its loops."""
        return self._cancelled is not None and self._cancelled.is_set()

    def raise_if_cancelled(self) -> None:
        """Leave the handler when the attempt no longer counts.

        Raises:
            Cancelled: it does not.
        """
        if self.cancelled:
            raise Cancelled(f"attempt {self.attempt} of activity {self.id} no longer counts")

    def wait_cancelled(self, timeout_s: float) -> bool:
        """Sleep in a plain handler, but return True at once when the attempt no longer counts."""
        return self._event().wait(timeout_s)

    def progress(self, fraction: float, message: str = "") -> None:
        """Tell how much is done, 0 to 1; the newest word wins, at most a few a second are passed on."""
        if self._listener is not None:
            self._listener.progress(self, min(max(float(fraction), 0.0), 1.0), str(message)[:MAX_LINE_CHARS])

    def log(self, line: str, level: str = "info") -> None:
        """Keep a line with the activity; ``logging`` calls made in the handler are kept too."""
        if self._listener is None or self.lines_left <= 0:
            return
        self.lines_left -= 1
        last = self.lines_left == 0
        text = "further lines of this attempt are not kept" if last else str(line)[:MAX_LINE_CHARS]
        self._listener.line(self, level, text)

    def cancel(self) -> None:
        """Let ``cancelled`` be true from now on; the engine calls this."""
        self._event().set()

    def _event(self) -> threading.Event:
        # Two threads that race here must end up with one event.
        with _event_lock:
            if self._cancelled is None:
                self._cancelled = threading.Event()
            return self._cancelled


MAX_LINES: Final = 1_000
MAX_LINE_CHARS: Final = 2_000
_event_lock: Final = threading.Lock()
running: Final[ContextVar[Context]] = ContextVar("queues.current")


class _Current:
    """Stand for the context of the attempt that runs here, whichever it is."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        context = running.get(None)
        if context is None:
            raise RuntimeError(f"queues.current.{name}: no activity runs here (only its handler may ask)")
        return getattr(context, name)

    def __bool__(self) -> bool:
        return running.get(None) is not None

    def __repr__(self) -> str:
        context = running.get(None)
        return f"<current activity {context.id}>" if context else "<no current activity>"


current: Final[Context] = cast(Context, _Current())
