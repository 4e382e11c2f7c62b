"""Connections to PostgreSQL for asynchronous code, from the same settings that Django uses."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from queues.domain.errors import IndexUnavailable, Misconfigured

type Pool = AsyncConnectionPool[psycopg.AsyncConnection[TupleRow]]

WAIT_S: Final = 5.0
_NOT_MIGRATED: Final = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.InvalidSchemaName,
)
_AWAY: Final = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


def connection_settings(alias: str = "default", **options: str) -> dict[str, Any]:
    """Return what psycopg needs to reach Django's database, under a test the test's own.

    Args:
        alias: which of ``DATABASES``.
        options: settings of the session, such as ``synchronous_commit="off"``.
    """
    from django.db import connections  # noqa: PLC0415 -- importable before Django is set up

    wrapper = connections[alias]
    if wrapper.vendor != "postgresql":
        raise Misconfigured(
            f"DATABASES[{alias!r}] is {wrapper.vendor}: the index needs PostgreSQL 16 or later"
        )
    params = dict(wrapper.get_connection_params())
    for django_only in (
        "cursor_factory",
        "context",
        "server_side_binding",
        "assume_role",
        "prepare_threshold",
    ):
        params.pop(django_only, None)
    params.setdefault("connect_timeout", int(WAIT_S))
    params.setdefault("application_name", "runnerq")
    if options:
        given = [params["options"]] if params.get("options") else []
        params["options"] = " ".join([*given, *(f"-c {key}={value}" for key, value in options.items())])
    return params


async def open_pool(*, most: int = 4, options: Mapping[str, str] | None = None) -> Pool:
    """Return an open pool whose connections are made on first use.

    Its connections answer in UTC and commit each statement by itself unless a transaction is begun.
    """
    settings = connection_settings(**{"TimeZone": "UTC", **(options or {})})
    pool: Pool = AsyncConnectionPool(
        kwargs=settings | {"autocommit": True}, min_size=0, max_size=most, open=False, timeout=WAIT_S
    )
    await pool.open()
    return pool


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's "not there" into ours.

    Raises:
        IndexUnavailable: PostgreSQL did not answer; nothing of the transaction has happened.
        Misconfigured: the tables are not those of this release.
    """
    try:
        yield
    except _NOT_MIGRATED as exc:
        why = str(exc).partition("\n")[0]
        raise Misconfigured(
            f"the index's tables are missing or old: run `manage.py migrate` ({why})"
        ) from exc
    except _AWAY as exc:
        raise IndexUnavailable(f"PostgreSQL: {str(exc).strip() or type(exc).__name__}") from exc


@contextlib.asynccontextmanager
async def borrowed(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
    """Lend a connection of ``pool``; raises IndexUnavailable as ``translated``."""
    with translated():
        async with pool.connection() as connection:
            yield connection
