"""Values of the environment: each typed, each missing or malformed one named; reads no environment itself."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}
_KAFKA_PREFIXES = ("KAFKA_SASL_", "KAFKA_SSL_")


class Environment:
    """Typed access to a mapping of variables, which remembers every required one that was not there."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.missing: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """Return the variable; an empty one counts as absent, as compose files pass unset ones on."""
        return self._variables.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool) -> bool:
        """Return the variable as a truth value."""
        return _flag(name, self.text(name)) if self.text(name) else default

    def whole(self, name: str, default: int) -> int:
        """Return the variable as an integer."""
        return _number(name, self.text(name), int) if self.text(name) else default

    def listed(self, name: str) -> list[str]:
        """Return the parts between commas; empty when absent."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    def required(self, name: str) -> str:
        """Return the variable, or note that it is missing and return ``""``."""
        value = self.text(name)
        if not value:
            self.missing.append(name)
        return value

    def refuse_missing(self) -> None:
        """Raise ``ImproperlyConfigured`` that names every required variable which was not there."""
        if self.missing:
            names = ", ".join(self.missing)
            raise ImproperlyConfigured(f"DEBUG is off and these environment variables are not set: {names}")

    def kafka(self) -> dict[str, str]:
        """Return the librdkafka settings: ``KAFKA_SASL_USERNAME`` becomes ``sasl.username``."""
        # A container of Kafka itself, and Kubernetes for a service named kafka, set many more KAFKA_*.
        return {
            name.removeprefix("KAFKA_").lower().replace("_", "."): value
            for name, value in sorted(self._variables.items())
            if value and (name == "KAFKA_SECURITY_PROTOCOL" or name.startswith(_KAFKA_PREFIXES))
        }

    def typed(self, dataclass: type[Any], prefix: str) -> dict[str, Any]:
        """Return the variables ``PREFIX + FIELD`` of a dataclass's fields, by upper-case field name."""
        found: dict[str, Any] = {}
        for field in dataclasses.fields(dataclass):
            name = prefix + field.name.upper()
            if self.text(name):
                found[field.name.upper()] = _typed(name, self.text(name), _kind(field))
        return found


def _kind(field: dataclasses.Field[Any]) -> type:
    return dict if field.default is dataclasses.MISSING else type(field.default)


def _typed(name: str, value: str, kind: type) -> Any:
    if kind is bool:
        return _flag(name, value)
    if kind in (int, float):
        return _number(name, value, kind)
    if kind is str:
        return value
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = None
    if not isinstance(parsed, kind):
        raise ImproperlyConfigured(f"{name} must be a JSON {'object' if kind is dict else 'array'}")
    return parsed


def _flag(name: str, value: str) -> bool:
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}: expected 1 or 0")


def _number(name: str, value: str, kind: type) -> Any:
    try:
        return kind(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}: expected a number") from None


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for a ``postgresql://`` URL.

    Query parameters are libpq's; ``host`` may be the folder of a socket.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql:// (RunnerQ needs PostgreSQL)")
    options = dict(parse_qsl(parts.query))
    try:
        port = parts.port or options.pop("port", "")
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL names a port that is no number") from None
    host = unquote(parts.hostname or "") or options.pop("host", "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.removeprefix("/")) or "postgres",
        "USER": unquote(parts.username or "") or options.pop("user", ""),
        "PASSWORD": unquote(parts.password or "") or options.pop("password", ""),
        "HOST": host,
        "PORT": str(port),
        "OPTIONS": options,
    }
