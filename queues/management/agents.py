"""What the keeper's commands share: one process, some roles, signals, a readiness line, exit codes."""

import argparse
import asyncio
import signal
from collections.abc import Sequence
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from queues import door
from queues.conf import get_conf
from queues.domain.errors import QueueError
from queues.engine.registry import registry
from queues.keeper.keeper import run_keeper
from queues.services.backbone import Backbone


class AgentCommand(BaseCommand):
    """Run ``roles`` until SIGTERM or Ctrl-C; a second signal ends at once."""

    roles: Sequence[str]
    epilog: ClassVar[str] = ""

    def create_parser(self, *args: Any, **kwargs: Any) -> CommandParser:
        """Keep the examples as they are written."""
        return super().create_parser(
            *args, **kwargs, epilog=self.epilog, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def handle(self, **options: Any) -> None:
        """Run, and end with a line instead of a traceback when servers refuse for good."""
        registry.discover()
        door.calm_collector()
        try:
            with asyncio.Runner(loop_factory=door.new_loop) as runner:
                runner.run(self.run(options))
        except QueueError as exc:
            raise CommandError(str(exc), returncode=2) from exc
        except ExceptionGroup as group:
            refused, others = group.split(QueueError)
            if others is not None or refused is None:
                raise
            raise CommandError("; ".join(str(exc) for exc in refused.exceptions), returncode=2) from group

    async def run(self, options: dict[str, Any]) -> None:
        """Run the agents."""
        b = await Backbone.open(get_conf())
        door.adopt(b)
        try:
            await run_keeper(b, self.roles, stop_event(), schedules=registry.schedules(), ready=self._ready)
        finally:
            door.release()
            await b.close()

    def _ready(self) -> None:
        self.say(f"{self.name}: ready, {', '.join(self.roles)}")

    @property
    def name(self) -> str:
        """The command's own name."""
        return type(self).__module__.rpartition(".")[2]

    def say(self, line: str) -> None:
        """Print a line now, also into a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


def stop_event() -> asyncio.Event:
    """Return an event that the first SIGTERM or SIGINT sets; the second one ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            raise SystemExit(130)
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, told)
    return stop
