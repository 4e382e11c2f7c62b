"""``manage.py runkeeper``: loader, indexer, scheduler, reaper, rebuilder and pruner in one process."""

import argparse
from typing import Any

from django.core.management.base import CommandParser

from queues.keeper.keeper import ROLES
from queues.management.agents import AgentCommand


class Command(AgentCommand):
    """Keep both views, the clock and the leases."""

    help = "Keep both views, the clock and the leases."
    roles = ROLES
    epilog = """\
examples:
  manage.py runkeeper          run two of them, anywhere, for failover
  manage.py runkeeper --roles loader,scheduler,reaper,rebuilder & nice manage.py runindexer
                               the index in a process of its own, which gives way to the others

Loads what enqueuers could not apply themselves, indexes for the console, makes due what is due, gives back what
dead workers held, and opens Redis again from the log when it was lost. Exit codes: 0 stopped, 2 servers missing.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--roles", type=_roles, default=ROLES, metavar="A,B", help=f"only these of {', '.join(ROLES)}"
        )

    async def run(self, options: dict[str, Any]) -> None:
        """Run the roles asked for."""
        self.roles = options["roles"]
        await super().run(options)


def _roles(text: str) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [role for role in wanted if role not in ROLES]
    if unknown or not wanted:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown) or 'none'}: choose among {', '.join(ROLES)}")
    return wanted
