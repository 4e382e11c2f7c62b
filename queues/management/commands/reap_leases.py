"""``manage.py reap_leases``: give back what dead workers held."""

import asyncio
import time
from typing import Any

from django.core.management.base import CommandParser

from queues.conf import get_conf
from queues.keeper.directory import Directory
from queues.keeper.loop import run_loops
from queues.keeper.reaper import Reaper
from queues.management.agents import AgentCommand, stop_event
from queues.services.backbone import Backbone


class Command(AgentCommand):
    """Give expired leases back: to be run again, or to the dead letters when their attempts are spent."""

    help = "Give expired leases back: to be run again, or to the dead letters when their attempts are spent."
    roles = ("reaper",)
    epilog = """\
examples:
  manage.py reap_leases             one pass, waiting at most 10 s for the loader; prints what it did
  manage.py reap_leases --loop      for ever, until SIGTERM or Ctrl-C; runkeeper holds one already
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--loop", action="store_true", help="go on until told to stop")
        parser.add_argument(
            "--wait", type=float, default=10.0, metavar="S", help="seconds to wait for the loader (10)"
        )

    async def run(self, options: dict[str, Any]) -> None:
        """Do one pass, or many."""
        b = await Backbone.open(get_conf())
        directory = Directory(b)
        reaper = Reaper(b, directory)
        try:
            if options["loop"]:
                self._ready()
                await run_loops([reaper], stop_event())
            else:
                await self._one_pass(b, directory, reaper, options["wait"])
        finally:
            await directory.close()
            await b.close()

    async def _one_pass(self, b: Backbone, directory: Directory, reaper: Reaper, wait_s: float) -> None:
        await directory.refresh()
        until = time.monotonic() + wait_s
        waiting = await _expired(b, directory)
        while waiting and time.monotonic() < until:
            if not await reaper.step():
                await asyncio.sleep(0.1)
            waiting = await _expired(b, directory)
        self.say(
            f"reap_leases: {reaper.reaped} given back in {len(directory.queues)} queues"
            + (f"; {waiting} wait for the loader (is a keeper running?)" if waiting else "")
        )


async def _expired(b: Backbone, directory: Directory) -> int:
    found = 0
    for queue in directory.queues:
        leases, _ = await b.hot.overdue(queue, 1_000)
        found += len(leases)
    return found
