"""One folder, one set of servers: the lock on it, and the guard that cleans it up."""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

import psutil

from runnerq_site.embedded import guard as guard_program
from runnerq_site.embedded.errors import AlreadyRunningError

_HANDOVER_S = 30.0


class Lock:
    """Hold the folder until both this process and its guard are gone; a crash frees it by itself."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: IO[str] | None = None

    def take(self) -> int:
        """Return the locked file's descriptor, having waited for the guard of a dead predecessor.

        Raises:
            AlreadyRunningError: a living process holds the folder.
        """
        file = self._path.open("a+", encoding="utf-8")
        deadline = time.monotonic() + _HANDOVER_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = self._holder()
                if psutil.pid_exists(holder) or time.monotonic() > deadline:
                    file.close()
                    raise AlreadyRunningError(
                        f"embedded servers already run in {self._path.parent} (process {holder}): "
                        "use those, or stop that process first"
                    ) from None
            time.sleep(0.1)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file
        return file.fileno()

    def _holder(self) -> int:
        try:
            return int(self._path.read_text(encoding="utf-8") or "0")
        except (OSError, ValueError):
            return 0

    def release(self) -> None:
        """Let go of this process's share of the lock."""
        if self._file:
            self._file.close()
            self._file = None


class Guard:
    """The parent's end of the guard process (guard.py)."""

    def __init__(self, lock: int, remove: list[Path]) -> None:
        program = [sys.executable, "-I", "-S", guard_program.__file__, str(os.getpid()), *map(str, remove)]
        self._process = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[lock], start_new_session=True
        )
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdout.readline()
        self._process.stdout.close()
        self._pipe = self._process.stdin
        os.register_at_fork(after_in_child=self._close_quietly)

    def watch(self, pid: int, stop_signal: signal.Signals) -> None:
        """Have this server stopped when the present process dies."""
        self._send(f"+ {pid} {int(stop_signal)}\n")

    def forget(self, pid: int) -> None:
        """Leave this one alone: say so before its end is collected and its number may come again."""
        self._send(f"- {pid}\n")

    def dismiss(self) -> None:
        """Let the guard clean up now and wait for its end."""
        self._close_quietly()
        self._process.wait(timeout=_HANDOVER_S)

    def _send(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError, ValueError):
            os.write(self._pipe.fileno(), line.encode())

    def _close_quietly(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.close()
