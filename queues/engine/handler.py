"""A function that runs as an activity: called as ever here, enqueued to run elsewhere."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cached_property, update_wrapper
from typing import Any, Final, Unpack

from queues import door
from queues.conf import get_conf
from queues.domain.activity import Activity
from queues.domain.errors import EnqueueUnknown, InvalidOption
from queues.domain.options import Options, new_activity
from queues.domain.schedule import Schedule
from queues.engine.arguments import Arguments, InvalidArguments
from queues.engine.choices import Choice, Choices, choose
from queues.engine.context import running
from queues.engine.handle import Handle
from queues.engine.spans import now_ms

CHUNK: Final = 2_000
_DOOR_MARGIN_S: Final = 20.0


class Runs(StrEnum):
    """Where a handler runs."""

    LOOP = "loop"
    THREAD = "thread"
    PROCESS = "process"


class Call:
    """The arguments of one of many: ``Call(1, retries=2)``."""

    __slots__ = ("args", "kwargs")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs


class Bound[**P, R]:
    """A handler with options chosen; what enqueues."""

    __slots__ = ("choice", "handler")

    def __init__(self, handler: "Handler[P, R]", choice: Choice) -> None:
        self.handler = handler
        self.choice = choice

    def using(self, **choices: Unpack[Choices]) -> "Bound[P, R]":
        """Return the same with further options."""
        return Bound(self.handler, choose(self.choice, choices))

    def activity(self, *args: P.args, **kwargs: P.kwargs) -> Activity:
        """Return the activity that an enqueue would append, without appending it.

        Raises:
            Invalid: arguments that do not fit, have no JSON form or are too large.
        """
        arguments = self.handler.arguments
        arguments.require(args, kwargs)
        raw_args, raw_kwargs = arguments.encode(args, kwargs, get_conf().max_payload_bytes)
        now, choice = now_ms(), self.choice
        options = choice.options
        if choice.late:
            options = choice.settled(
                self.handler.type, now, args, kwargs, bytes(raw_args) + bytes(raw_kwargs)
            )
        activity = new_activity(self.handler.type, options, now_ms=now, args=raw_args, kwargs=raw_kwargs)
        cause = running.get(None)
        if cause is not None:
            activity.parent, activity.root = cause.id, cause.root or cause.id
        return activity

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Append one activity and return its handle once the log has acknowledged it.

        Raises:
            Invalid: nothing was written.
            Duplicate: the chosen id or unique key is taken; nothing was written.
            Unavailable: Kafka (or, for a unique key, Redis) is away; nothing was written.
            EnqueueUnknown: not answered; it may or may not have been accepted, look it up by ``ids``.
        """
        return (await _append([self.activity(*args, **kwargs)], self.handler))[0]

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Append one activity as ``enqueue`` does, for callers without an event loop."""
        return _append_sync([self.activity(*args, **kwargs)], self.handler)[0]

    async def enqueue_many(self, calls: Iterable[Any]) -> list[Handle[R]]:
        """Append many, each a tuple of arguments, a dictionary of named ones, or a ``Call``; order is kept.

        Appended in runs of 2,000: when one fails, the runs before it are accepted.
        """
        handles: list[Handle[R]] = []
        activities = self._many(calls)
        for start in range(0, len(activities), CHUNK):
            handles += await _append(activities[start : start + CHUNK], self.handler)
        return handles

    def enqueue_many_sync(self, calls: Iterable[Any]) -> list[Handle[R]]:
        """Append many as ``enqueue_many`` does, for callers without an event loop."""
        handles: list[Handle[R]] = []
        activities = self._many(calls)
        for start in range(0, len(activities), CHUNK):
            handles += _append_sync(activities[start : start + CHUNK], self.handler)
        return handles

    def _many(self, calls: Iterable[Any]) -> list[Activity]:
        if self.choice.options.id:
            raise InvalidOption("id: many activities cannot share one; enqueue them one by one")
        return [self._one(call) for call in calls]

    def _one(self, call: Any) -> Activity:
        build: Callable[..., Activity] = self.activity
        if isinstance(call, Call):
            return build(*call.args, **call.kwargs)
        if isinstance(call, tuple):
            return build(*call)
        if isinstance(call, Mapping):
            return build(**call)
        raise InvalidArguments(
            f"{self.handler.type}: enqueue_many takes tuples, dictionaries or Call(…), not {call!r:.80}:"
            " write (x,) for a single argument"
        )


class Handler[**P, R]:
    """What ``@activity`` makes of a function: still callable, and enqueueable with its default options."""

    def __init__(
        self,
        function: Callable[P, Any],
        type: str,  # noqa: A002 -- the domain's word
        *,
        choices: Choices,
        cpu: bool = False,
        every_ms: int = 0,
    ) -> None:
        self.function = function
        self.type = type
        self.every_ms = every_ms
        self.is_async = inspect.iscoroutinefunction(function)
        self.runs = Runs.PROCESS if cpu else Runs.LOOP if self.is_async else Runs.THREAD
        self.arguments = Arguments(function, type)
        self._choices = choices
        choose(Choice(Options()), choices)
        update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the function here and now, as if it were undecorated."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<activity {self.type}>"

    @cached_property
    def plain(self) -> Bound[P, R]:
        """The handler with the options of its decorator; settings give what those leave open."""
        conf = get_conf()
        defaults = Options(timeout_ms=round(conf.timeout_s * 1000), max_attempts=conf.max_attempts)
        return Bound(self, choose(Choice(defaults), self._choices))

    @property
    def queue(self) -> str:
        """The queue it goes to unless told otherwise."""
        return self._choices.get("queue", "default")

    def using(self, **choices: Unpack[Choices]) -> Bound[P, R]:
        """Return what enqueues with these options."""
        return self.plain.using(**choices)

    def activity(self, *args: P.args, **kwargs: P.kwargs) -> Activity:
        """Return the activity that an enqueue would append, without appending it."""
        return self.plain.activity(*args, **kwargs)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Append one activity; see ``Bound.enqueue``."""
        return await self.plain.enqueue(*args, **kwargs)

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Append one activity, for callers without an event loop."""
        return self.plain.enqueue_sync(*args, **kwargs)

    async def enqueue_many(self, calls: Iterable[Any]) -> list[Handle[R]]:
        """Append many; see ``Bound.enqueue_many``."""
        return await self.plain.enqueue_many(calls)

    def enqueue_many_sync(self, calls: Iterable[Any]) -> list[Handle[R]]:
        """Append many, for callers without an event loop."""
        return self.plain.enqueue_many_sync(calls)

    def schedule(self) -> Schedule | None:
        """Return its schedule; None without ``every``."""
        if not self.every_ms:
            return None
        build: Callable[..., Activity] = self.activity
        return Schedule(entry=self.type, every_ms=self.every_ms, template=build())


async def _append[R](activities: Sequence[Activity], handler: Handler[..., R]) -> list[Handle[R]]:
    from queues.services.enqueue import enqueue_activities  # noqa: PLC0415 -- see queues.door

    returns = handler.arguments.returns()
    accepted = await enqueue_activities(await door.backbone(), activities)
    return [Handle(a.id, a.queue, existing=a.existing, returns=returns) for a in accepted]


def _append_sync[R](activities: Sequence[Activity], handler: Handler[..., R]) -> list[Handle[R]]:
    try:
        return door.wait(lambda: _append(activities, handler), get_conf().append_timeout_s + _DOOR_MARGIN_S)
    except TimeoutError as exc:
        raise EnqueueUnknown(tuple(a.id for a in activities)) from exc
