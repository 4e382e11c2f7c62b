"""The store: one batch, one transaction, in which rows and positions move together or not at all.

Commits are not flushed one by one (``synchronous_commit=off``): a crash of PostgreSQL loses the last moments of
rows and of positions alike, so what was lost is read again.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg.types.numeric import Int8BinaryLoader

from queues import failpoints
from queues.conf import Conf
from queues.domain.errors import IndexUnavailable, Unavailable
from queues.index import statements
from queues.index.connection import connection_settings, translated
from queues.index.dictionary import Dictionary, Partition
from queues.index.fold import Batch, fold
from queues.index.gather import Gathered, SourceRef
from queues.index.rows import ACTIVITY, TRANSITION, Absence, Known, Row, always
from queues.index.shown import Numbers

SESSION: Final = {
    "application_name": "runnerq-indexer",
    "synchronous_commit": "off",
    "jit": "off",
    "TimeZone": "UTC",
    # Lists of ids are always looked up one by one, whatever the statistics of a table that was empty just now say.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    # A stopped indexer must not hold the partitions' locks against its successor.
    "idle_in_transaction_session_timeout": "30s",
    "tcp_user_timeout": "10000",
}
ATTEMPTS: Final = 3
_encode: Final = msgspec.json.Encoder().encode
_REFUSED: Final = (psycopg.DataError, psycopg.errors.StatementTooComplex)


class PositionMoved(Unavailable):
    """The index stands elsewhere than this indexer thought: another one writes, or it was emptied."""

    code = "position_moved"

    def __init__(self, stored: Mapping[int, int]) -> None:
        super().__init__(f"the index stands elsewhere: {dict(stored)}")
        self.stored = stored


class IndexStore:
    """The one connection of an indexer, and the numbers it knows."""

    def __init__(self, conf: Conf) -> None:
        self._conf = conf
        self._connection: AsyncConnection[Any] | None = None
        # A rebalance asks for positions while a batch is being written: not inside its transaction.
        self._turn = asyncio.Lock()
        self.dictionary = Dictionary(conf)
        self.at: dict[int, int] = {}
        """Source id → where the index stands, as far as this indexer knows; -1: nothing was read."""

    async def stand(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return how far each partition is in the index; one that was never read is left out.

        Raises:
            IndexUnavailable: PostgreSQL is away.
        """
        wanted = list(partitions)
        async with self._turn:
            return await self._stand(wanted)

    async def _stand(self, wanted: list[Partition]) -> dict[Partition, int]:
        with translated():
            stood = await self.dictionary.ensure_sources(await self._open(), wanted)
        for partition in wanted:
            if partition in self.dictionary.sources:
                self.at[self.dictionary.sources[partition].id] = stood.get(partition, -1)
        return stood

    async def write(self, gathered: Gathered) -> Batch:
        """Fold the batch into the index and move its positions; all of it or nothing.

        Raises:
            PositionMoved: nothing was written; ``stand`` tells where the index is.
            IndexUnavailable: nothing was written, or (rarely) all of it: ``stand`` tells.
        """
        async with self._turn:
            return await self._write_in_turn(gathered)

    async def _write_in_turn(self, gathered: Gathered) -> Batch:
        with translated():
            connection = await self._open()
            if not self.dictionary.sources:
                # A new session: PostgreSQL may have come back without its last moments.
                raise PositionMoved({})
            await self.dictionary.ensure(connection, gathered)
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._write(connection, gathered, careful=attempt > 1)
                except (psycopg.errors.UniqueViolation, *_REFUSED) as exc:
                    # Another indexer made the row just now, something was left over, a document is no jsonb.
                    if attempt == ATTEMPTS:
                        raise IndexUnavailable(f"PostgreSQL refuses a batch: {str(exc).strip()}") from exc
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _open(self) -> AsyncConnection[Any]:
        connection = self._connection
        if connection is None or connection.closed:
            settings = connection_settings(**SESSION)
            connection = await AsyncConnection.connect(**settings | {"autocommit": True})
            connection.adapters.register_loader("timestamptz", Int8BinaryLoader)
            self._connection = connection
            self.dictionary.forget()
        return connection

    async def _write(self, connection: AsyncConnection[Any], gathered: Gathered, *, careful: bool) -> Batch:
        async with connection.transaction():
            await self._lock(connection, gathered)
            batch = await self._fold(connection, gathered)
            if careful:
                await _leave_out_refused(connection, batch)
            await _write_rows(connection, batch, careful=careful)
            await _write_sums(connection, batch)
            await self._move(connection, gathered)
            failpoints.hit("index.written")
        failpoints.hit("index.committed")
        for source_id, (following, _) in gathered.ends.items():
            self.at[source_id] = following
        return batch

    async def _lock(self, connection: AsyncConnection[Any], gathered: Gathered) -> None:
        wanted = sorted(gathered.ends)
        rows = await (await connection.execute(statements.LOCK_SOURCES, [wanted])).fetchall()
        stored = dict(rows)
        moved = {s: stored.get(s, -1) for s in wanted if stored.get(s) != self.at.get(s, -1)}
        if moved:
            if len(stored) < len(wanted):
                self.dictionary.forget()
            raise PositionMoved(moved)
        lanes = {_lane(source) for source in self.dictionary.sources.values() if source.id in gathered.ends}
        await connection.execute(statements.LOCK_PARTITIONS, [sorted(lanes)])

    async def _fold(self, connection: AsyncConnection[Any], gathered: Gathered) -> Batch:
        ids = gathered.entries.keys()
        cursor = connection.cursor(binary=True)
        await cursor.execute(statements.KNOWN, [_array(ids)])
        known = {row[0]: Known._make(row) for row in await cursor.fetchall()}
        missing = ids - known.keys()
        absent: dict[str, Absence] = {}
        if missing:
            await cursor.execute(statements.ABSENT, [_array(missing)])
            absent = {row[0]: Absence._make(row) for row in await cursor.fetchall()}
        d = self.dictionary
        numbers = Numbers(d.types, d.workers, d.errors, d.firsts, self._conf.payload_index_bytes)
        return fold(gathered, known, absent, numbers)

    async def _move(self, connection: AsyncConnection[Any], gathered: Gathered) -> None:
        moves = [
            {
                "id": source,
                "next_offset": following,
                "end_offset": gathered.log_ends.get(source, -1),
                "record_at": always(at_ms) if at_ms else None,
            }
            for source, (following, at_ms) in gathered.ends.items()
        ]
        await connection.execute(statements.MOVE, [_encode(moves).decode()])


def _lane(source: SourceRef) -> int:
    return (source.queue_id * 10_007 + source.partition) % 2**31


def _array(texts: Iterable[str]) -> str:
    """Return a PostgreSQL array literal: one text is cheaper to send than a list."""
    items = list(texts)
    if any('"' in text or "\\" in text for text in items):
        items = [text.replace("\\", "\\\\").replace('"', '\\"') for text in items]
    return '{"' + '","'.join(items) + '"}' if items else "{}"


async def _copy(
    connection: AsyncConnection[Any], sql: str, types: Sequence[str] | None, rows: Iterable[Row]
) -> None:
    async with connection.cursor() as cursor, cursor.copy(sql) as copy:
        if types:
            copy.set_types(types)
        for row in rows:
            await copy.write_row(row)


_ACTIVITY_TYPES: Final = [kind for _, kind in ACTIVITY]
_TRANSITION_TYPES: Final = [kind for _, kind in TRANSITION]


async def _write_rows(connection: AsyncConnection[Any], batch: Batch, *, careful: bool) -> None:
    if batch.replaced:
        cursor = await connection.execute(statements.DELETE_ROWS, [_array(k.ctid for k in batch.replaced)])
        if cursor.rowcount != len(batch.replaced):
            # Retention removed one meanwhile: folded again, it is not known any more.
            raise PositionMoved({})
    if batch.purged:
        purged = _array(batch.purged)
        await connection.execute(statements.DELETE_PAYLOADS, [purged])
        await connection.execute(statements.DELETE_TRANSITIONS, [purged])
    if batch.found:
        await connection.execute(statements.DELETE_ABSENT, [_array(batch.found)])
    if batch.rows:
        await _copy(connection, statements.COPY_ACTIVITY, _ACTIVITY_TYPES, batch.rows)
    await _write_payloads(connection, batch, careful=careful)
    if batch.transitions and careful:
        await connection.execute(statements.SPARE_TRANSITION)
        await _copy(connection, statements.COPY_SPARE, _TRANSITION_TYPES, batch.transitions)
        await connection.execute(statements.PUT_SPARE)
    elif batch.transitions:
        await _copy(connection, statements.COPY_TRANSITION, _TRANSITION_TYPES, batch.transitions)
    if batch.hints:
        hints = _encode([hint._asdict() for hint in batch.hints]).decode()
        if (await connection.execute(statements.HINT, [hints])).rowcount != len(batch.hints):
            raise PositionMoved({})
    if batch.absent:
        await connection.execute(
            statements.UPSERT_ABSENT, [_encode([a._asdict() for a in batch.absent]).decode()]
        )


async def _write_payloads(connection: AsyncConnection[Any], batch: Batch, *, careful: bool) -> None:
    replaced = {known.id for known in batch.replaced}
    new = [] if careful else [payload for payload in batch.payloads if payload[0] not in replaced]
    if new:
        await _copy(connection, statements.COPY_PAYLOAD, None, new)
    if len(new) < len(batch.payloads):
        changed = [
            {"activity_id": activity_id, "document": found, "search": search}
            for activity_id, found, search in batch.payloads
            if careful or activity_id in replaced
        ]
        await connection.execute(statements.UPSERT_PAYLOADS, [_encode(changed).decode()])


async def _write_sums(connection: AsyncConnection[Any], batch: Batch) -> None:
    counts = [
        {"queue_id": queue_id, "type_id": type_id, "state": state, "n": n}
        for (queue_id, type_id, state), n in batch.counts.items()
        if n
    ]
    if counts:
        await connection.execute(statements.COUNT, [_encode(counts).decode()])
    if batch.minutes:
        minutes = [
            {"minute": minute, "queue_id": queue_id, "type_id": type_id}
            | {field: getattr(sums, field) for field in statements.MINUTE_FIELDS}
            for (minute, queue_id, type_id), sums in batch.minutes.items()
        ]
        await connection.execute(statements.ADD_MINUTES, [_encode(minutes).decode()])
    for bad in batch.bad:
        await connection.execute(
            statements.QUARANTINE,
            [bad.source.id, bad.offset, bad.reason, bad.key, bad.head, always(bad.at_ms)],
        )


async def _leave_out_refused(connection: AsyncConnection[Any], batch: Batch) -> None:
    """Drop the documents that jsonb does not take: their activities are found by everything but path."""
    given = [{"activity_id": i, "document": found} for i, found, _ in batch.payloads if found is not None]
    cursor = await connection.execute(statements.REFUSED_DOCUMENTS, [_encode(given).decode()])
    refused = {row[0] for row in await cursor.fetchall()}
    batch.payloads = [(i, None if i in refused else found, search) for i, found, search in batch.payloads]
