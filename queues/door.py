"""The one synchronous door to the services, and each event loop's own way in.

Synchronous callers share one background thread, its loop and one Backbone per process, started on first use.
Asynchronous callers get a Backbone of their running loop, closed when that loop shuts down.
"""

import asyncio
import concurrent.futures
import gc
import logging
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Final
from weakref import WeakKeyDictionary

from queues.conf import get_conf

if TYPE_CHECKING:
    from queues.services.backbone import Backbone

log = logging.getLogger(__name__)
CLOSE_TIMEOUT_S: Final = 10.0
YOUNG_OBJECTS: Final = 50_000


class _Opening:
    """The Backbone of one loop, opened once however many ask at the same time."""

    def __init__(self) -> None:
        self.opened: asyncio.Future[Backbone] | None = None
        self.guard: AsyncGenerator[None] | None = None

    async def get(self) -> "Backbone":
        if self.opened is None or (self.opened.done() and self.opened.exception() is not None):
            self.opened = asyncio.ensure_future(_open())
        backbone = await asyncio.shield(self.opened)
        if self.guard is None:
            self.guard = _close_with_loop(backbone)
            await anext(self.guard)
        return backbone


async def _open() -> "Backbone":
    from queues.services.backbone import Backbone  # noqa: PLC0415 -- pulls in every client, and Django's models

    return await Backbone.open(get_conf())


async def _close_with_loop(backbone: "Backbone") -> AsyncGenerator[None]:
    # A loop that shuts down closes its open generators first, so this is the loop's own exit hook.
    try:
        yield
    finally:
        await backbone.close()


_openings: WeakKeyDictionary[asyncio.AbstractEventLoop, _Opening] = WeakKeyDictionary()
_adopted: WeakKeyDictionary[asyncio.AbstractEventLoop, "Backbone"] = WeakKeyDictionary()


async def backbone() -> "Backbone":
    """Return the Backbone of the running loop, opened on first use and closed with the loop."""
    loop = asyncio.get_running_loop()
    mine = _adopted.get(loop)
    if mine is not None:
        return mine
    opening = _openings.get(loop)
    if opening is None:
        opening = _openings[loop] = _Opening()
    return await opening.get()


def adopt(own: "Backbone") -> None:
    """Make ``own`` the Backbone of the running loop, and this loop the one that serves synchronous callers.

    A process that lives on one loop (a worker, a keeper) calls it; it keeps closing ``own`` itself.
    """
    loop = asyncio.get_running_loop()
    _adopted[loop] = own
    _door.loop = loop


def release() -> None:
    """Undo ``adopt`` before the running loop ends."""
    loop = asyncio.get_running_loop()
    _adopted.pop(loop, None)
    if _door.loop is loop:
        _door.loop = None


def call[**P, R](
    fn: "Callable[Concatenate[Backbone, P], Awaitable[R]]",
    *args: Any,
    timeout_s: float | None = None,
    **kwargs: Any,
) -> R:
    """Return what ``await fn(backbone, *args, **kwargs)`` returns; errors pass through.

    Raises:
        TimeoutError: no answer within ``timeout_s``; what was under way is cancelled.
        RuntimeError: called on a running event loop, which it would block.
    """

    async def run() -> R:
        return await fn(await backbone(), *args, **kwargs)

    return wait(run, timeout_s)


def wait[R](run: Callable[[], Awaitable[R]], timeout_s: float | None = None) -> R:
    """Return what ``await run()`` returns on the background loop; as ``call``, without the Backbone."""
    _require_no_loop()

    async def awaited() -> R:
        return await run()

    future = asyncio.run_coroutine_threadsafe(awaited(), _door.started())
    try:
        return future.result(timeout_s)
    except concurrent.futures.TimeoutError:
        future.cancel()
        raise
    except BaseException:
        future.cancel()
        raise


def _require_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(
        "this is the synchronous door and an event loop runs here: use the awaitable form instead"
    )


class _Door:
    """The background thread and its loop."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None

    def started(self) -> asyncio.AbstractEventLoop:
        with self.lock:
            if self.loop is None or self.loop.is_closed():
                ready = threading.Event()
                self.thread = threading.Thread(
                    target=self._run, args=(ready,), name="queues-door", daemon=True
                )
                self.thread.start()
                ready.wait()
            assert self.loop is not None
            return self.loop

    def _run(self, ready: threading.Event) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            self.loop = runner.get_loop()
            self.loop.call_soon(ready.set)
            self.loop.run_forever()

    def close(self) -> None:
        thread, loop = self.thread, self.loop
        if thread is None or loop is None or not thread.is_alive():
            return
        # The runner shuts the loop down, and with it the generator that closes the Backbone.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_TIMEOUT_S)
        if thread.is_alive():
            log.warning("the background loop did not end within %.0f s", CLOSE_TIMEOUT_S)
        self.thread = self.loop = None


_door = _Door()


def close() -> None:
    """Stop the background loop and close its clients; the next call starts anew."""
    _door.close()


def _after_fork() -> None:
    # Threads and sockets of the parent do not live in its child.
    global _door  # noqa: PLW0603
    _door = _Door()
    _openings.clear()
    _adopted.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
# atexit is too late: by then the default executors, which closing needs, take no more work.
threading._register_atexit(close)  # type: ignore[attr-defined]  # noqa: SLF001


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, uvloop's where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 -- optional
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def calm_collector() -> None:
    """Let a process that lives on batches look for cyclic garbage seldom, and never among its modules.

    A batch holds tens of thousands of objects for a moment; with the default thresholds the collector walks through
    them again and again and finds nothing: 8 % of a busy worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
