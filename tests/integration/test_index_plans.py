"""Plans: nothing that is asked of the large tables reads them from end to end."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from queues.index import reads, retention
from queues.index.connection import connection_settings
from queues.index.explain import scans, table_scans
from queues.index.seed import seed

pytestmark = pytest.mark.django_db
SEEDED = 20_000
QUEUES = ("planned.a", "planned.b")


@pytest.fixture
async def connection(db: None) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(
        **connection_settings() | {"autocommit": True}
    ) as connection:
        found = await (
            await connection.execute("SELECT 1 FROM idx.name WHERE name = %s", [QUEUES[0]])
        ).fetchone()
        if found is None:
            await seed(connection, SEEDED, queues=QUEUES, start=7_000_000)
        yield connection


LISTS = {
    "state": "WHERE state = 5 ORDER BY updated_at DESC, id DESC LIMIT 50",
    "state, next page": "WHERE state = 5 AND (updated_at, id) < (now(), 'x')"
    " ORDER BY updated_at DESC, id DESC LIMIT 50",
    "queue": "WHERE queue_id = 1 AND state = 5 ORDER BY updated_at DESC, id DESC LIMIT 50",
    "type": "WHERE type_id = 1 AND state = 9 ORDER BY updated_at DESC, id DESC LIMIT 50",
    "runs at": "WHERE state = 1 ORDER BY due_at, id LIMIT 50",
    "error": "WHERE error_type_id = 1 ORDER BY updated_at DESC LIMIT 50",
    "members": "WHERE workflow = 'x'",
    "children": "WHERE parent = 'x'",
    "text": "WHERE id IN (SELECT activity_id FROM idx.payload WHERE search ILIKE '%number 77%')",
    "path": """WHERE id IN (SELECT activity_id FROM idx.payload WHERE document @> '{"kwargs":{"tenant":5}}')""",
    "ids": "WHERE id = ANY('{a,b}'::text[])",
}


@pytest.mark.parametrize("name", LISTS)
async def test_each_kind_of_list_has_its_index(connection: psycopg.AsyncConnection[Any], name: str):
    assert await table_scans(connection, f"SELECT id FROM idx.activity {LISTS[name]}") == []


async def test_a_list_by_state_walks_its_index_in_order(connection: psycopg.AsyncConnection[Any]):
    sql = f"SELECT id FROM idx.activity {LISTS['state, next page']}"
    assert [scan.via for scan in await scans(connection, sql)] == ["activity_state"]


async def test_a_timeline_is_found_by_its_activity(connection: psycopg.AsyncConnection[Any]):
    assert await table_scans(connection, "SELECT * FROM idx.transition WHERE activity_id = 'x'") == []


async def test_one_activity_and_retention_are_looked_up(connection: psycopg.AsyncConnection[Any]):
    assert await table_scans(connection, reads._FIND, ["x"]) == []
    batch = {"queue": 1, "state": 5, "before": "2020-01-01", "most": 10}
    assert await table_scans(connection, retention._PRUNE, batch) == []


async def test_a_query_that_no_index_serves_is_caught(connection: psycopg.AsyncConnection[Any]):
    found = await table_scans(connection, "SELECT id FROM idx.activity WHERE note = 'x'")
    assert [scan.table for scan in found] == ["activity"]
