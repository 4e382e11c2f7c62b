"""Ask the index on behalf of a page: read-only, within two seconds, errors as ours."""

from typing import Any, Final

from django.db import InterfaceError, OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from queues.domain.errors import IndexUnavailable
from queues.index.queries import Query

GUARD_MS: Final = 2_000
type Row = dict[str, Any]


class TooSlow(Exception):
    """The index gave up on a query after GUARD_MS; nothing is wrong but the question's size."""


def fetch(*queries: Query, guard_ms: int = GUARD_MS) -> list[list[Row]]:
    """Return the rows of each query, all as of one instant.

    Raises:
        TooSlow: one took longer than ``guard_ms``.
        IndexUnavailable: PostgreSQL is away.
    """
    # In a project with ATOMIC_REQUESTS the transaction has begun, and its kind is not ours to choose.
    alone = not connection.in_atomic_block
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            if alone:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {guard_ms}")
            return [_rows(cursor, query) for query in queries]
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooSlow from error
        raise IndexUnavailable(f"PostgreSQL does not answer: {error}") from error
    except InterfaceError as error:
        raise IndexUnavailable(f"PostgreSQL does not answer: {error}") from error


def fetch_one(query: Query) -> Row | None:
    """Return the first row, or None."""
    [rows] = fetch(query)
    return rows[0] if rows else None


def _rows(cursor: Any, query: Query) -> list[Row]:
    cursor.execute(query.sql, query.params)
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
