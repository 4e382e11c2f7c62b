"""``manage.py bench``: measure this machine, alone or beside other task queues."""

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from queues import door
from queues.domain.errors import QueueError
from queues.services.backbone import Backbone
from runnerq_site.bench.children import Child, manage
from runnerq_site.bench.figures import BenchError, Figure
from runnerq_site.bench.place import Place, opened
from runnerq_site.bench.results import write
from runnerq_site.bench.rig import busy, rig
from runnerq_site.bench.scenario import Bench, Scenario
from runnerq_site.bench.scenarios import QUICK, SCENARIOS
from runnerq_site.bench.systems import PEERS, require_installed
from runnerq_site.embedded.errors import EmbeddedError

EPILOG = f"""\
scenarios:
{"".join(f"  {each.name:<14}{each.text}{chr(10)}" for each in SCENARIOS.values())}
examples:
  manage.py bench                                       the quick ones with small counts, about a minute
  manage.py bench --scenario run --count 50000 --runs 3
  manage.py bench --full --write bench/RESULTS.md       every figure at full size, about an hour
  uv run --group bench manage.py bench --peers celery,dramatiq --json

Uses the servers that settings name, under names of its own that it removes again; else starts its own in a
temporary folder. A run counts only if the log shows every activity settled exactly once; others are VOID.
Numbers depend on what else the machine does: compare only what one invocation measured side by side.
Exit codes: 0 measured, 1 a run was void, 2 wrong use, something missing, or a process that failed.
"""


class Command(BaseCommand):
    help = "Measure enqueueing, running, indexing, pages and memory; with --peers, beside other task queues."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- Django declares it so

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            *args, **kwargs, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--scenario", type=_scenarios, default=(), metavar="A,B", help=f"which ones ({', '.join(QUICK)})"
        )
        parser.add_argument(
            "--count",
            type=_positive,
            default=0,
            metavar="N",
            help="activities of a run (each scenario's own)",
        )
        parser.add_argument(
            "--runs", type=_positive, default=0, metavar="N", help="runs after a warm-up (3, with --full 5)"
        )
        parser.add_argument(
            "--peers", type=_peers, default=(), metavar="A,B", help=f"compare with some of {', '.join(PEERS)}"
        )
        parser.add_argument("--full", action="store_true", help="every scenario, at the size of the targets")
        parser.add_argument(
            "--json", action="store_true", help="end with one line of JSON: medians by system"
        )
        parser.add_argument(
            "--write", type=Path, metavar="FILE", help="keep the tables in this Markdown file"
        )

    def handle(self, **options: Any) -> None:
        # Told to stop, it stops its children too, as on Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        if options["peers"]:
            _refuse(require_installed(options["peers"]))
        before = busy()
        self._say(before)
        try:
            with opened(self._say) as place:
                figures = self._measure(place, options | {"before": before})
        except (BenchError, EmbeddedError, QueueError) as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except KeyboardInterrupt:
            raise CommandError("stopped before the end; nothing is left behind", returncode=130) from None
        if options["json"]:
            self._say(json.dumps(_by_system(figures)))
        if any(figure.void for figure in figures):
            raise CommandError("some runs were void: they count for nothing", returncode=1)

    def _measure(self, place: Place, options: dict[str, Any]) -> list[Figure]:
        migration = Child("migrate", manage("migrate", "--verbosity", "0"), place.environment, place.folder)
        if migration.process.wait():
            raise BenchError(f"migrate failed:\n{migration.log.read_text(errors='replace')[-2000:]}")
        with asyncio.Runner(loop_factory=door.new_loop) as runner:
            return runner.run(self._run(place, options))

    async def _run(self, place: Place, options: dict[str, Any]) -> list[Figure]:
        found: list[Figure] = []
        for scenario in _chosen(options):
            b = await Backbone.open(place.conf)
            bench = Bench(
                place, b, f"bench-{scenario.name}", self._say, runs=options["runs"] or (5 if options["full"] else 3),
                count=options["count"], full=options["full"], before=options["before"], peers=options["peers"],
            )  # fmt: skip
            try:
                figures = await scenario.measure(bench)
                for figure in figures:
                    self._say(f"{scenario.name}: {figure.line}")
                if options["write"]:
                    about = await rig(place, b)
                    write(options["write"], about, scenario.name, figures, bench, sys.argv[2:])
            finally:
                await b.close()
            found += figures
        return found

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _chosen(options: dict[str, Any]) -> list[Scenario]:
    names = options["scenario"] or (tuple(SCENARIOS) if options["full"] else QUICK)
    if options["peers"]:
        names = options["scenario"] or ("peers",)
    return [SCENARIOS[name] for name in names]


def _by_system(figures: list[Figure]) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {"runnerq": {}}
    for figure in figures:
        system, _, key = figure.key.rpartition(".")
        median = figure.median
        found.setdefault(system or "runnerq", {})[key] = None if median is None else round(median, 3)
    return found


def _refuse(problem: str) -> None:
    if problem:
        raise CommandError(problem, returncode=2)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _scenarios(text: str) -> tuple[str, ...]:
    return _among(text, SCENARIOS)


def _peers(text: str) -> tuple[str, ...]:
    return _among(text, PEERS)


def _among(text: str, known: Any) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'none'}: choose among {', '.join(known)}")
    return names
