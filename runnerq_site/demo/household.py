"""Everything that runs for the demo: servers and our own processes, started in order, kept up, stopped in order."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from django.core.management import call_command

from runnerq_site.demo import processes
from runnerq_site.demo.place import settle_in
from runnerq_site.embedded.errors import AlreadyRunningError, EmbeddedError
from runnerq_site.embedded.server import Server
from runnerq_site.embedded.stack import Stack

_MOST_FAILURES: Final = 3


class Household:
    """All processes of one demo; they die with this one, however it ends."""

    def __init__(self, folder: Path, cache: Path, port: int, say: Callable[[str], None]) -> None:
        self._say = say
        self.url = f"http://127.0.0.1:{port}" if port else ""
        self._stack = Stack(folder, cache=cache, report=say)
        self._processes: tuple[processes.Process, ...] = (
            processes.keeper(self._stack.folder, say),
            processes.workers(self._stack.folder, say),
            *([processes.web(self._stack.folder, say, port)] if port else []),
        )
        self._failures = 0

    @property
    def folder(self) -> Path:
        """Where data and logs are."""
        return self._stack.folder

    def start_servers(self) -> None:
        """Start Kafka, Redis and PostgreSQL, lead everyone there, and bring the database up to date.

        Raises:
            EmbeddedError: one does not start, or somebody runs servers in this folder already.
        """
        names = ", ".join(server.name for server in self._stack.servers)
        self._say(f"{names}: starting")
        began = time.monotonic()
        try:
            self._stack.start()
        except AlreadyRunningError as exc:
            raise EmbeddedError(
                f"a demo runs here already, or its servers do: {exc}.\n"
                "For a second one beside it, give it a folder of its own: RUNNERQ_FOLDER=/tmp/second …"
            ) from exc
        settle_in(self._stack.services)
        self._say(f"{names}: ready after {time.monotonic() - began:.1f} s")
        call_command("migrate", verbosity=0, interactive=False)

    def start_processes(self) -> None:
        """Start our own processes side by side; return when each is ready."""
        names = ", ".join(process.name for process in self._processes)
        self._say(f"{names}: starting")
        began = time.monotonic()
        for process in self._processes:
            process.guard = self._stack.kafka.guard
        _each(self._processes, lambda process: process.start())
        self._say(f"{names}: ready after {time.monotonic() - began:.1f} s")

    def revive(self) -> None:
        """Start again whatever ended by itself, and say so.

        Raises:
            EmbeddedError: the same failed three times in a row.
        """
        try:
            for name in self._stack.revive():
                self._say(f"{name} ended by itself and runs again")
            for process in self._processes:
                if process.died:
                    self._say(
                        f"{process.name} ended by itself and is started again (log: {process.log_path})"
                    )
                    process.start()
            self._failures = 0
        except EmbeddedError:
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise

    def stop(self) -> None:
        """Stop our own processes, then the servers; what has not started is passed over."""
        if not self._stack.running:
            return
        self._say("stopping")
        began = time.monotonic()
        _each(self._processes, lambda process: process.stop())
        self._stack.stop()
        self._say(f"stopped in {time.monotonic() - began:.1f} s; the data stays in {self.folder}")


def _each(servers: Sequence[Server], act: Callable[[Server], None]) -> None:
    with ThreadPoolExecutor(len(servers)) as pool:
        for future in [pool.submit(act, server) for server in servers]:
            future.result()
