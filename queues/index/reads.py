"""What services ask the index: one activity by id, who holds a unique key, how far the index is."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from queues.domain.codes import LIVE_CODES, StateCode, TopicCode
from queues.domain.priority import Band
from queues.domain.record import Kind
from queues.domain.states import State
from queues.index.connection import Pool, borrowed

_LIVE: Final = sorted(int(code) for code in LIVE_CODES)
_PENDING_BANDS: Final = {
    TopicCode.PENDING: Band.NORMAL,
    TopicCode.PENDING_CRITICAL: Band.CRITICAL,
    TopicCode.PENDING_HIGH: Band.HIGH,
    TopicCode.PENDING_LOW: Band.LOW,
}


class IndexedRecord(NamedTuple):
    """The version in effect, and where the log has it."""

    id: str
    queue: str
    type: str
    state: State
    dead: bool
    version: int
    attempt: int
    kind: Kind
    band: Band
    partition: int
    offset: int


class DeadLetter(NamedTuple):
    """A dead letter's record: enough to supersede it."""

    id: str
    kind: Kind
    partition: int
    version: int


def kind_of(code: int) -> tuple[Kind, Band]:
    """Return a topic's role and band from its number."""
    topic = TopicCode(code)
    if topic in _PENDING_BANDS:
        return Kind.PENDING, _PENDING_BANDS[topic]
    return Kind(topic.name.lower()), Band.NORMAL


_FIND: Final = """
SELECT a.id, q.name, t.name, a.state, a.version, a.attempt, s.code, s.partition, a."offset"
FROM idx.activity a JOIN idx.source s ON s.id = a.source_id
JOIN idx.name q ON q.id = a.queue_id JOIN idx.name t ON t.id = a.type_id
WHERE a.id = %s
"""


async def find_record(pool: Pool, activity_id: str) -> IndexedRecord | None:
    """Return what the index shows of an activity; None when it does not know it.

    Raises:
        IndexUnavailable: PostgreSQL is away.
    """
    async with borrowed(pool) as connection:
        row = await (await connection.execute(_FIND, [activity_id])).fetchone()
    if row is None:
        return None
    found, queue, type_name, state, version, attempt, code, partition, offset = row
    kind, band = kind_of(code)
    shown = StateCode(state)
    dead = shown is StateCode.DEAD
    return IndexedRecord(
        found, queue, type_name, shown.state, dead, version, attempt, kind, band, partition, offset
    )


async def find_state(pool: Pool, activity_id: str) -> State | None:
    """Return the state of one activity; None when the index does not know it."""
    async with borrowed(pool) as connection:
        cursor = await connection.execute("SELECT state FROM idx.activity WHERE id = %s", [activity_id])
        row = await cursor.fetchone()
    return StateCode(row[0]).state if row else None


async def existing(pool: Pool, ids: Sequence[str]) -> dict[str, State]:
    """Return those of ``ids`` that the index knows → state."""
    sql = "SELECT id, state FROM idx.activity WHERE id = ANY(%s::text[])"
    async with borrowed(pool) as connection:
        rows = await (await connection.execute(sql, [list(ids)])).fetchall()
    return {activity_id: StateCode(state).state for activity_id, state in rows}


async def unique_holders(pool: Pool, queue: str, keys: Collection[str]) -> dict[str, str]:
    """Return each unique key of ``queue`` that a live activity holds → that activity's id."""
    sql = """SELECT a.unique_key, a.id FROM idx.activity a JOIN idx.name q ON q.id = a.queue_id
        WHERE q.kind = 1 AND q.name = %s AND a.unique_key = ANY(%s::text[]) AND a.unique_key IS NOT NULL
        AND a.state = ANY(%s::smallint[])"""
    async with borrowed(pool) as connection:
        rows = await (await connection.execute(sql, [queue, list(keys), _LIVE])).fetchall()
    return dict(rows)


async def dead_letters(
    pool: Pool, queue: str, *, after: str = "", most: int = 1_000, ids: Sequence[str] | None = None
) -> list[DeadLetter]:
    """Return up to ``most`` dead letters of ``queue`` by ascending id, beginning after ``after``."""
    chosen = "AND a.id = ANY(%(ids)s::text[])" if ids is not None else ""
    sql = f"""SELECT a.id, s.code, s.partition, a.version FROM idx.activity a
        JOIN idx.source s ON s.id = a.source_id JOIN idx.name q ON q.id = a.queue_id
        WHERE q.kind = 1 AND q.name = %(queue)s AND a.state = {int(StateCode.DEAD)}
        AND a.id > %(after)s {chosen}
        ORDER BY a.id LIMIT %(most)s"""  # noqa: S608 -- parts are constants
    given = {"queue": queue, "after": after, "most": most, "ids": list(ids or ())}
    async with borrowed(pool) as connection:
        rows = await (await connection.execute(sql, given)).fetchall()
    return [
        DeadLetter(found, kind_of(code)[0], partition, version) for found, code, partition, version in rows
    ]


async def positions(pool: Pool) -> Mapping[tuple[str, int], int]:
    """Return (topic, partition) → offset of the first record not in the index, of what was read at all."""
    sql = "SELECT topic, partition, next_offset FROM idx.source WHERE next_offset >= 0"
    async with borrowed(pool) as connection:
        rows = await (await connection.execute(sql)).fetchall()
    return {(topic, partition): offset for topic, partition, offset in rows}
