"""The demo's own processes: web, keeper and workers, kept running as the embedded servers are."""

import sys
from pathlib import Path
from typing import Final

from django.conf import settings

from runnerq_site.embedded.artifacts import Report
from runnerq_site.embedded.server import Server

WORKER_PROCESSES: Final = 2
SLOTS: Final = 8
GRACE_S: Final = 3


class Process(Server):
    """A ``manage.py`` command; it is up when it has printed its readiness line."""

    stop_s = 12.0

    def __init__(self, name: str, folder: Path, report: Report, *arguments: str) -> None:
        self.name = name
        super().__init__(folder, report)
        self._arguments = arguments
        self._read_from = 0

    def prepare(self) -> list[str]:
        """Return the command line; what earlier runs printed does not count as ready."""
        self._read_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        return [sys.executable, str(settings.BASE_DIR / "manage.py"), *self._arguments]

    def answers(self) -> bool:
        """Return whether it said that it is ready."""
        with self.log_path.open("rb") as log:
            log.seek(self._read_from)
            return f"{self._arguments[0]}: ready".encode() in log.read()


def keeper(folder: Path, report: Report) -> Process:
    """Return the keeper: both views, the clock, the leases."""
    return Process("keeper", folder, report, "runkeeper")


def workers(folder: Path, report: Report) -> Process:
    """Return the workers, two processes and their supervisor."""
    sizes = ["--processes", str(WORKER_PROCESSES), "--concurrency", str(SLOTS), "--grace", str(GRACE_S)]
    return Process("workers", folder, report, "runworkers", *sizes)


def web(folder: Path, report: Report, port: int) -> Process:
    """Return the web server."""
    return Process("web", folder, report, "serve", "--port", str(port))
