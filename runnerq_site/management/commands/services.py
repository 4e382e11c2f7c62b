"""``manage.py services``: embedded servers in the foreground."""

import re
import signal
import threading
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
        told_to_stop = threading.Event()
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, lambda *_: told_to_stop.set())
        stack = Stack(options["folder"], cache=settings.RUNNERQ_CACHE, report=self._say)
        began = time.monotonic()
        try:
            stack.start()
            self._introduce(stack, time.monotonic() - began)
            while not told_to_stop.wait(_LOOK_S):
                for name in stack.revive():
                    self._say(f"{name}: had ended by itself and runs again")
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


def _without_password(address: str) -> str:
    """Keep the password out of terminals that are shared or recorded; services.json has it."""
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", address)
