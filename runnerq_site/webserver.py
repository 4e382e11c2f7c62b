"""The web server: granian, told to behave as our other processes do."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple, Self

from django.conf import settings
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

TARGET: Final = "runnerq_site.asgi:application"
STOP_S: Final = 5
_LOOK_S: Final = 0.1
_ORPHAN_LOOK_S: Final = 0.5


class Address(NamedTuple):
    """Where to listen; ``ip`` is what ``host`` means here."""

    host: str
    ip: str
    port: int

    @classmethod
    def of(cls, host: str, port: int) -> Self:
        """Return the address, which is free.

        Raises:
            OSError: the host is unknown, or something listens there.
        """
        family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Granian shares ports: a second server would take half of the first one's requests, without a word.
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
        return cls(host, str(where[0]), port)

    @property
    def url(self) -> str:
        """What to open in a browser on this machine."""
        everywhere = self.ip in ("0.0.0.0", "::")  # noqa: S104 -- compared, not bound
        host = "localhost" if everywhere else f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def answers(self) -> bool:
        """Return whether something accepts connections there."""
        ip = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.ip, self.ip)  # noqa: S104 -- as above
        try:
            with socket.create_connection((ip, self.port), timeout=1):
                return True
        except OSError:
            return False


class WebServer:
    """Processes that serve the site; ``run`` returns after SIGTERM or Ctrl-C."""

    def __init__(
        self, address: Address, *, workers: int, access_log: bool, ready: Callable[[Address], None]
    ) -> None:
        self._address = address
        self._ready = ready
        self._server = Server(
            TARGET,
            address=address.ip,
            port=address.port,
            interface=Interfaces.ASGINL,
            workers=workers,
            websockets=True,
            respawn_failed_workers=True,
            workers_kill_timeout=STOP_S,
            log_level=LogLevels.warning,
            log_dictconfig=_logging(),
            log_access=access_log,
        )

    def run(self) -> None:
        """Serve until told to stop."""
        threading.Thread(target=self._announce, daemon=True).start()
        self._server.serve(target_loader=load)

    def _announce(self) -> None:
        while not self._address.answers():
            time.sleep(_LOOK_S)
        self._ready(self._address)


def load(target: str) -> Any:
    """Return the application; runs in each process of the server before it listens."""
    # Ctrl-C is the main process's to hear: it stops the others in order.
    os.setpgrp()
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def _leave_with(parent: int) -> None:
    """Stop this process soon after the main one is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(_ORPHAN_LOOK_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _logging() -> dict[str, Any]:
    """Return the site's logging with granian's loggers, whose access lines go where the others go."""
    handled = {"handlers": ["stderr"], "level": "INFO", "propagate": False}
    ours: dict[str, Any] = settings.LOGGING
    return {
        "formatters": ours["formatters"],
        "handlers": ours["handlers"],
        "loggers": ours["loggers"] | {"_granian": handled, "granian.access": handled},
    }
