"""Results: what an activity came to, from the hot view first, then from the index; and waiting for it."""

import asyncio
import time
from typing import NamedTuple

import msgspec

from queues.domain.activity import Failure, decode_activity
from queues.domain.errors import HotUnavailable, NotFound
from queues.domain.priority import Band
from queues.domain.record import Kind
from queues.domain.states import TERMINAL, State
from queues.hot import reads
from queues.hot.keys import stage_of_code
from queues.services.backbone import Backbone
from queues.services.fetch import fetch_record

LOOK_AGAIN_S = 1.0


class Found(NamedTuple):
    """An activity's present state; ``result`` is JSON once completed, ``errors`` those of failed attempts."""

    id: str
    state: State
    version: int
    attempt: int
    result: bytes | None
    errors: tuple[Failure, ...]
    reason: str

    @property
    def settled(self) -> bool:
        """Whether it has ended."""
        return self.state in TERMINAL


async def find_activity(b: Backbone, queue: str, activity_id: str) -> Found | None:
    """Return what the hot view, or else the index, knows; None when neither does (yet).

    Raises:
        HotUnavailable, IndexUnavailable: it cannot be told.
    """
    hot = await reads.find(b.hot, queue, activity_id)
    if hot is None:
        return await _from_index(b, queue, activity_id)
    state = State(hot.state)
    if not hot.settled:
        return Found(hot.id, state, hot.version, hot.attempt, None, (), "")
    if state is State.COMPLETED and hot.result is not None:
        return Found(hot.id, state, hot.version, hot.attempt, hot.result, (), "")
    code, _, offset = hot.record.partition(":")
    kind, band = stage_of_code(code)
    try:
        return await _from_log(b, queue, kind, band, hot.partition, int(offset))
    except NotFound:
        return Found(hot.id, state, hot.version, hot.attempt, hot.result, (), "")


async def _from_index(b: Backbone, queue: str, activity_id: str) -> Found | None:
    from queues.index.reads import find_record  # noqa: PLC0415 -- only what is not hot needs the index

    row = await find_record(await b.index(), activity_id)
    if row is None or row.queue != queue:
        return None
    if row.state not in TERMINAL:
        return Found(activity_id, State(row.state), row.version, row.attempt, None, (), "")
    try:
        return await _from_log(b, queue, Kind(row.kind), Band(row.band), row.partition, row.offset)
    except NotFound:
        return Found(activity_id, State(row.state), row.version, row.attempt, None, (), "")


async def _from_log(b: Backbone, queue: str, kind: Kind, band: Band, partition: int, offset: int) -> Found:
    a = decode_activity((await fetch_record(b, queue, kind, band, partition, offset)).body or b"")
    result = bytes(a.result) if isinstance(a.result, msgspec.Raw) else None
    return Found(a.id, a.state, a.version, a.attempt, result, a.errors, a.reason)


class Settlements:
    """Wakes those who wait for an activity to end; one subscription a queue for as long as the process lives."""

    def __init__(self, b: Backbone) -> None:
        self._b = b
        self._events: dict[str, list[asyncio.Event]] = {}
        self._listening: dict[str, asyncio.Task[None]] = {}

    async def watch(self, queue: str, activity_id: str, event: asyncio.Event) -> None:
        """Set ``event`` when the activity ends from now on (a hint: it may never come)."""
        self._events.setdefault(activity_id, []).append(event)
        if queue not in self._listening:
            ready = asyncio.Event()
            channel = self._b.hot.keys(queue).done
            task = asyncio.create_task(self._b.hot.client.listen([channel], self._heard, ready=ready))
            self._listening[queue] = task
            await asyncio.wait_for(ready.wait(), LOOK_AGAIN_S * 5)
        await self._b.hot.watch(queue, activity_id)

    def forget(self, activity_id: str, event: asyncio.Event) -> None:
        """End one watch."""
        waiting = self._events.get(activity_id, [])
        if event in waiting:
            waiting.remove(event)
        if not waiting:
            self._events.pop(activity_id, None)

    def _heard(self, _channel: str, activity_id: str) -> None:
        for event in self._events.get(activity_id, ()):
            event.set()

    async def close(self) -> None:
        """End the subscriptions."""
        for task in self._listening.values():
            task.cancel()
        await asyncio.gather(*self._listening.values(), return_exceptions=True)


async def wait_settled(b: Backbone, queue: str, activity_id: str, timeout_s: float | None = None) -> Found:
    """Return the activity once it has ended.

    Raises:
        TimeoutError: it has not within ``timeout_s``.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    event = asyncio.Event()
    try:
        while True:
            try:
                found = await find_activity(b, queue, activity_id)
                if found is not None and found.settled:
                    return found
                await b.settlements.watch(queue, activity_id, event)
                # It may have ended between the look and the watch.
                found = await find_activity(b, queue, activity_id)
                if found is not None and found.settled:
                    return found
            except (HotUnavailable, TimeoutError):
                await asyncio.sleep(min(LOOK_AGAIN_S, _left(deadline)))
            await _wait(event, min(LOOK_AGAIN_S, _left(deadline)))
            if _left(deadline) <= 0:
                raise TimeoutError(f"activity {activity_id} has not ended within {timeout_s} s")
    finally:
        b.settlements.forget(activity_id, event)


def _left(deadline: float | None) -> float:
    return LOOK_AGAIN_S if deadline is None else max(deadline - time.monotonic(), 0.0)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except TimeoutError:
        return
    finally:
        event.clear()
