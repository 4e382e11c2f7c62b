"""What one run of the demo enqueued, what became of each, and the table that sums it up."""

from collections.abc import Iterable
from statistics import median
from typing import Final, NamedTuple

from queues.domain.activity import Activity
from queues.domain.codes import StateCode
from queues.index.connection import borrowed
from queues.services.backbone import Backbone

_ENDED: Final = [
    int(code) for code in (StateCode.COMPLETED, StateCode.CANCELLED, StateCode.DISCARDED, StateCode.DEAD)
]
_LOOK: Final = """
SELECT id, state, attempt, wait_ms, run_ms, error_message FROM idx.activity
WHERE id = ANY(%s) AND state = ANY(%s)
"""
_HEAD: Final = ("", "enqueued", "completed", "retried", "dead", "wait", "run")


class End(NamedTuple):
    """How an activity ended, as the index has it."""

    type: str
    state: StateCode
    attempt: int
    wait_ms: int | None
    run_ms: int | None
    error: str


class Ledger:
    """Entered once, ended once: whatever else the index says is a fault that ``surprises`` tells."""

    def __init__(self) -> None:
        self._types: dict[str, str] = {}
        self._doomed: set[str] = set()
        self._open: set[str] = set()
        self._ends: dict[str, End] = {}

    def enter(self, entered: Iterable[Activity], doomed: Iterable[str]) -> None:
        """Note activities that were accepted; the ``doomed`` are expected to become dead letters."""
        for one in entered:
            self._types[one.id] = one.type
            self._open.add(one.id)
        self._doomed.update(doomed)

    @property
    def entered(self) -> int:
        """How many were accepted."""
        return len(self._types)

    @property
    def open(self) -> int:
        """How many have not ended yet."""
        return len(self._open)

    async def look(self, b: Backbone) -> int:
        """Note what has ended since the last look; return how many."""
        async with borrowed(await b.index()) as connection:
            rows = await (await connection.execute(_LOOK, [list(self._open), _ENDED])).fetchall()
        for each, state, attempt, wait_ms, run_ms, error in rows:
            self._ends[each] = End(self._types[each], StateCode(state), attempt, wait_ms, run_ms, error or "")
            self._open.discard(each)
        return len(rows)

    def surprises(self) -> list[str]:
        """Return a line for each activity that ended otherwise than it should, or not at all."""
        lines = [f"{self._types[each]} {each} has not ended" for each in sorted(self._open)]
        for each, end in self._ends.items():
            wanted = StateCode.DEAD if each in self._doomed else StateCode.COMPLETED
            if end.state is not wanted:
                why = f": {end.error}" if end.error else ""
                lines.append(f"{end.type} {each} is {end.state.name.lower()}, not {wanted.name.lower()}{why}")
        return lines

    def table(self) -> list[str]:
        """Return the summary, a line for each type and one for all."""
        rows = [self._row(name, name) for name in sorted(set(self._types.values()))]
        return _aligned([_HEAD, *rows, self._row("all", "")])

    def _row(self, label: str, type_name: str) -> tuple[str, ...]:
        ends = [end for end in self._ends.values() if not type_name or end.type == type_name]
        entered = sum(not type_name or each == type_name for each in self._types.values())
        counts = (
            entered,
            sum(end.state is StateCode.COMPLETED for end in ends),
            sum(end.attempt > 1 for end in ends),
            sum(end.state is StateCode.DEAD for end in ends),
        )
        waits = [end.wait_ms for end in ends if end.wait_ms is not None]
        runs = [end.run_ms for end in ends if end.run_ms is not None]
        return (label, *(f"{count:,}" for count in counts), _span(waits), _span(runs))


def _span(values: list[int]) -> str:
    if not values:
        return "-"
    middle = median(values)
    return f"{middle / 1000:.1f} s" if middle >= 1_000 else f"{middle:.0f} ms"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
