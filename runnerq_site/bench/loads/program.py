"""What the load programs share: Django set up, arguments as JSON, one answer a line."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import django

from queues import door


def serve(measure: Callable[..., Coroutine[Any, Any, None]]) -> None:
    """Run ``measure(**arguments)`` on the product's own kind of loop."""
    with asyncio.Runner(loop_factory=door.new_loop) as runner:
        runner.run(measure(**arguments()))


def arguments() -> dict[str, Any]:
    """Return what the scenario asks for."""
    return dict(json.loads(sys.argv[1]))


def set_up() -> None:
    """Make models and settings usable."""
    django.setup()


def answer(**fields: Any) -> None:
    """Print one answer."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()
