"""One embedded server as a child process: started, stopped, killed, paused, on the same address each time."""

import contextlib
import os
import pwd
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from runnerq_site.embedded.artifacts import Report
from runnerq_site.embedded.errors import EmbeddedError
from runnerq_site.embedded.folder import Guard

_LOOK_S = 0.05
_URGENT = -10


class Server:
    """The life of one server; a subclass says what to run and when it answers."""

    name = ""
    stop_signal = signal.SIGTERM
    start_s = 120.0
    stop_s = 15.0
    urgent = False
    """Whether it goes before others where processors are scarce and the system lets us say so."""

    def __init__(self, folder: Path, report: Report) -> None:
        self.folder = folder / self.name
        self.log_path = self.folder / f"{self.name}.log"
        self.report: Report = lambda line: report(f"{self.name}: {line}")
        self.guard: Guard | None = None
        self.user: str | None = None
        self.given_up = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._turn = threading.RLock()

    # What a subclass says.

    def prepare(self) -> list[str]:
        """Make the files that the server needs; return its command line."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Return whether a client would be served now."""
        raise NotImplementedError

    # What callers use.

    @property
    def pid(self) -> int:
        """The process, or 0."""
        return self._process.pid if self._process and self.alive else 0

    @property
    def alive(self) -> bool:
        """Whether the process exists; a paused one does."""
        return self._process is not None and self._ended() is None

    @property
    def died(self) -> bool:
        """Whether it ended although nobody here stopped or killed it."""
        return self._wanted and not self.alive

    def start(self) -> None:
        """Run the server and return once it answers; nothing happens when it runs.

        Raises:
            EmbeddedError: it ended or did not answer in time; the message carries the end of its log.
        """
        with self._turn:
            if self.alive:
                return
            self.given_up.clear()
            self.folder.mkdir(parents=True, exist_ok=True)
            self._heal()
            self._spawn(self.prepare())
            self._await_answer()
            self._wanted = True

    def stop(self) -> None:
        """Ask the server to end and wait until it has; kill it when it does not."""
        with self._turn:
            self._wanted = False
            if not self._process or not self.alive:
                return
            self._signal(self.stop_signal, signal.SIGCONT)
            if not self._wait(self.stop_s):
                self.report(f"did not stop within {self.stop_s:.0f} s and is killed")
                self.kill()

    def kill(self) -> None:
        """End the server and all its children as a power cut would; its data stays."""
        with self._turn:
            self._wanted = False
            for process in self._tree():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._wait(self.stop_s)

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing answers."""
        for process in self._tree():
            process.suspend()

    def resume(self) -> None:
        """Undo ``pause``."""
        for process in self._tree():
            process.resume()

    # How.

    def _spawn(self, command: list[str]) -> None:
        identity: dict[str, Any] = {}
        if self.user:
            entry = pwd.getpwnam(self.user)
            identity = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with self.log_path.open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for us, who stop the servers in order.
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8" if os.name == "posix" else ""},
                **identity,
            )
        if self.urgent:
            _prefer(self._process.pid)
        if self.guard:
            self.guard.watch(self._process.pid, self.stop_signal)
        birth = psutil.Process(self._process.pid).create_time()
        (self.folder / "pid").write_text(f"{self._process.pid} {birth}", encoding="utf-8")

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self.start_s
        while not self.answers():
            if self.given_up.is_set():
                self.kill()
                raise EmbeddedError(f"{self.name} is not waited for any more")
            ended = self._ended()
            if ended is not None or time.monotonic() > deadline:
                how = f"ended with {ended}" if ended is not None else f"is silent for {self.start_s:.0f} s"
                self.kill()
                raise EmbeddedError(f"{self.name} {how}; the end of {self.log_path}:\n{self._log_tail()}")
            time.sleep(_LOOK_S)

    def _ended(self) -> int | None:
        assert self._process
        # macOS has no waitid before Python 3.13.
        if self._process.returncode is None and self.guard and hasattr(os, "waitid"):
            # Its number is ours until the end is collected, so the guard hears of it first.
            with contextlib.suppress(ChildProcessError):
                if os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    self.guard.forget(self._process.pid)
        return self._process.poll()

    def _wait(self, seconds: float) -> bool:
        return _until(lambda: not self.alive, seconds)

    def _signal(self, *signals: signal.Signals) -> None:
        assert self._process
        for each in signals:
            self._process.send_signal(each)

    def _tree(self) -> list[psutil.Process]:
        if not self.pid:
            return []
        try:
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _heal(self) -> None:
        """End what an earlier run left behind when both it and its guard were killed."""
        try:
            pid, birth = (self.folder / "pid").read_text(encoding="utf-8").split()
            process = psutil.Process(int(pid))
            is_ours = process.create_time() == float(birth)
            orphans = [process, *process.children(recursive=True)] if is_ours else []
        except (OSError, ValueError, psutil.NoSuchProcess):
            return
        for orphan in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        psutil.wait_procs(orphans, timeout=self.stop_s)

    def _log_tail(self, lines: int = 20) -> str:
        try:
            text = self.log_path.read_text(encoding="utf-8", errors="replace")
            return "\n".join(text.splitlines()[-lines:])
        except OSError:
            return "(no log)"


def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def _prefer(pid: int) -> None:
    # Where Linux groups by session, the session's own niceness counts, and only root may lower either.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _URGENT)
        Path(f"/proc/{pid}/autogroup").write_text(str(_URGENT))
