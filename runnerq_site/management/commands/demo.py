"""``manage.py demo``: everything on this machine, at work on real files."""

import argparse
import asyncio
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from queues import door
from runnerq_site.demo.account import open_account
from runnerq_site.demo.files import find_files, installed_packages
from runnerq_site.demo.household import Household
from runnerq_site.demo.ledger import Ledger
from runnerq_site.demo.screen import Screen
from runnerq_site.demo.show import Plan, Show
from runnerq_site.embedded.errors import EmbeddedError
from runnerq_site.embedded.ports import is_free

PORTS = range(8000, 8050)
MOST_SURPRISES = 10
EPILOG = """\
Starts Kafka, Redis and PostgreSQL, a keeper, two worker processes and the web server on this machine, and feeds
them: one activity for each text file, a report for each group of files, and a few that are hard on purpose (files
that are no text, a slow one, one whose process is killed). Nothing but Python is needed; the first start downloads
about 60 MB. Data and logs are kept in .runnerq/, which may be deleted when nothing runs.

examples:
  manage.py demo                              the text files among the installed Python packages, 50 a second
  manage.py demo --files ~/notes --rate 5     your own files; they are read, never changed
  manage.py demo --once                       each file once, as fast as it goes, then a summary
  manage.py demo --once --limit 1000

Exit codes: 0 stopped by Ctrl-C or SIGTERM, or (--once) all ended as expected; 1 something did not; 2 cannot start.
"""


class Command(BaseCommand):
    """Show it all at work."""

    help = "Run everything on this machine, at work on real files, with a console to watch it."
    # Their warning that no servers run would be the first thing a newcomer reads.
    requires_system_checks: list[str] = []  # noqa: RUF012 -- Django declares it so

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            *args, **kwargs, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--files", type=Path, metavar="DIR", help="read these (the installed packages)")
        parser.add_argument("--rate", type=_positive, default=50, metavar="N", help="files a second (50)")
        parser.add_argument("--limit", type=_positive, default=0, metavar="N", help="at most so many files")
        parser.add_argument("--port", type=_positive, default=0, metavar="P", help="of the console (8000)")
        parser.add_argument("--once", action="store_true", help="each file once, then a summary; no console")
        parser.add_argument("--no-web", action="store_true", help="without the console")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("the demo is for trying things out: unset DEBUG, or set it to 1", returncode=2)
        screen = Screen()
        plan = _plan(options)
        web = not (options["once"] or options["no_web"])
        household = Household(
            settings.RUNNERQ_FOLDER, settings.RUNNERQ_CACHE, _port(options["port"]) if web else 0, screen.say
        )
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGHUP, _interrupt)
        try:
            code = self._run(plan, household, screen, once=options["once"])
        except EmbeddedError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except KeyboardInterrupt:
            code = 0
        finally:
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(each, signal.SIG_IGN)
            screen.status("")
            household.stop()
        if code:
            raise SystemExit(code)

    def _run(self, plan: Plan, household: Household, screen: Screen, *, once: bool) -> int:
        screen.say(f"files: {len(plan.files):,} under {plan.root}")
        screen.say(f"data and logs: {household.folder}")
        household.start_servers()
        household.start_processes()
        show = Show(plan, household, screen)
        with asyncio.Runner(loop_factory=door.new_loop) as runner:
            loop = runner.get_loop()
            for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(each, show.stop.set)
            if once:
                began = time.monotonic()
                ledger = runner.run(show.once())
                if show.stop.is_set():
                    screen.say(
                        f"stopped before the end: {ledger.open:,} of {ledger.entered:,} have not ended"
                    )
                    return 1
                return _sum_up(ledger, time.monotonic() - began, screen)
            _introduce(plan, household, screen)
            runner.run(show.loop())
        return 0


def _plan(options: dict[str, Any]) -> Plan:
    root = (options["files"] or installed_packages()).expanduser().resolve()
    if not root.is_dir():
        raise CommandError(f"--files {root}: no such folder", returncode=2)
    files = find_files(root)
    if not files:
        raise CommandError(
            f"--files {root}: no file in it to read (1 byte to 1 MB, not hidden)", returncode=2
        )
    return Plan(root, files, options["rate"], options["limit"])


def _port(wanted: int) -> int:
    if wanted and not is_free(wanted):
        raise CommandError(f"port {wanted} is taken: choose another with --port", returncode=2)
    found = wanted or next((port for port in PORTS if is_free(port)), 0)
    if not found:
        raise CommandError(
            f"ports {PORTS[0]} to {PORTS[-1]} are all taken: choose one with --port", returncode=2
        )
    return found


def _introduce(plan: Plan, household: Household, screen: Screen) -> None:
    screen.say(f"feeding {plan.rate} files a second, round after round, until Ctrl-C")
    if household.url:
        account = open_account(household.folder)
        screen.say()
        screen.say(f"  Open  {household.url}{account.link}")
        screen.say("        signs you in; works once, within ten minutes. Later:")
        screen.say(f"        {household.url}/  user {account.name}, password {account.password}")
        screen.say()


def _sum_up(ledger: Ledger, seconds: float, screen: Screen) -> int:
    screen.say()
    for line in ledger.table():
        screen.say(line)
    screen.say()
    surprises = ledger.surprises()
    for line in surprises[:MOST_SURPRISES]:
        screen.say(f"unexpected: {line}")
    if len(surprises) > MOST_SURPRISES:
        screen.say(f"unexpected: {len(surprises) - MOST_SURPRISES:,} more")
    verdict = "not everything ended as expected" if surprises else "every activity ended once, as expected"
    screen.say(f"{ledger.entered:,} activities in {seconds:.1f} s: {verdict}")
    return 1 if surprises else 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number, at least 1")
    return int(text)
