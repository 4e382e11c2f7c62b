"""How PostgreSQL would run a query: for tests and for whoever adds a filter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg


class Scan(NamedTuple):
    """One access to a table; ``via`` names the index, empty where the table itself is read."""

    node: str
    table: str
    via: str
    rows: float
    """As estimated."""


async def scans(
    connection: psycopg.AsyncConnection[Any],
    sql: str,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    forbid_seqscan: bool = True,
) -> list[Scan]:
    """Return every access that the plan of ``sql`` makes; nothing is run.

    With ``forbid_seqscan`` a sequential scan is left only where no index could serve at all: such a plan
    shows a missing index even on a small table.
    """
    async with connection.transaction(force_rollback=True):
        if forbid_seqscan:
            await connection.execute("SET LOCAL enable_seqscan = off")
        cursor = psycopg.AsyncClientCursor(connection)
        await cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
        row = await cursor.fetchone()
    assert row is not None
    return list(_scans(row[0][0]["Plan"]))


async def table_scans(
    connection: psycopg.AsyncConnection[Any],
    sql: str,
    params: Sequence[Any] | Mapping[str, Any] | None = None,
    *,
    tables: Sequence[str] = ("activity", "payload", "transition"),
) -> list[Scan]:
    """Return the sequential scans of the large tables: an empty list is what a page's query must give."""
    found = await scans(connection, sql, params)
    return [scan for scan in found if scan.node == "Seq Scan" and scan.table in tables]


def _scans(plan: Mapping[str, Any]) -> Iterator[Scan]:
    if "Scan" in plan["Node Type"]:
        yield Scan(
            plan["Node Type"], plan.get("Relation Name", ""), plan.get("Index Name", ""), plan["Plan Rows"]
        )
    for child in plan.get("Plans", ()):
        yield from _scans(child)
