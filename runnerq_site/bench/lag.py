"""How far the index is behind the log, seen from outside: when each record's place was passed in PostgreSQL."""

import asyncio
import threading
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Self

from queues.log.inbox import Partition
from runnerq_site.bench.place import Place

LOOK_S = 0.025


class Watch:
    """Looks at the index's positions forty times a second, in a thread of its own."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look_for_ever, daemon=True)
        self._seen: dict[Partition, tuple[list[int], list[float]]] = {}
        """Partition → positions, and when each was first seen (epoch ms)."""
        self.positions: dict[Partition, int] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def passed(self, ends: Mapping[Partition, int]) -> bool:
        """Whether the index has reached all these ends; a partition without records has none."""
        return all(end == 0 or self.positions.get(place, 0) >= end for place, end in ends.items())

    async def reached(self, ends: Mapping[Partition, int], seconds: float) -> bool:
        """Return True once ``passed``, False after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not self.passed(ends):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    def lags_ms(self, appended: Mapping[Partition, Sequence[tuple[int, int]]]) -> list[float]:
        """Return the lag of each (offset, append time), up to a look too long; what is not passed has none."""
        lags = []
        for place, rows in appended.items():
            positions, at_ms = self._seen.get(place, ([], []))
            for offset, appended_ms in rows:
                first = bisect_right(positions, offset)
                if first < len(positions):
                    lags.append(max(at_ms[first] - appended_ms, 0.0))
        return lags

    def behind_ms(self, appended: Mapping[Partition, Sequence[tuple[int, int]]], at_ms: float) -> float:
        """Return the age, at that moment, of the oldest record that the index had not passed; 0: of none."""
        oldest = at_ms
        for place, rows in appended.items():
            positions, times = self._seen.get(place, ([], []))
            seen = bisect_right(times, at_ms)
            position = positions[seen - 1] if seen else 0
            waiting = (ms for offset, ms in rows if offset >= position)
            oldest = min(oldest, next(waiting, at_ms))
        return at_ms - oldest

    def first_moves(self) -> tuple[float, dict[Partition, int]]:
        """Return when the index was first seen to move (epoch ms), and its positions then."""
        at_ms = min((times[0] for _, times in self._seen.values() if times), default=0.0)
        found = {}
        for place, (positions, times) in self._seen.items():
            found[place] = positions[max(bisect_right(times, at_ms) - 1, 0)] if times[0] <= at_ms else 0
        return at_ms, found

    def _look_for_ever(self) -> None:
        query = "SELECT topic, partition, next_offset FROM idx.source WHERE starts_with(topic, %s)"
        with self._place.connect() as connection:
            while not self._stop.is_set():
                rows = connection.execute(query, [f"{self._place.name}-"]).fetchall()
                now_ms = time.time() * 1000
                for topic, partition, position in rows:
                    self._note((topic, partition), position, now_ms)
                self._stop.wait(LOOK_S)

    def _note(self, place: Partition, position: int, now_ms: float) -> None:
        if position <= 0 or self.positions.get(place) == position:
            return
        self.positions[place] = position
        positions, times = self._seen.setdefault(place, ([], []))
        positions.append(position)
        times.append(now_ms)
