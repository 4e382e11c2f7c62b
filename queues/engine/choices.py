"""What ``@activity(…)`` and ``.using(…)`` accept, turned into the domain's options."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, TypedDict

import msgspec

from queues.domain.activity import Limit, OnExhaustion, Unique
from queues.domain.errors import InvalidOption
from queues.domain.options import Options, require_options
from queues.domain.retry import RetryPolicy
from queues.engine.spans import instant_ms, span_ms

type KeyOf = str | Callable[..., str]


class Choices(TypedDict, total=False):
    """The keywords of ``.using``; spans are seconds or a timedelta, instants are aware datetimes."""

    queue: str
    priority: int
    delay: float | timedelta
    at: datetime
    expires: float | timedelta | datetime
    timeout: float | timedelta
    retry: RetryPolicy
    max_attempts: int | None
    on_exhaustion: str
    unique: bool | KeyOf | Unique
    key: KeyOf
    id: str
    tags: Iterable[str]
    meta: Mapping[str, str]
    limits: Iterable[Limit]


class Choice(msgspec.Struct, frozen=True):
    """Options, with what can only be known when the arguments are there."""

    options: Options
    expires_in_ms: int = 0
    key_of: Callable[..., str] | None = None
    unique_of: Callable[..., str] | None = None
    unique_arguments: bool = False

    @property
    def late(self) -> bool:
        """Whether something of it waits for the arguments or the clock."""
        return bool(self.expires_in_ms or self.key_of or self.unique_of or self.unique_arguments)

    def settled(self, type_name: str, now_ms: int, args: Any, kwargs: Any, encoded: bytes) -> Options:
        """Return the options of one call."""
        changes: dict[str, Any] = {}
        if self.expires_in_ms:
            changes["expires_ms"] = now_ms + self.expires_in_ms
        if self.key_of is not None:
            changes["key"] = str(self.key_of(*args, **kwargs))
        if self.unique_of is not None:
            changes["unique"] = Unique(str(self.unique_of(*args, **kwargs)))
        elif self.unique_arguments:
            digest = blake2b(encoded, digest_size=16).hexdigest()
            changes["unique"] = Unique(f"{type_name}:{digest}")
        return msgspec.structs.replace(self.options, **changes) if changes else self.options


def choose(base: Choice, choices: Mapping[str, Any]) -> Choice:
    """Return ``base`` with ``choices`` made.

    Raises:
        InvalidOption: an unknown keyword (with the nearest known one), or a value of the wrong kind or range.
    """
    changes: dict[str, Any] = {}
    late: dict[str, Any] = {}
    for name, value in choices.items():
        take = _TAKERS.get(name)
        if take is None:
            raise InvalidOption(_unknown(name))
        take(name, value, changes, late)
    if "delay_ms" in changes and "at_ms" not in changes:
        changes["at_ms"] = 0
    elif "at_ms" in changes and "delay_ms" not in changes:
        changes["delay_ms"] = 0
    options = require_options(msgspec.structs.replace(base.options, **changes))
    return msgspec.structs.replace(base, options=options, **late)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _TAKERS, 1)
    return f"no option {name!r}" + (
        f": did you mean {near[0]!r}?" if near else f": use {', '.join(sorted(_TAKERS))}"
    )


def _as_is(*kinds: type) -> Callable[..., None]:
    def take(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            expected = " or ".join("None" if k is type(None) else k.__name__ for k in kinds)
            raise InvalidOption(f"{name}={value!r}: expected {expected}")
        changes[name] = value

    return take


def _span(field: str) -> Callable[..., None]:
    def take(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
        changes[field] = span_ms(value, name)

    return take


def _take_at(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
    changes["at_ms"] = instant_ms(value, name)


def _take_expires(name: str, value: Any, changes: dict[str, Any], late: dict[str, Any]) -> None:
    if isinstance(value, datetime):
        changes["expires_ms"], late["expires_in_ms"] = instant_ms(value, name), 0
    else:
        changes["expires_ms"], late["expires_in_ms"] = 0, span_ms(value, name)


def _take_exhaustion(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
    try:
        changes[name] = OnExhaustion(value)
    except ValueError:
        raise InvalidOption(
            f"{name}={value!r}: use {' or '.join(repr(str(o)) for o in OnExhaustion)}"
        ) from None


def _take_unique(name: str, value: Any, changes: dict[str, Any], late: dict[str, Any]) -> None:
    late["unique_of"] = value if callable(value) else None
    late["unique_arguments"] = value is True
    if isinstance(value, str) and value:
        changes[name] = Unique(value)
    elif isinstance(value, Unique):
        changes[name] = value
    elif callable(value) or isinstance(value, bool):
        changes[name] = None
    else:
        raise InvalidOption(
            f"{name}={value!r}: use True (the arguments), a key, or a function of the arguments"
        )


def _take_key(name: str, value: Any, changes: dict[str, Any], late: dict[str, Any]) -> None:
    if not isinstance(value, str) and not callable(value):
        raise InvalidOption(f"{name}={value!r}: use a string or a function of the arguments")
    late["key_of"] = value if callable(value) else None
    changes[name] = "" if callable(value) else value


def _take_tags(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
    tags = () if isinstance(value, str) else tuple(value)
    if isinstance(value, str) or not all(isinstance(tag, str) for tag in tags):
        raise InvalidOption(f"{name}={value!r}: give a list of strings")
    changes[name] = tags


def _take_meta(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(t, str) for item in value.items() for t in item):
        raise InvalidOption(f"{name}={value!r}: give a dictionary of strings")
    changes[name] = dict(value)


def _take_limits(name: str, value: Any, changes: dict[str, Any], _late: dict[str, Any]) -> None:
    changes[name] = tuple(value)


_TAKERS: Final[dict[str, Callable[..., None]]] = {
    "queue": _as_is(str),
    "priority": _as_is(int),
    "delay": _span("delay_ms"),
    "at": _take_at,
    "expires": _take_expires,
    "timeout": _span("timeout_ms"),
    "retry": _as_is(RetryPolicy),
    "max_attempts": _as_is(int, type(None)),
    "on_exhaustion": _take_exhaustion,
    "unique": _take_unique,
    "key": _take_key,
    "id": _as_is(str),
    "tags": _take_tags,
    "meta": _take_meta,
    "limits": _take_limits,
}
