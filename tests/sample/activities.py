"""Handlers that succeed, fail, hang, crash and hold the interpreter."""

# ruff: noqa: ASYNC240, ASYNC230, ASYNC110 -- marks in files are how tests see them from outside

import asyncio
import ctypes
import logging
import os
import signal
import time
from pathlib import Path

from queues import NonRetryable, Retry, RetryPolicy, Snooze, activity, current

soon = RetryPolicy(initial_ms=20, max_ms=20, jitter=False)
log = logging.getLogger(__name__)


@activity
async def add(a: int, b: int) -> int:
    return a + b


@activity
def double(a: int) -> int:
    return a * 2


@activity(retry=soon, max_attempts=2)
async def fail(text: str) -> None:
    raise ValueError(text)


@activity(retry=soon, max_attempts=5)
async def give_up() -> None:
    raise NonRetryable("no use")


@activity(max_attempts=2)
async def retry_at_once() -> int:
    if current.attempt == 1:
        raise Retry("not yet", after=0)
    return current.attempt


@activity
async def snooze_once(mark: str) -> int:
    path = Path(mark)
    if not path.exists():
        path.touch()
        raise Snooze(0.02)
    return current.attempt


@activity(timeout=0.3, max_attempts=1)
async def sleep_async() -> None:
    await asyncio.sleep(60)


@activity(timeout=0.3, max_attempts=1)
async def sleep_async_stubborn() -> None:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(2)


@activity(timeout=0.3, max_attempts=1)
def sleep_in_thread() -> None:
    current.wait_cancelled(60)


@activity(timeout=0.3, max_attempts=1, cpu=True)
def spin() -> None:
    while True:
        pass


@activity(cpu=True)
def process_id() -> int:
    return os.getpid()


@activity(cpu=True, retry=soon, max_attempts=2)
def kill_yourself_once() -> int:
    if current.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return current.attempt


@activity(cpu=True, max_attempts=1)
def exit_process() -> None:
    os._exit(7)


@activity(max_attempts=1)
async def exit_quietly() -> None:
    raise SystemExit(3)


@activity(max_attempts=1)
def exit_in_thread() -> None:
    raise SystemExit(3)


@activity
def talk() -> None:
    current.progress(0.25, "a quarter")
    current.log("kept by current.log")
    log.warning("kept by logging")


@activity(cpu=True)
def talk_in_process() -> None:
    current.progress(0.75, "three quarters")
    log.warning("kept by logging in a process")


@activity
async def tell(*, mark: str) -> list[object]:
    Path(mark).touch()
    return [
        current.id,
        current.attempt,
        current.max_attempts,
        current.queue,
        current.type,
        dict(current.meta),
    ]


@activity
async def wait_for(go: str, begun: str) -> str:
    """Tell that it began, wait for a file, tell how often it has begun."""
    with Path(begun).open("a") as file:
        file.write(f"{current.attempt}:{current.fence}\n")
    while not await asyncio.to_thread(Path(go).exists):
        await asyncio.sleep(0.02)
    return f"attempt {current.attempt}"


@activity
async def watch_cancel(begun: str, ended: str) -> None:
    Path(begun).touch()
    try:
        await asyncio.sleep(60)
    finally:
        Path(ended).write_text(str(current.cancelled))


@activity
def watch_cancel_in_thread(begun: str, ended: str) -> None:
    Path(begun).touch()
    current.wait_cancelled(60)
    Path(ended).write_text(str(current.cancelled))


@activity(timeout=60)
async def hold_the_interpreter(seconds: float, begun: str) -> int:
    Path(begun).touch()
    # PyDLL keeps the GIL: nothing else in this process runs meanwhile.
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    return current.attempt


@activity(timeout=60)
async def block_the_loop(seconds: float) -> int:
    time.sleep(seconds)  # noqa: ASYNC251 -- the mistake that it stands for
    return current.attempt


@activity
async def parent(mark: str) -> str:
    handle = await tell.enqueue(mark=mark)
    return handle.id


@activity
def parent_in_thread(mark: str) -> str:
    return tell.enqueue_sync(mark=mark).id


@activity
def block_in_thread(seconds: float) -> int:
    time.sleep(seconds)
    return current.attempt


@activity(timeout=0.2, max_attempts=1)
def sleep_deaf(seconds: float) -> None:
    time.sleep(seconds)
