"""Processes under measurement: started, awaited by what they print, stopped, never left behind."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from runnerq_site.bench.figures import BenchError

ROOT = Path(__file__).resolve().parents[2]
STOP_S = 40.0


class Child:
    """One process; its standard output is read line by line, its errors go to a file."""

    def __init__(
        self, title: str, command: list[str], environment: Mapping[str, str], folder: Path, nice: int = 0
    ) -> None:
        self.title = title
        self.log = folder / f"{re.sub(r'[^a-z0-9]+', '-', title.lower())}-{time.monotonic_ns()}.log"
        with self.log.open("wb") as errors:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                # Ctrl-C is for the bench, which stops its children in order.
                start_new_session=True,
            )
        if nice:
            _give_way(self.process.pid, nice)
        self._lines: list[str] = []
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, pattern: str, seconds: float) -> str:
        """Return the first line not yet taken that matches.

        Raises:
            BenchError: it ended first, or said nothing of the kind in time.
        """
        deadline = time.monotonic() + seconds
        with self._said:
            while True:
                while self._lines:
                    line = self._lines.pop(0)
                    if re.search(pattern, line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or (not self._reader.is_alive() and not self._lines):
                    raise BenchError(self._failure(f"did not print {pattern!r} within {seconds:.0f} s"))
                self._said.wait(min(left, 0.1))

    def answer(self, seconds: float) -> Any:
        """Return the next JSON line."""
        return json.loads(self.wait_for(r"^\{", seconds))

    def tree(self) -> list[psutil.Process]:
        """Return the process and all below it, oldest first."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]

    def stop(self) -> None:
        """End it as its own stop signal would; kill what does not end."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.kill()
        # Whatever it left in its session would go on taking part in the next measurement.
        _kill_session(self.process.pid)
        self._reader.join(5)

    def kill(self) -> None:
        """End it and all below it at once."""
        for each in reversed(self.tree()):
            each.kill()
        self.process.wait(STOP_S)

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._said:
                self._lines.append(line.rstrip("\n"))
                self._said.notify_all()

    def _failure(self, what: str) -> str:
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
        code = self.process.poll()
        how = what if code is None else f"ended with {code}"
        return f"{self.title} {how}; the end of what it wrote:\n{tail}"


def _kill_session(session: int) -> None:
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                os.kill(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def _give_way(pid: int, nice: int) -> None:
    """Let a process and its session give way: where Linux groups by session, nice counts only within.

    A processor that runs nothing but tasks of the idle class takes others as a free one does; one that runs nice ones
    is left alone, however many wait elsewhere.
    """
    os.setpriority(os.PRIO_PROCESS, pid, nice)
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def python(*arguments: str) -> list[str]:
    """Return the command line of a Python program."""
    return [sys.executable, *arguments]


def manage(*arguments: str) -> list[str]:
    """Return the command line of one of our commands."""
    return python(str(ROOT / "manage.py"), *arguments)


@contextmanager
def running(child: Child, ready: str = "", seconds: float = 180.0) -> Iterator[Child]:
    """Give the child once it has printed ``ready``; stop it in the end."""
    try:
        if ready:
            child.wait_for(ready, seconds)
        yield child
    finally:
        child.stop()
