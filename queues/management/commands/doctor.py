"""``manage.py doctor``: is everything well, and what to do where it is not."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from queues.conf import get_conf
from queues.management.agents import AgentCommand
from queues.services.backbone import Backbone
from queues.services.health import Finding, Level, examine


class Command(AgentCommand):
    """Examine the servers and both views, and say how to mend what is wrong."""

    help = "Examine Kafka, Redis, PostgreSQL, topics, positions and clocks; say how to mend what is wrong."
    roles = ()
    epilog = """\
examples:
  manage.py doctor           a line each; what to do where something is not well
  manage.py doctor --json    the same for machines

Exit codes: 0 nothing is bad (warnings are allowed), 1 something is.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--json", action="store_true", help="one JSON document")

    async def run(self, options: dict[str, Any]) -> None:
        """Examine, print, and fail when something is bad."""
        b = await Backbone.open(get_conf())
        try:
            findings = await examine(b)
        finally:
            await b.close()
        if options["json"]:
            self.say(json.dumps([finding._asdict() for finding in findings], indent=2))
        else:
            for finding in findings:
                self._tell(finding)
        bad = sum(finding.level is Level.BAD for finding in findings)
        if bad:
            raise CommandError(f"{bad} of {len(findings)} findings are bad", returncode=1)

    def _tell(self, finding: Finding) -> None:
        paint = {Level.OK: self.style.SUCCESS, Level.WARN: self.style.WARNING, Level.BAD: self.style.ERROR}
        self.say(f"{paint[finding.level](finding.level.ljust(4))}  {finding.subject:<11} {finding.text}")
        if finding.fix:
            self.say(f"      {'':<11} → {finding.fix}")
