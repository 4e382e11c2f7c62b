"""``manage.py services``: embedded servers in the foreground."""

import os
import re
import select
import signal
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from runnerq_site.embedded.errors import EmbeddedError
from runnerq_site.embedded.stack import Stack

_LOOK_S = 1.0


class Command(BaseCommand):
    """Run Kafka, Redis and PostgreSQL until told to stop."""

    help = (
        "Run Kafka, Redis and PostgreSQL for development in the foreground, their data in .runnerq/. "
        "Commands in other terminals find them. Example: manage.py services"
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 -- Django declares it so

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--folder", type=Path, default=settings.RUNNERQ_FOLDER, help="where data is kept")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, say where, wait, stop."""
        stop = _Stop()
        stack = Stack(options["folder"], cache=settings.RUNNERQ_CACHE, report=self._say)
        began = time.monotonic()
        try:
            stack.start()
            stop.wait_instead_of_raising()
            self._introduce(stack, time.monotonic() - began)
            while not stop.wait(_LOOK_S):
                for name in stack.revive():
                    self._say(f"{name}: had ended by itself and runs again")
        except KeyboardInterrupt:
            self._say("stopped before the servers were ready")
            sys.exit(130)
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        finally:
            if stack.running:
                self._say("stopping")
                stack.stop()

    def _introduce(self, stack: Stack, seconds: float) -> None:
        for name, value in stack.services.environment().items():
            self._say(f"{name}={_without_password(value)}")
        self._say(f"ready in {seconds:.1f} s; Ctrl-C stops the servers and keeps their data")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


class _Stop:
    """SIGINT, SIGTERM and SIGHUP: the first one stops, also in mid-start; a second one does not wait."""

    def __init__(self) -> None:
        # A lock would never be free for a handler that interrupts the very thread which holds it.
        self._hear, self._tell = os.pipe()
        self._told = False
        self._raises = True
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, self._heard)

    def wait_instead_of_raising(self) -> None:
        """Only end ``wait`` from now on."""
        self._raises = False

    def wait(self, timeout_s: float) -> bool:
        """Return True as soon as a signal has come, False after ``timeout_s``."""
        select.select([self._hear], [], [], timeout_s)
        return self._told

    def _heard(self, number: int, frame: object) -> None:
        if self._told:
            # The guard stops the servers when this process is gone.
            os._exit(128 + number)
        self._told = True
        os.write(self._tell, b"!")
        if self._raises:
            raise KeyboardInterrupt


def _without_password(address: str) -> str:
    """Keep the password out of terminals that are shared or recorded; services.json has it."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", address)
