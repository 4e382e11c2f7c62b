"""The activities that are measured."""

import asyncio
import mmap
import struct
import time
from pathlib import Path

from queues import activity


@activity
async def noop() -> None:
    """Do nothing."""


@activity
async def paced(per_s: float) -> None:
    """Do nothing, so that this process ends ``per_s`` of them a second at the most."""
    _pace.due = max(_pace.due + 1 / per_s, time.monotonic() - _SLACK_S)
    await asyncio.sleep(max(_pace.due - time.monotonic(), 0))


@activity
async def stamp(number: int, path: str) -> None:
    """Write down when this line was reached."""
    now = time.monotonic_ns()
    _stamps(path)[number * 8 : number * 8 + 8] = struct.pack("q", now)


class _Pace:
    """When the next one may end."""

    due = 0.0


_SLACK_S = 0.02
_pace = _Pace()
_open: dict[str, mmap.mmap] = {}


def _stamps(path: str) -> mmap.mmap:
    if path not in _open:
        with Path(path).open("r+b") as file:
            _open[path] = mmap.mmap(file.fileno(), 0)
    return _open[path]
