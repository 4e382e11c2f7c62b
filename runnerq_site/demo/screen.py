"""What the demo prints: lines that stay, and one below them that is renewed where there is a terminal."""

import shutil
import sys
import threading
import time
from typing import Final

_EVERY_S: Final = 10.0


class Screen:
    """Prints from any thread; without a terminal the status is a line of its own every ten seconds."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._status = ""
        self._told = time.monotonic()
        self._turn = threading.Lock()

    def say(self, line: str = "") -> None:
        """Print a line that stays."""
        with self._turn:
            sys.stdout.write(f"{self._erase()}{line}\n{self._status}")
            sys.stdout.flush()

    def status(self, line: str) -> None:
        """Renew the line at the bottom; an empty one removes it."""
        with self._turn:
            if self._terminal:
                erase = self._erase()
                self._status = line[: shutil.get_terminal_size().columns - 1]
                sys.stdout.write(erase + self._status)
            elif line and time.monotonic() - self._told > _EVERY_S:
                self._told = time.monotonic()
                sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def _erase(self) -> str:
        return "\r\x1b[K" if self._status else ""
