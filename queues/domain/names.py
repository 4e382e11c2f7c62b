"""Names of queues and types: what is allowed, and which two queues Kafka could not tell apart."""

import re
from typing import Final

from queues.domain.errors import InvalidName

_QUEUE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}\Z")
_TYPE: Final = re.compile(r"[!-~]{1,255}\Z")


def valid_queue(name: str) -> str:
    """Return ``name`` unchanged.

    Raises:
        InvalidName: it is not ``[A-Za-z0-9_][A-Za-z0-9._-]{0,127}``.
    """
    if not _QUEUE.match(name):
        raise InvalidName(
            f"queue name {name!r}: use 1 to 128 letters, digits, '.', '_' or '-', not beginning with '.' or '-'"
        )
    return name


def valid_type(name: str) -> str:
    """Return ``name`` unchanged.

    Raises:
        InvalidName: it is not 1 to 255 printable ASCII characters without spaces.
    """
    if not _TYPE.match(name):
        raise InvalidName(f"type {name!r}: use 1 to 255 printable ASCII characters without spaces")
    return name


def topic_identity(queue: str) -> str:
    """Return what two queue names share when their topics would collide (metrics fold ``.`` and ``_``)."""
    return queue.replace(".", "_").lower()
