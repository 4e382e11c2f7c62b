"""``manage.py serve``: console, admin, APIs and websockets on one port, by granian."""

import argparse
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from runnerq_site.webserver import Address, WebServer

EPILOG = """\
examples:
  manage.py serve                                     on http://127.0.0.1:8000, for this machine only
  manage.py serve --host 0.0.0.0 --port 80 --workers 2

With DEBUG=0 run `manage.py collectstatic` once per release first. SIGTERM or Ctrl-C: answers what it has begun,
at most five seconds, then exits 0; SIGHUP replaces its processes one by one. Exit code 2: wrong use, port taken.
"""


class Command(BaseCommand):
    """Serve the site until told to stop."""

    help = "Serve the console, Django admin and websockets on one port."

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            *args, **kwargs, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
        parser.add_argument("--port", type=_port, default=8000, metavar="N", help="where to listen (8000)")
        parser.add_argument("--workers", type=_positive, default=1, metavar="N", help="processes (1)")
        parser.add_argument("--access-log", action="store_true", help="log a line for each request")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            address = Address.of(options["host"], options["port"])
        except OSError as exc:
            raise CommandError(
                f"cannot listen on {options['host']}:{options['port']}: {exc.strerror or exc}", returncode=2
            ) from exc
        self._require_static()
        server = WebServer(
            address, workers=options["workers"], access_log=options["access_log"], ready=self._ready
        )
        server.run()
        self._say("serve: stopped")

    def _require_static(self) -> None:
        if settings.DEBUG or Path(settings.STATIC_ROOT, "staticfiles.json").exists():
            return
        raise CommandError(
            f"no static files in {settings.STATIC_ROOT}: run `manage.py collectstatic --noinput` first",
            returncode=2,
        )

    def _ready(self, address: Address) -> None:
        self._say(f"serve: ready, {address.url}")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to 65535")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, at least 1")
    return int(text)
