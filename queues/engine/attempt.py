"""One attempt on its way through the executor."""

import asyncio
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from queues.engine.context import Context
from queues.engine.handler import Handler

if TYPE_CHECKING:
    from queues.services.claim import Lease

type Key = tuple[str, int]
"""Queue and fence: what names an attempt."""


class Stop(StrEnum):
    """Why a running attempt was told to end."""

    TIMEOUT = "timeout"
    LOST = "lost"
    CANCELLED = "cancelled"
    DRAIN = "drain"


class Attempt:
    """A lease with what runs under it.

    ``handed``: its outcome is decided, whatever still runs. ``stop``: it was told to end.
    """

    __slots__ = (
        "args", "context", "handed", "handler", "key", "kwargs", "lease", "lost",
        "since", "started_ms", "stop", "task", "timeout_ms", "timer",
    )  # fmt: skip

    def __init__(self, lease: "Lease", handler: Handler[..., Any], context: Context) -> None:
        self.lease = lease
        self.key: Key = (lease.queue, lease.fence)
        self.handler = handler
        self.context = context
        self.args: Any = ()
        self.kwargs: dict[str, Any] = {}
        self.since = time.monotonic()
        self.started_ms = 0
        self.timeout_ms = 0
        self.task: asyncio.Task[Any] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.stop: Stop | None = None
        self.handed = False
        self.lost = False
