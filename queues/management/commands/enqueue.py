"""``manage.py enqueue``: one activity from the command line."""

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from queues import door
from queues.domain.activity import Activity
from queues.domain.errors import QueueError, UnknownType
from queues.domain.options import Options
from queues.domain.schedule import parse_span
from queues.engine.choices import Choice, Choices, choose
from queues.engine.handler import Bound, Handler
from queues.engine.registry import registry
from queues.management.agents import AgentCommand
from queues.services.enqueue import enqueue_activities
from queues.services.results import wait_settled


class Command(AgentCommand):
    """Enqueue one activity."""

    help = "Enqueue one activity and print its id."
    roles = ()
    epilog = """\
examples:
  manage.py enqueue document.analyze '["/etc/hosts"]'
  manage.py enqueue mail.welcome '{"user": 7}' --priority 50 --delay 5m
  manage.py enqueue report.build '[[2026, 7]]' --wait 60

ARGS is JSON: an array gives the positional arguments, an object the named ones.
Exit codes: 0 accepted (with --wait: completed), 1 ended otherwise, 2 wrong use or servers missing.
"""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("type", help="the activity's type, as in document.analyze")
        parser.add_argument(
            "arguments", nargs="?", default="[]", metavar="ARGS", help="arguments as JSON: [..] or {..}"
        )
        parser.add_argument("--queue", default="", help="the queue (the handler's, else default)")
        parser.add_argument("--priority", default=None, help="-100 to 100 (the handler's, else 0)")
        parser.add_argument("--delay", default="", metavar="SPAN", help="such as 30s, 5m, 2h")
        parser.add_argument("--id", default="", help="an id of your own; a repeat is refused")
        parser.add_argument("--key", default="", help="ordering key")
        parser.add_argument("--tag", action="append", default=[], help="may be given several times")
        parser.add_argument("--force", action="store_true", help="also a type that has no handler here")
        parser.add_argument("--wait", type=float, default=0.0, metavar="S", help="wait so long for its end")

    def handle(self, **options: Any) -> None:
        """Check, enqueue, print."""
        registry.discover()
        try:
            activity = _activity(options)
            [accepted] = door.call(enqueue_activities, [activity])
            self.say(accepted.id)
            if options["wait"]:
                self._wait(activity, options["wait"])
        except QueueError as exc:
            raise CommandError(str(exc), returncode=2) from exc

    def _wait(self, activity: Activity, timeout_s: float) -> None:
        try:
            found = door.call(wait_settled, activity.queue, activity.id, timeout_s)
        except TimeoutError as exc:
            raise CommandError(
                f"not ended within {timeout_s:g} s: look for it in the console", returncode=1
            ) from exc
        self.say(f"{found.state}: {(found.result or b'').decode()}")
        if found.errors:
            raise CommandError(f"{found.errors[-1].type}: {found.errors[-1].message}", returncode=1)


def _activity(options: dict[str, Any]) -> Activity:
    args, kwargs = _arguments(options["arguments"])
    if options["type"] in registry:
        handler = registry.get(options["type"])
        return handler.using(**_choices(options)).activity(*args, **kwargs)
    if not options["force"]:
        try:
            registry.get(options["type"])
        except UnknownType as exc:
            raise UnknownType(f"{exc} (--force enqueues it all the same, for workers elsewhere)") from exc
    bound: Bound[..., Any] = Bound(
        Handler(_anything, options["type"], choices={}), choose(Choice(Options()), _choices(options))
    )
    return bound.activity(*args, **kwargs)


def _anything(*args: Any, **kwargs: Any) -> None:
    """Stand for a handler that is known elsewhere only."""


def _choices(options: dict[str, Any]) -> Choices:
    chosen: Choices = {}
    for name in ("queue", "id", "key"):
        if options[name]:
            chosen[name] = options[name]
    if options["priority"] is not None:
        chosen["priority"] = _whole(options["priority"])
    if options["delay"]:
        chosen["delay"] = parse_span(options["delay"]) / 1000
    if options["tag"]:
        chosen["tags"] = tuple(options["tag"])
    return chosen


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as exc:
        raise CommandError(f"--priority {text!r}: use a whole number from -100 to 100", returncode=2) from exc


def _arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as exc:
        raise CommandError(
            f"ARGS is not JSON: {exc.msg} at character {exc.pos + 1} of {text!r}; strings need double quotes,"
            """ as in '["a", 1]'""",
            returncode=2,
        ) from exc
    if isinstance(value, list):
        return value, {}
    if isinstance(value, dict):
        return [], value
    raise CommandError(f"ARGS must be a JSON array or object, not {text}: write '[{text}]'", returncode=2)
