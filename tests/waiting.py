"""Wait for what a test claims, not for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable

_LOOK_S = 0.05


def until[T](condition: Callable[[], T], seconds: float = 20.0, what: str = "") -> T:
    """Return the first true answer of ``condition``; fail when there is none in ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            claim = what or getattr(condition, "__name__", repr(condition))
            raise AssertionError(f"not within {seconds:.0f} s: {claim} (last answer: {answer!r})")
        time.sleep(_LOOK_S)


async def reached[T](condition: Callable[[], Awaitable[T]], seconds: float = 20.0, what: str = "") -> T:
    """As ``until``, for a condition that is awaited; the loop goes on meanwhile."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            claim = what or getattr(condition, "__name__", repr(condition))
            raise AssertionError(f"not within {seconds:.0f} s: {claim} (last answer: {answer!r})")
        await asyncio.sleep(_LOOK_S)
