"""A process of its own for CPU-bound handlers: takes a job, runs it in its main thread, answers, waits."""

import asyncio
import os
import signal
from contextvars import copy_context
from importlib import import_module
from queue import SimpleQueue
from typing import Any

import msgspec

from queues.domain.outcomes import Outcome
from queues.engine import endings, wire
from queues.engine.context import Context, running
from queues.engine.notes import install_capture
from queues.engine.registry import registry
from queues.engine.threads import refresh_connections


class Relay:
    """The listener of the context here: what the handler says goes to the parent."""

    def __init__(self, channel: wire.Channel) -> None:
        self._channel = channel

    def progress(self, _context: Context, fraction: float, message: str) -> None:
        """Pass it on."""
        self._channel.send(wire.Progress(fraction, message))

    def line(self, _context: Context, level: str, text: str) -> None:
        """Pass it on."""
        self._channel.send(wire.Line(level, text))


def main(fd: int) -> None:
    """Serve one parent until it hangs up."""
    import django  # noqa: PLC0415 -- the first thing this process does

    wire.leave_to_parent(signal.SIGINT, signal.SIGTERM)
    channel = wire.Channel(fd)
    django.setup()
    registry.discover()
    install_capture()
    jobs: SimpleQueue[wire.Job] = SimpleQueue()

    def heard(message: Any) -> None:
        if message is None:
            # Nobody waits for what runs here any more.
            os._exit(0)
        jobs.put(message)

    channel.listen(heard)
    channel.send(wire.Ready(len(registry)))
    listener = Relay(channel)
    while True:
        job = jobs.get()
        refresh_connections()
        channel.send(wire.Done(copy_context().run(_run, job, listener)))
        refresh_connections()


def _run(job: wire.Job, listener: Relay) -> Outcome:
    running.set(
        Context(
            id=job.id, queue=job.queue, type=job.type, attempt=job.attempt, max_attempts=job.max_attempts,
            fence=job.fence, meta=job.meta, tags=job.tags, parent=job.parent, root=job.root,
            deadline_ms=job.deadline_ms, listener=listener,
        )
    )  # fmt: skip
    try:
        if job.type not in registry:
            import_module(job.module)
        handler = registry.get(job.type)
        args, kwargs = handler.arguments.decode(msgspec.Raw(job.args), msgspec.Raw(job.kwargs))
        value = handler.function(*args, **kwargs)
        if handler.is_async:
            value = asyncio.run(value)
        return endings.returned(value, job.attempt, job.limit)
    except BaseException as exc:  # noqa: BLE001 -- user code
        return endings.raised(exc, job.attempt)
