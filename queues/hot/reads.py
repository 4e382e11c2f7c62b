"""What pages, futures and agents read of the hot view; changes nothing."""

from typing import Any, NamedTuple

import msgspec

from queues.hot.client import translated
from queues.hot.view import Hot

_decode = msgspec.msgpack.Decoder(strict=False).decode


class HotRecord(NamedTuple):
    """What the hot view knows of one activity; ``settled`` ones may carry their result."""

    id: str
    version: int
    state: str
    settled: bool
    attempt: int
    partition: int
    address: str
    record: str
    worker: str
    type: str
    due_ms: int
    members: int
    result: bytes | None
    body: bytes | None


class Counts(NamedTuple):
    """How many activities of a queue Redis holds, by where they wait."""

    ready: int
    scheduled: int
    blocked: int
    active: int
    recent: int
    paused: bool


def _as_bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


async def find(hot: Hot, queue: str, activity_id: str) -> HotRecord | None:
    """Return the hot record, live or settled, or None."""
    packed = await hot.client.command("GET", hot.keys(queue).activity(activity_id))
    if packed is None:
        return None
    a = _decode(packed)
    return HotRecord(
        id=activity_id,
        version=int(a["v"]),
        state=a["st"],
        settled=a["s"] == "gone",
        attempt=int(a.get("at", 0)),
        partition=int(a["pt"]),
        address=a["ad"],
        record=a.get("so", ""),
        worker=a.get("w", ""),
        type=a.get("t", ""),
        due_ms=int(a.get("du", 0)),
        members=int(a.get("m", 0)),
        result=_as_bytes(a.get("r")),
        body=_as_bytes(a.get("x")),
    )


async def epoch(hot: Hot, queue: str) -> int | None:
    """Return the epoch under which the queue is open, as stored (the scripts also compare the server), or None."""
    value = await hot.client.command("HGET", hot.keys(queue).meta, "epoch")
    return None if value is None else int(value)


async def positions(hot: Hot, queue: str) -> dict[str, int]:
    """Return ``{code}:{partition}`` → position of the loader."""
    with translated():
        found: Any = await hot.client.redis.hgetall(hot.keys(queue).pos)
    return {field.decode(): int(value) for field, value in found.items()}


async def counts(hot: Hot, queue: str) -> Counts:
    """Count what the queue holds, in two round trips."""
    keys = hot.keys(queue)
    with translated():
        pipe: Any = hot.client.redis.pipeline(transaction=False)
        pipe.smembers(keys.types).zcard(keys.due).zcard(keys.pend).zcard(keys.leases).zcard(keys.stubs)
        pipe.hget(keys.meta, "paused")
        types, due, pend, leases, stubs, paused = await pipe.execute()
        pipe = hot.client.redis.pipeline(transaction=False)
        for one in types:
            pipe.zcard(keys.ready(one.decode()))
        ready = sum(await pipe.execute()) if types else 0
    return Counts(ready, due, pend, leases, stubs, paused == b"1")


async def leased(hot: Hot, queue: str, most: int) -> list[tuple[str, int]]:
    """Return (id, deadline ms) of what is leased, the oldest lease first."""
    with translated():
        found: Any = await hot.client.redis.zrange(hot.keys(queue).leases, 0, most - 1, withscores=True)
    return [(member.decode(), int(score)) for member, score in found]
