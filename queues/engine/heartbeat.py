"""Renews the leases of worker processes from outside them, so that no handler can starve the heartbeat.

A handler that holds the interpreter (C code, ``time.sleep`` on the loop) silences every thread of its
process. So the parent renews for its children: each tells it, before anything runs, which leases it took, and
it tells each which of them are lost or cancelled. A renewal vouches for a process that can still finish its
work, so it ends when the process has exited, when it is stopped (SIGSTOP), or when it has been silent for
longer than the activity's own timeout and a lease: nothing in it will time the handler out any more.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

from queues.domain.errors import HotUnavailable
from queues.engine.attempt import Key
from queues.engine.wire import Note
from queues.services.backbone import Backbone
from queues.services.claim import Lease
from queues.services.heartbeat import Held, renew_leases

EVERY_S: Final = 1.0
"""How soon a cancellation is noticed, at the latest."""
YOUNG_S: Final = 0.5
MOST: Final = 2_000


class _Entry:
    """A lease that is renewed for as long as its owner may finish."""

    __slots__ = ("note", "since")

    def __init__(self, note: Note, since: float) -> None:
        self.note = note
        self.since = since

    @property
    def key(self) -> Key:
        """What names it among the owner's."""
        return self.note.queue, self.note.fence

    @property
    def timeout_s(self) -> float:
        """How long its handler may run."""
        return self.note.timeout_ms / 1000

    @property
    def lease(self) -> Lease:
        """What is renewed; made only then, since most are settled before."""
        return Lease(id=self.note.id, queue=self.note.queue, fence=self.note.fence)


class Owner:
    """One worker process as its heartbeat sees it. ``told`` hears of leases that are no longer held."""

    def __init__(self, told: Callable[[list[tuple[Key, Held]]], None]) -> None:
        self.told = told
        self.heard = time.monotonic()
        self.stopped = False
        self.entries: dict[Key, _Entry] = {}

    def took(self, notes: Sequence[Note], gone: Sequence[Key]) -> None:
        """Renew these from now on, and those no longer."""
        now = time.monotonic()
        entries = self.entries
        for note in notes:
            entries[note.queue, note.fence] = _Entry(note, now)
        for key in gone:
            entries.pop(key, None)

    def silent_s(self) -> float:
        """Return how long nothing was heard of it."""
        return time.monotonic() - self.heard

    def hopeless(self, lease_s: float) -> bool:
        """Whether it has been silent for longer than anything it holds may run."""
        longest = max((entry.timeout_s for entry in self.entries.values()), default=60.0)
        return self.silent_s() > longest + lease_s


class Heartbeat:
    """Renews for every owner; call ``step`` every second."""

    def __init__(self, b: Backbone) -> None:
        self._b = b
        self.owners: list[Owner] = []
        self.failures = 0

    async def step(self) -> int:
        """Renew once; return how many leases were renewed. A lease younger than half a second can wait."""
        due = [(owner, entry) for owner in self.owners for entry in self._due(owner)]
        renewed = 0
        for start in range(0, len(due), MOST):
            renewed += await self._renew(due[start : start + MOST])
        return renewed

    def _due(self, owner: Owner) -> list[_Entry]:
        if owner.stopped:
            return []
        silent, now, lease_s = owner.silent_s(), time.monotonic(), self._b.conf.lease_s
        return [
            entry
            for entry in owner.entries.values()
            if now - entry.since >= YOUNG_S and silent <= entry.timeout_s + lease_s
        ]

    async def _renew(self, due: Sequence[tuple[Owner, _Entry]]) -> int:
        try:
            answers = await renew_leases(self._b, [entry.lease for _, entry in due])
        except HotUnavailable:
            self.failures += 1
            return 0
        self.failures = 0
        ended: dict[int, tuple[Owner, list[tuple[Key, Held]]]] = {}
        for (owner, entry), held in zip(due, answers, strict=True):
            if held is not Held.HELD and owner.entries.pop(entry.key, None) is not None:
                ended.setdefault(id(owner), (owner, []))[1].append((entry.key, held))
        for owner, keys in ended.values():
            owner.told(keys)
        return len(due) - sum(len(keys) for _, keys in ended.values())
