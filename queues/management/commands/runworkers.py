"""Run activities: claim, run, renew, settle, in worker processes that this one keeps running."""

import argparse
import asyncio
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from queues.conf import get_conf
from queues.domain.errors import QueueError, Unavailable
from queues.domain.names import valid_queue
from queues.door import new_loop
from queues.engine.registry import MODULE, registry
from queues.engine.supervisor import Crew, supervise
from queues.services.backbone import Backbone

EPILOG = f"""\
Handlers are functions marked @activity in the {MODULE}.py of installed apps:

  from queues import activity

  @activity(queue="mail", timeout=30)
  async def send_welcome(user_id: int) -> None: ...

examples:
  manage.py runworkers                                   every queue that a handler names
  manage.py runworkers --processes 4 --queues mail,default
  manage.py runworkers --types report.build --concurrency 2 --http :9100

SIGTERM or Ctrl-C: takes nothing more, finishes what runs within --grace seconds, gives back the rest without
counting the attempt, exits 0; a second one ends at once. Exit codes: 0 stopped, 2 wrong use, servers missing.
"""


class Command(BaseCommand):
    help = "Run activities in worker processes until told to stop."

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            *args, **kwargs, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--processes", type=_positive, default=1, metavar="N", help="worker processes (1)"
        )
        parser.add_argument(
            "--concurrency", type=_positive, default=16, metavar="M", help="slots of each process (16)"
        )
        parser.add_argument("--queues", type=_listed, default=(), metavar="A,B", help="only these queues")
        parser.add_argument(
            "--types", type=_listed, default=(), metavar="X,Y", help="only these activity types"
        )
        parser.add_argument(
            "--grace", type=_seconds, default=30.0, metavar="S", help="seconds to finish on a stop (30)"
        )
        parser.add_argument("--name", default="", help="first part of the workers' ids (this host's name)")
        parser.add_argument(
            "--reload", action="store_true", help="restart when a .py file changes (DEBUG only)"
        )
        parser.add_argument(
            "--http",
            type=_address,
            metavar="[HOST]:PORT",
            help="serve /metrics and /healthz there (HOST: 127.0.0.1)",
        )

    def handle(self, **options: Any) -> None:
        registry.discover()
        crew = _crew(options)
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                runner.run(self._run(crew))
        except QueueError as exc:
            raise CommandError(str(exc), returncode=2) from exc

    async def _run(self, crew: Crew) -> None:
        b = await Backbone.open(get_conf())
        try:
            await _require_servers(b)
            await supervise(b, crew, self._say)
        except OSError as exc:
            raise CommandError(f"cannot listen on {crew.http}: {exc}", returncode=2) from exc
        finally:
            await b.close()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _crew(options: dict[str, Any]) -> Crew:
    """Return what was asked for; raises CommandError when there is nothing to run."""
    if not len(registry):
        raise CommandError(
            f"no activities found: put functions marked @activity in the {MODULE}.py of an installed app",
            returncode=2,
        )
    if options["reload"] and not settings.DEBUG:
        raise CommandError("--reload is for development: it needs DEBUG", returncode=2)
    try:
        types = options["types"] or tuple(sorted(handler.type for handler in registry))
        handlers = [registry.get(name) for name in types]
        queues = options["queues"] or tuple(sorted({handler.queue for handler in handlers}))
        for queue in queues:
            valid_queue(queue)
    except QueueError as exc:
        raise CommandError(str(exc), returncode=2) from exc
    return Crew(
        processes=options["processes"],
        slots=options["concurrency"],
        queues=queues,
        types=types,
        grace_s=options["grace"],
        name=options["name"],
        reload=options["reload"],
        http=options["http"],
    )


async def _require_servers(b: Backbone) -> None:
    """Pass when Kafka and Redis answer."""
    try:
        await b.admin.cluster()
        await b.hot.client.command("PING")
    except Unavailable as exc:
        hint = ": start servers with `manage.py services`, or set KAFKA_BROKERS and REDIS_URL"
        raise CommandError(f"{exc}{hint}", returncode=2) from exc


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError("must not be negative")
    return number


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdigit():
        raise argparse.ArgumentTypeError("give a port, as in :9100 or 127.0.0.1:9100")
    return host.strip("[]") or "127.0.0.1", int(port)
