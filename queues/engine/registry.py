"""Which function runs which type; filled by ``@activity`` when an app's ``activities`` module is imported."""

import difflib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol, Unpack, overload

from queues.domain.errors import Conflict, InvalidOption, UnknownType
from queues.domain.names import valid_type
from queues.domain.schedule import Schedule, parse_span
from queues.engine.choices import Choices
from queues.engine.handler import Handler

MODULE: Final = "activities"


class Decorator(Protocol):
    """``@activity(…)`` before it meets its function."""

    @overload
    def __call__[**P, R](self, function: Callable[P, Awaitable[R]], /) -> Handler[P, R]: ...
    @overload
    def __call__[**P, R](self, function: Callable[P, R], /) -> Handler[P, R]: ...


class Registry:
    """Types → handlers; two functions can never share a type."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler[..., Any]] = {}

    def __iter__(self) -> Iterator[Handler[..., Any]]:
        return iter(list(self._handlers.values()))

    def __len__(self) -> int:
        return len(self._handlers)

    def __contains__(self, type_name: str) -> bool:
        return type_name in self._handlers

    def get(self, type_name: str) -> Handler[..., Any]:
        """Return the handler.

        Raises:
            UnknownType: there is none; the message names the nearest.
        """
        try:
            return self._handlers[type_name]
        except KeyError:
            near = difflib.get_close_matches(type_name, self._handlers, 1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise UnknownType(f"no handler for type {type_name!r} is registered here{hint}") from None

    def add[**P, R](self, handler: Handler[P, R]) -> Handler[P, R]:
        """Register ``handler``; the same function again (a reloaded module) takes its own place.

        Raises:
            Conflict: another function has the type already.
        """
        other = self._handlers.get(handler.type)
        if other is not None and _origin(other) != _origin(handler):
            raise Conflict(
                f"type {handler.type!r} of {_origin(handler)} is taken by {_origin(other)}: give one a name="
            )
        self._handlers[handler.type] = handler
        return handler

    @overload
    def activity[**P, R](self, function: Callable[P, Awaitable[R]], /) -> Handler[P, R]: ...
    @overload
    def activity[**P, R](self, function: Callable[P, R], /) -> Handler[P, R]: ...
    @overload
    def activity(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        cpu: bool = False,
        every: str | None = None,
        **choices: Unpack[Choices],
    ) -> Decorator: ...
    def activity(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        cpu: bool = False,
        every: str | None = None,
        **choices: Unpack[Choices],
    ) -> Any:
        """Make a function an activity: ``@activity`` or ``@activity(queue="mail", timeout=30)``.

        Args:
            function: async: runs on the worker's loop; plain: in a thread.
            name: the type; without it ``{app}.{function}``. What is enqueued bears it: renaming orphans it.
            cpu: run in a process of its own, which a timeout or a crash takes down alone.
            every: enqueue one at each multiple of a span such as ``"1m"``; the function needs no arguments.
            choices: defaults of its options, see ``Choices``.

        Raises:
            InvalidOption: an option is unknown or out of range.
            Conflict: another function has the type already.
        """
        if function is not None:
            return self._declare(function, name, every, choices, cpu=cpu)
        return lambda f: self._declare(f, name, every, choices, cpu=cpu)

    def _declare(
        self,
        function: Callable[..., Any],
        name: str | None,
        every: str | None,
        choices: Choices,
        *,
        cpu: bool,
    ) -> Handler[..., Any]:
        if not callable(function):
            raise InvalidOption(
                f"@activity({function!r}): options go by name, as in @activity(queue={function!r})"
            )
        if isinstance(function, Handler):
            raise InvalidOption(f"{function!r} is an activity already")
        type_name = valid_type(name or default_type(function))
        every_ms = parse_span(every) if every else 0
        handler: Handler[..., Any] = Handler(function, type_name, choices=choices, cpu=cpu, every_ms=every_ms)
        if every_ms:
            handler.arguments.require((), {})
        return self.add(handler)

    def schedules(self) -> list[Schedule]:
        """Return every ``every=`` of a registered handler."""
        return [schedule for handler in self if (schedule := handler.schedule()) is not None]

    def discover(self) -> None:
        """Import ``activities`` of every installed app, so that their handlers are registered."""
        from django.utils.module_loading import autodiscover_modules  # noqa: PLC0415 -- needs configured settings

        autodiscover_modules(MODULE)


def default_type(function: Callable[..., Any]) -> str:
    """Return ``{app}.{function}``: the package that holds ``activities``, else the function's module.

    Follows from the dotted path alone, so that it is the same wherever and whenever the module is imported.
    """
    parts = function.__module__.split(".")
    if MODULE in parts[1:]:
        owner = parts[parts.index(MODULE, 1) - 1]
    else:
        owner = parts[-1].strip("_")
    return f"{owner}.{function.__name__}"


def _origin(handler: Handler[..., Any]) -> str:
    return f"{handler.function.__module__}.{handler.function.__qualname__}"


registry: Final = Registry()
activity: Final = registry.activity
