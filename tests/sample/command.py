"""``manage.py runworkers`` as a process, with the sample app installed and names of the test's own."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from queues.conf import Conf

ROOT = Path(__file__).parent.parent.parent


class RunWorkers:
    """The running command; its lines are read in a thread, so that it never waits for the test."""

    def __init__(
        self, *arguments: str, settings: str = "tests.sample.settings", env: dict[str, str] | None = None
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "manage.py", "runworkers", *arguments],
            env=os.environ | {"DJANGO_SETTINGS_MODULE": settings} | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._fresh: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self.process.stdout as output:
            for line in output:
                self._fresh.put(line.rstrip("\n"))
        self._fresh.put(None)

    def line(self, beginning: str, seconds: float = 40.0) -> str:
        """Return the next line that begins so."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._fresh.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line begins with {beginning!r}:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if line.startswith(beginning):
                return line

    def workers(self) -> list[psutil.Process]:
        """Return its worker processes."""
        children = psutil.Process(self.process.pid).children()
        return [p for p in children if any("queues.engine.process" in part for part in _command(p))]

    def end(self, seconds: float = 40.0) -> int:
        """Ask it to stop; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def text(self) -> str:
        """Return everything it has printed, once it has ended."""
        self.process.wait(40)
        while (line := self._fresh.get(timeout=10)) is not None:
            self.lines.append(line)
        return "\n".join(self.lines)


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def environment(conf: Conf) -> dict[str, str]:
    """Return the variables that give a process these names and leases."""
    return {
        "RUNNERQ_TOPIC_PREFIX": conf.topic_prefix,
        "RUNNERQ_REDIS_PREFIX": conf.redis_prefix,
        "RUNNERQ_LEASE_S": str(conf.lease_s),
        "RUNNERQ_HEARTBEAT_S": str(conf.heartbeat_s),
    }


@contextlib.contextmanager
def run_workers(conf: Conf, *arguments: str) -> Iterator[RunWorkers]:
    """Run the command; it and all that it started is gone afterwards."""
    command = RunWorkers(*arguments, env=environment(conf))
    try:
        yield command
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [psutil.Process(command.process.pid)]
            family += family[0].children(recursive=True)
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        command.process.wait(20)
