"""Ids and unique keys that may be taken: reserved before the append, confirmed after it."""

import contextlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

from queues.domain.activity import Activity
from queues.domain.errors import Duplicate, EnqueueUnknown, HotUnavailable, QueueError
from queues.services.backbone import Backbone


class Reserved(NamedTuple):
    """What an enqueue holds: by queue, (id, unique key); and id → existing id of those it will not append."""

    held: dict[str, list[tuple[str, str]]]
    existing: dict[str, str]


async def reserve(b: Backbone, activities: Sequence[Activity]) -> Reserved:
    """Hold every chosen id and unique key for 30 s; needs Redis only when there is one.

    Raises:
        Duplicate: one is taken and must not be.
        EnqueueUnknown: another call is enqueueing one of the ids this moment, or died over it: repeat.
        HotUnavailable, IndexUnavailable: it cannot be known; nothing is enqueued.
    In each case what was reserved is given back.
    """
    reserved = Reserved({}, {})
    by_queue: dict[str, list[Activity]] = {}
    for a in activities:
        if a.once or a.unique:
            by_queue.setdefault(a.queue, []).append(a)
    try:
        for queue, wanted in by_queue.items():
            await _reserve_in(b, reserved, queue, wanted)
    except QueueError:
        with contextlib.suppress(HotUnavailable):
            await confirm(b, reserved, kept=())
        raise
    return reserved


async def _reserve_in(b: Backbone, reserved: Reserved, queue: str, wanted: Sequence[Activity]) -> None:
    answers = await b.hot.reserve(queue, [_item(a) for a in wanted])
    held = reserved.held.setdefault(queue, [])
    # All that is held is noted before anything is refused: what is not noted is not given back.
    held += [_held(a) for a, answer in zip(wanted, answers, strict=True) if not answer]
    for a, answer in zip(wanted, answers, strict=True):
        if answer.startswith("ask:"):
            later = await _ask_index(b, a, answer.removeprefix("ask:"))
            if not later:
                held.append(_held(a))
            else:
                _refuse(reserved, a, later)
        elif answer:
            _refuse(reserved, a, answer)
        if a.once and a.id not in reserved.existing and (known := await _known_to_index(b, a)):
            _refuse(reserved, a, known)


def _held(a: Activity) -> tuple[str, str]:
    return a.id, a.unique.key if a.unique else ""


def _item(a: Activity, ignored: str = "") -> tuple[str, str, int, str]:
    return a.id, a.unique.key if a.unique else "", 1 if a.once else 0, ignored


async def _known_to_index(b: Backbone, a: Activity) -> str:
    from queues.index.reads import find_state  # noqa: PLC0415 -- only chosen ids need the index

    state = await find_state(await b.index(), a.id)
    return f"id:{state}" if state else ""


async def _ask_index(b: Backbone, a: Activity, holder: str) -> str:
    from queues.domain.states import TERMINAL  # noqa: PLC0415
    from queues.index.reads import find_state  # noqa: PLC0415 -- only unique keys need the index

    state = await find_state(await b.index(), holder)
    if state is not None and state not in TERMINAL:
        return f"key:{holder}"
    [answer] = await b.hot.reserve(a.queue, [_item(a, ignored=holder)])
    return "" if answer.startswith("ask:") else answer


def _refuse(reserved: Reserved, a: Activity, answer: str) -> None:
    kind, _, rest = answer.partition(":")
    if kind == "id" and rest == "reserved":
        raise EnqueueUnknown((a.id,), "another call is enqueueing it")
    if kind == "id":
        raise Duplicate(f"activity {a.id} exists already ({rest}); an id is used once", a.id)
    if a.unique is not None and a.unique.on_conflict == "existing":
        reserved.existing[a.id] = rest
        return
    raise Duplicate(f"activity {rest} holds the unique key of this one", rest)


async def confirm(b: Backbone, reserved: Reserved, kept: Collection[str]) -> None:
    """End the reservations: of ``kept`` ids for good, of others by giving them back."""
    for queue, held in reserved.held.items():
        await b.hot.confirm(
            queue, [(activity_id, key, 1 if activity_id in kept else 0) for activity_id, key in held]
        )
