"""Lists on 100,000 activities: no scan of the whole table, whatever is asked; both directions agree."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from queues.dashboard.listing import Asked, counts_of, make_filter, page_of
from queues.dashboard.words import CODE_OF
from queues.domain.codes import NameKind, StateCode
from queues.index.queries import (
    Filter,
    Place,
    Query,
    bounded_query,
    counters_query,
    hits_query,
    new_query,
    page_query,
    rows_query,
)
from queues.index.queries_activity import activity_query, members_query, reached_query, timeline_query
from queues.index.queries_queue import oldest_query
from queues.index.seed import seed

MANY = 100_000
TABLES = ("activity", "payload", "transition", "counter", "minute", "name", "source")
NOW = datetime.now(UTC)
PLACE = Place(NOW - timedelta(hours=1), "0")


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, int]]:
    """100,000 activities, and the ids of their names."""
    from django.conf import settings
    from django.db import connection

    with django_db_blocker.unblock():
        given = settings.DATABASES["default"]
        address = {
            "dbname": given["NAME"],
            "user": given["USER"],
            "host": given["HOST"],
            "port": given["PORT"] or None,
        }

        async def fill() -> None:
            async with await psycopg.AsyncConnection.connect(**address, autocommit=True) as own:
                await seed(own, MANY)

        asyncio.run(fill())
        with connection.cursor() as cursor:
            cursor.execute("SELECT name, id FROM idx.name")
            names = dict(cursor.fetchall())
        yield names
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE " + ", ".join(f"idx.{table}" for table in TABLES))
        connection.close()


FILTERS = {
    "nothing": {},
    "queue": {"queue_id": "mail"},
    "type": {"type_id": "report.build"},
    "queue and type": {"queue_id": "mail", "type_id": "report.build"},
    "time": {"since": NOW - timedelta(hours=1)},
    "rare text": {"text": "number 4711", "hits": ("a", "b")},
    "frequent text": {"text": "alpha", "hits": None},
    "text that is a type": {"text": "report", "hits": (), "type_ids": ("report.build",)},
    "text that is an error": {"text": "Timeout", "hits": (), "error_ids": ("TimeoutError",)},
    "everything": {
        "queue_id": "mail",
        "type_id": "mail.send",
        "since": NOW - timedelta(hours=1),
        "text": "alpha",
    },
}


def plan_of(query: Query) -> str:
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + query.sql, query.params)
        return "\n".join(row[0] for row in cursor.fetchall())


def scans_of(plan: str) -> list[str]:
    return [
        line.strip()
        for line in plan.splitlines()
        if "Seq Scan on activity" in line or "Seq Scan on payload" in line
    ]


def built(names: dict[str, int], given: dict[str, Any], states: tuple[StateCode, ...]) -> Filter:
    def known(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(names.get(v, v) for v in value)
        return names.get(value, value) if isinstance(value, str) else value

    kept = {key: value if key == "text" else known(value) for key, value in given.items()}
    by_due = states in {(StateCode.SCHEDULED,), (StateCode.RETRYABLE,)}
    return Filter(states=states, by_due=by_due, **kept)


@pytest.mark.django_db
@pytest.mark.parametrize("narrowed", FILTERS)
@pytest.mark.parametrize("tab", ["all", *CODE_OF])
def test_no_list_scans_all_activities(seeded: dict[str, int], tab: str, narrowed: str):
    states = (CODE_OF[tab],) if tab in CODE_OF else ()
    f = built(seeded, FILTERS[narrowed], states)
    for query in (
        page_query(f),
        page_query(f, PLACE),
        page_query(f, PLACE, backwards=True),
        new_query(f, PLACE, ["a", "b"]),
        bounded_query(f),
    ):
        plan = plan_of(query)
        assert not scans_of(plan), plan


@pytest.mark.django_db
def test_nothing_else_scans_all_activities(seeded: dict[str, int]):
    for query in (
        rows_query(["a"]),
        hits_query("number 4711"),
        counters_query(Filter()),
        activity_query("a"),
        timeline_query("a"),
        members_query("a"),
        reached_query("a", 1),
        oldest_query(),
    ):
        plan = plan_of(query)
        assert not scans_of(plan), plan


@pytest.mark.django_db
@pytest.mark.parametrize("tab", CODE_OF)
def test_the_counters_agree_with_the_rows(seeded: dict[str, int], tab: str):
    from queues.models import Activity

    asked = Asked(tab=tab, queue="mail")
    f = make_filter(asked)
    assert f is not None
    counted = counts_of(asked, f)[CODE_OF[tab]]
    expected = Activity.objects.filter(state=int(CODE_OF[tab]), queue_id=seeded["mail"]).count()
    assert counted == (expected, False)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "asked", [Asked(), Asked(tab="completed", text="alpha"), Asked(tab="scheduled"), Asked(text="report")]
)
def test_a_walk_down_and_up_again_meets_the_same_rows(seeded: dict[str, int], asked: Asked):
    from dataclasses import replace

    from queues.dashboard.listing import _place

    f = make_filter(asked)
    down = [page_of(asked, f)]
    for _ in range(3):
        down.append(page_of(replace(asked, after=_place(down[-1].older)), f))
    up = down[-1]
    for page in reversed(down[:-1]):
        up = page_of(replace(asked, before=_place(up.newer)), f)
        assert [row["id"] for row in up.rows] == [row["id"] for row in page.rows]
    assert up.first
    ids = [row["id"] for page in down for row in page.rows]
    assert len(ids) == len(set(ids)) == 200


@pytest.mark.django_db
def test_names_of_every_kind_are_told_apart(seeded: dict[str, int]):
    from queues.models import Name

    assert Name.objects.filter(kind=int(NameKind.TYPE)).count() == 5
