"""Named places between two effects where a test may kill, stop or fail this process; nothing in production."""

import os
import signal
from collections.abc import Mapping

_armed: dict[str, str] = {}


class FailpointError(RuntimeError):
    """A test asked for a failure here."""


def arm(points: Mapping[str, str]) -> None:
    """Replace the armed points: name → ``kill``, ``stop`` or ``raise``; a mode prefixed ``once:`` fires once."""
    _armed.clear()
    _armed.update(points)


def hit(name: str) -> None:
    """Mark the line between two effects; does nothing unless a test armed it."""
    if _armed:
        _fire(name)


def _fire(name: str) -> None:
    mode = _armed.get(name, "")
    if mode.startswith("once:"):
        del _armed[name]
        mode = mode.removeprefix("once:")
    match mode:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "raise":
            raise FailpointError(name)
