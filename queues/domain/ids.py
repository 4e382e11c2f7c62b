"""Identifiers: time-ordered UUIDs for new activities, derived ones for what has a cause."""

import os
import random
import time
import uuid
from typing import Final

_NAMESPACE: Final = uuid.UUID("6f3d1f0a-3c1e-5b58-9f0e-6a1c8d3e7b42")


class _Clock:
    """Issue strictly increasing (millisecond, counter) pairs within this process."""

    def __init__(self) -> None:
        self.last = 0
        self.random = random.Random(os.urandom(32))  # noqa: S311 -- ids are names, not secrets


_clock = _Clock()


def _reseed() -> None:
    _clock.random.seed(os.urandom(32))


if hasattr(os, "register_at_fork"):
    # A forked child that kept the generator's state would mint its parent's ids again.
    os.register_at_fork(after_in_child=_reseed)


def new_id() -> str:
    """Return a fresh UUIDv7; ids of one process sort in the order of their making."""
    tick = time.time_ns() * 4096 // 1_000_000
    tick = _clock.last = max(tick, _clock.last + 1)
    tail = 0x8000000000000000 | _clock.random.getrandbits(62)
    # By way of bytes it costs two thirds of what formatting integers does.
    digits = (tick >> 12 << 80 | (0x7000 | tick & 0xFFF) << 64 | tail).to_bytes(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def derived_id(*cause: str) -> str:
    """Return the one id that this cause leads to, however often and wherever it is computed."""
    return str(uuid.uuid5(_NAMESPACE, "\x1f".join(cause)))


def canonical_id(text: str) -> str:
    """Return ``text`` as a lower-case UUID.

    Raises:
        ValueError: it is not a UUID.
    """
    return str(uuid.UUID(text))
