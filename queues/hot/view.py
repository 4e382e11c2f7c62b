"""The hot view of one cluster of queues: each script as a method, bytes in and structs out."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from queues.conf import Conf
from queues.hot.client import Client
from queues.hot.keys import Keys
from queues.hot.pack import Row

_unpack = msgspec.msgpack.Decoder(strict=False).decode
COUNTED, NOT_COUNTED, OLD_EPOCH = 1, 0, 2
MOST_AHEAD = 100_000
LOADER_SILENCE_MS = 60_000


class Claimed(NamedTuple):
    """One leased activity as the claim script answers it."""

    id: str
    fence: int
    version: int
    attempt: int
    partition: int
    address: str
    earlier: str
    body: bytes


class Held(NamedTuple):
    """An activity held for a decided outcome; ``why`` is set, and nothing is held, when it was refused."""

    id: str
    version: int
    partition: int
    address: str
    earlier: str
    attempt: int
    worker: str
    claimed_ms: int
    priority: int
    state: str
    body: bytes
    why: str


class Hot:
    """The scripts; every method is one call, atomic, and raises HotUnavailable or one of its kinds."""

    def __init__(self, conf: Conf) -> None:
        self.conf = conf
        self.client = Client(conf.redis_url)
        self._keys: dict[str, Keys] = {}
        self._stub = (str(int(conf.stub_s * 1000)), str(int(conf.once_stub_s * 1000)))

    def keys(self, queue: str) -> Keys:
        """The keys of a queue."""
        if queue not in self._keys:
            self._keys[queue] = Keys(self.conf.redis_prefix, queue)
        return self._keys[queue]

    async def _run(self, name: str, queue: str, request: Any, *more: Any) -> Any:
        return await self.client.run(name, self.keys(queue).meta, request, *more)

    async def claim(
        self, queue: str, call: str, most: int, lease_ms: int, worker: str, types: Sequence[str]
    ) -> tuple[int, int, list[Claimed]]:
        """Lease activities; returns Redis' time, the deadline and the leases. Repeatable under the same ``call``."""
        packed, *bodies = await self._run("claim", queue, (call, most, lease_ms, worker, types))
        now_ms, deadline_ms, leases = _unpack(packed)
        return (
            now_ms,
            deadline_ms,
            [Claimed._make((*one, body)) for one, body in zip(leases, bodies, strict=True)],
        )

    async def renew(self, queue: str, lease_ms: int, held: Sequence[tuple[str, int]]) -> str:
        """Renew leases (id, fence); returns a digit each: 1 held, 0 lost, 2 cancelled."""
        return str((await self._run("renew", queue, (lease_ms, held))).decode())

    async def apply(
        self,
        queue: str,
        rows: Sequence[Row],
        bodies: Sequence[bytes],
        *,
        by_loader: bool = False,
        epoch: int = 0,
    ) -> list[tuple[int, str]]:
        """Apply later records; returns for each (COUNTED, NOT_COUNTED or OLD_EPOCH, superfluous records)."""
        packed = await self._run("apply", queue, (by_loader, epoch, rows), *self._stub, *bodies)
        counted, superfluous = _unpack(packed)
        return list(zip(counted, superfluous, strict=True))

    async def island(
        self,
        queue: str,
        band: str,
        partition: int,
        runs: Sequence[tuple[int, Sequence[Row]]],
        bodies: Sequence[bytes],
    ) -> str:
        """Let own first records take effect; returns a digit a run: 1 accepted, 0 left to the loader, 2 backlog."""
        request = (band, partition, self.conf.hot_window, MOST_AHEAD, LOADER_SILENCE_MS, runs)
        return str((await self._run("island", queue, request, *self._stub, *bodies)).decode())

    async def look(
        self, queue: str, epoch: int, band: str, partition: int, records: Sequence[tuple[str, int]]
    ) -> tuple[int, int, str]:
        """Tell what the loader must do with (id, offset)s; returns position, room in the window, a digit each."""
        packed = await self._run("look", queue, (epoch, band, partition, self.conf.hot_window, records))
        position, room, digits = _unpack(packed)
        return int(position), int(room), digits

    async def load(
        self,
        queue: str,
        epoch: int,
        band: str,
        partition: int,
        following: int,
        rows: Sequence[Row],
        bodies: Sequence[bytes],
    ) -> int:
        """Apply first records and move the position to ``following``; returns the position."""
        request = (epoch, band, partition, following, rows)
        return int(await self._run("load", queue, request, *self._stub, *bodies))

    async def plain(
        self, queue: str, epoch: int, code: str, partition: int, first: int, last: int
    ) -> list[tuple[int, int]]:
        """List runs of offsets [from, to) that leave the loader nothing but the nulls their headers name."""
        request = (epoch, code, partition, first, last)
        return [(int(from_), int(to)) for from_, to in _unpack(await self._run("plain", queue, request))]

    async def move(
        self,
        queue: str,
        epoch: int,
        code: str,
        partition: int,
        following: int,
        nulled: Sequence[tuple[str, str]],
    ) -> int:
        """Move a later topic's position past records whose nulls are in the log."""
        return int(await self._run("move", queue, (epoch, code, partition, following, nulled)))

    async def decide(
        self,
        queue: str,
        verb: str,
        places: Sequence[str],
        states: Sequence[str],
        items: Sequence[tuple[str, int, Any]],
        *,
        lease_ms: int,
        holder: str,
        bodies: Sequence[bytes] = (),
    ) -> list[Held]:
        """Draw a version for each item (id, expected version or -1, cold record or False) and hold it."""
        filled = [*bodies, *([b""] * (len(items) - len(bodies)))]
        request = (verb, dict.fromkeys(places, True), dict.fromkeys(states, True), lease_ms, holder, items)
        packed, *found = await self._run("decide", queue, request, *filled)
        return [_held(answer, body) for answer, body in zip(_unpack(packed), found, strict=True)]

    async def complete(self, queue: str, start: int, most: int) -> tuple[int, list[tuple[str, int]]]:
        """List blocked activities (id, version) whose members have all ended, looking at ``most`` from rank ``start``.

        Returns where to go on (0: nowhere) first.
        """
        following, found = _unpack(await self._run("complete", queue, (start, most)))
        return int(following), [(activity_id, int(version)) for activity_id, version in found]

    async def promote(self, queue: str, most: int) -> tuple[int, int]:
        """Make due activities claimable; returns how many, and the next due instant (0: none)."""
        moved, following = await self._run("promote", queue, (most,))
        return int(moved), int(following)

    async def overdue(
        self, queue: str, most: int
    ) -> tuple[list[tuple[str, int, int, bool]], list[tuple[str, int, str]]]:
        """List expired leases (id, version, partition, settling) and waiting ones that must go (id, version, why)."""
        leases, waiting = _unpack(await self._run("overdue", queue, (most,)))
        return [tuple(x) for x in leases], [tuple(x) for x in waiting]

    async def trim(self, queue: str, passed: Mapping[str, int], most: int = 2_000) -> int:
        """Note what the index has passed and forget settled activities that both views have; returns how many."""
        return int(await self._run("trim", queue, (dict(passed), most, self.conf.hot_recent)))

    async def reserve(self, queue: str, items: Sequence[tuple[str, str, int, str]]) -> list[str]:
        """Reserve ids and unique keys; returns '' or the reason of refusal for each (see reserve.lua)."""
        return list(_unpack(await self._run("reserve", queue, items)))

    async def watch(self, queue: str, activity_id: str) -> bool:
        """Ask for a message on the queue's ``done`` channel when the activity ends; False when it is not live."""
        return bool(await self._run("watch", queue, (activity_id,)))

    async def confirm(self, queue: str, items: Sequence[tuple[str, str, int]]) -> None:
        """End reservations: (id, unique key, kept)."""
        await self._run("confirm", queue, items)


def _held(answer: list[Any], body: bytes) -> Held:
    if len(answer) == 2:
        return Held(answer[0], 0, 0, "", "", 0, "", 0, 0, "", b"", answer[1])
    return Held._make((*answer, body, ""))
