"""Messages between a process and its children: a length, then msgpack; one socket pair a child.

A child reads in a thread and writes at once, so that what it said is out before a handler can hold the
interpreter; a parent reads on its loop.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import msgspec

from queues.domain.outcomes import Outcome

_LENGTH: Final = struct.Struct("!I")
_BOOT: Final = """\
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from {module} import main
main(int(sys.argv[2]))
"""


class _Tagged(msgspec.Struct, tag=True, tag_field="kind", array_like=True):
    """What can be sent."""


class Ready(_Tagged):
    """The child is set up."""

    types: int = 0


class Note(msgspec.Struct, array_like=True, gc=False):
    """A lease as its renewal needs it."""

    queue: str
    id: str
    fence: int
    timeout_ms: int


class Took(_Tagged):
    """Leases to renew from now on, and attempts that need it no longer."""

    notes: list[Note]
    gone: list[tuple[str, int]]


class Status(_Tagged):
    """A sign of life, with what was done since: (queue, type, ending, count, seconds)."""

    busy: int
    waiting: int
    tally: list[tuple[str, str, str, int, float]]


class Worn(_Tagged):
    """Half of the slots are lost to handlers that do not end: this process drains and wants a successor."""

    lost: int


class Setup(_Tagged):
    """What a worker process is to do; the first message to it."""

    worker: str
    queues: list[str]
    types: list[str]
    slots: int
    cpu_slots: int
    grace_s: float


class Verdicts(_Tagged):
    """Leases that are no longer held: (queue, fence, lost or cancelled)."""

    ended: list[tuple[str, int, str]]


class Drain(_Tagged):
    """Take nothing more; be gone within ``grace_s``."""

    grace_s: float


class Job(_Tagged):
    """One attempt for a process of its own."""

    type: str
    module: str
    args: bytes
    kwargs: bytes
    id: str
    queue: str
    attempt: int
    max_attempts: int | None
    fence: int
    meta: dict[str, str]
    tags: tuple[str, ...]
    parent: str
    root: str
    deadline_ms: int
    limit: int


class Progress(_Tagged):
    """How far the handler is."""

    fraction: float
    message: str


class Line(_Tagged):
    """A log line of the handler."""

    level: str
    text: str


class Done(_Tagged):
    """What the attempt came to."""

    outcome: Outcome


type Message = Ready | Took | Status | Worn | Setup | Verdicts | Drain | Job | Progress | Line | Done

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[Any]] = msgspec.msgpack.Decoder(
    Ready | Took | Status | Worn | Setup | Verdicts | Drain | Job | Progress | Line | Done
)


def frame(message: Message) -> bytes:
    """Return the bytes of a message."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


def spawn(module: str) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start ``module.main(fd)`` in a fresh interpreter; return it and our end of the socket pair."""
    ours, theirs = socket.socketpair()
    with theirs:
        # The parent's path by argument: PYTHONPATH would be inherited by whatever a handler starts.
        command = [
            sys.executable,
            "-c",
            _BOOT.format(module=module),
            json.dumps(sys.path),
            str(theirs.fileno()),
        ]
        # A Ctrl-C reaches the whole group, also a child that has not said yet how it takes it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process, ours


def leave_to_parent(*numbers: signal.Signals) -> None:
    """Let signals that reach the whole group pass by this child: its parent decides what they mean."""

    def ignore(_signal: int, _frame: object) -> None:
        # Unlike SIG_IGN this is not inherited by what a handler starts.
        pass

    for number in numbers:
        signal.signal(number, ignore)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


class Channel:
    """A child's end."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        # A grandchild that kept it would hide this process's death from its parent.
        os.set_inheritable(fd, False)
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Write at once, from any thread; nothing when the parent is gone."""
        with self._lock, contextlib.suppress(OSError):
            self._socket.sendall(frame(message))

    def receive(self) -> Any:
        """Return the next message; None when the parent is gone."""
        try:
            (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
            return _decoder.decode(self._read(length))
        except (OSError, EOFError):
            return None

    def listen(self, heard: Callable[[Any], None]) -> None:
        """Call ``heard`` in a thread with each message, last with None when the parent is gone."""

        def run() -> None:
            while True:
                message = self.receive()
                heard(message)
                if message is None:
                    return

        threading.Thread(target=run, name="parent", daemon=True).start()

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)


class Link:
    """A parent's end, on its loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, ours: socket.socket) -> "Link":
        """Return the parent's end over a socket of ``spawn``."""
        return cls(*await asyncio.open_unix_connection(sock=ours))

    def send(self, message: Message) -> None:
        """Write without waiting; nothing when the child is gone."""
        if not self._writer.is_closing():
            self._writer.write(frame(message))

    async def receive(self) -> Any:
        """Return the next message; None when the child is gone."""
        try:
            (length,) = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))
            return _decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.receive()) is not None:
            yield message

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
