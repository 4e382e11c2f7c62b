"""What a peer's no-op leaves behind: how many ran in this process, and when the first and the last did.

The first call of a process waits for the gate, so that no process begins while another is still starting.
"""

import mmap
import os
import struct
import threading
import time
from pathlib import Path

FORM = struct.Struct("qqq")
GATE = "go"
_LOOK_S = 0.001

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "")


class Mark:
    """The file of one process, mapped: count, first and last instant (monotonic ns)."""

    def __init__(self, folder: Path) -> None:
        path = folder / str(os.getpid())
        path.write_bytes(bytes(FORM.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), FORM.size)
        while not (folder / GATE).exists():
            time.sleep(_LOOK_S)
        self._count = 0
        self._first = time.monotonic_ns()

    def one_more(self) -> None:
        """Count a call."""
        self._count += 1
        FORM.pack_into(self._map, 0, self._count, self._first, time.monotonic_ns())


class _Own:
    """The mark of this process; made by the first call, so after any fork."""

    mark: Mark | None = None
    lock = threading.Lock()


def tick() -> None:
    """Note that a no-op ran."""
    with _Own.lock:
        if _Own.mark is None:
            _Own.mark = Mark(Path(os.environ["BENCH_MARKS"]))
        _Own.mark.one_more()


def read(folder: Path) -> list[tuple[int, int, int]]:
    """Return count, first and last of every process that has begun."""
    paths = [path for path in folder.iterdir() if path.name.isdigit()]
    return [FORM.unpack(data) for path in paths if len(data := path.read_bytes()) == FORM.size]
