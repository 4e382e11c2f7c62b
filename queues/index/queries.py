"""Lists of activities as SQL with parameters: keyset both ways, each state walked along its own index."""

# ruff: noqa: S608 -- only this file's own fragments are put together; every value is a parameter

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple

from queues.domain.codes import StateCode

PAGE: Final = 50
MANY: Final = 10_000
"""Counts stop here and say that there are more."""
FEW_HITS: Final = 2_000
"""Text found in at most so many rows is looked up by its rows; more is met on the way through the newest."""
FREQUENT: Final = 20_000
"""Guessed to be in so many rows, a text is not even looked up: its list of rows alone would take too long."""
TEXT_WINDOW: Final = 100_000
SHORTEST_TEXT: Final = 3
_NEW: Final = 100


class Query(NamedTuple):
    """What a cursor executes."""

    sql: str
    params: dict[str, Any]


class Place(NamedTuple):
    """Where a page begins: the sort instant and id of the row before it."""

    at: datetime
    id: str


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list shows. ``states`` empty: all. ``hits`` None: no text, or one in too many rows.

    ``type_ids`` and ``error_ids`` are those whose names hold ``text``.
    """

    states: tuple[StateCode, ...] = ()
    queue_id: int | None = None
    type_id: int | None = None
    since: datetime | None = None
    text: str = ""
    type_ids: tuple[int, ...] = ()
    error_ids: tuple[int, ...] = ()
    hits: tuple[str, ...] | None = None
    by_due: bool = field(default=False)
    """Order by due time, soonest first: for scheduled and retrying ones alone."""

    @property
    def key(self) -> str:
        """The column of the order."""
        return "due_at" if self.by_due else "updated_at"


ROW: Final = """
a.id, a.version, a.state, a.priority, a.attempt, a.max_attempts, a.generation, a.created_at, a.updated_at,
a.due_at, a.started_at, a.finished_at, a.wait_ms, a.run_ms, a.progress, a.error_message, a.reason, a.preview,
q.name AS queue, t.name AS type, w.name AS worker, e.name AS error_type, s.topic, s.partition
"""
JOINS: Final = """
LEFT JOIN idx.name q ON q.id = a.queue_id LEFT JOIN idx.name t ON t.id = a.type_id
LEFT JOIN idx.name w ON w.id = a.worker_id LEFT JOIN idx.name e ON e.id = a.error_type_id
LEFT JOIN idx.source s ON s.id = a.source_id
"""


def escaped(text: str) -> str:
    """Return the ILIKE pattern of whatever holds ``text``."""
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"


def _params(f: Filter, place: Place | None, limit: int) -> dict[str, Any]:
    return {
        "states": [int(state) for state in f.states or tuple(StateCode)],
        "queue": f.queue_id,
        "type": f.type_id,
        "since": f.since,
        "text": escaped(f.text),
        "types": list(f.type_ids),
        "errors": list(f.error_ids),
        "hits": list(f.hits or ()),
        "at": place.at if place else None,
        "id": place.id if place else None,
        "limit": limit,
        "window": TEXT_WINDOW,
    }


def _conditions(f: Filter, place: Place | None, *, backwards: bool) -> str:
    down = f.by_due == backwards
    parts = []
    if f.queue_id is not None:
        parts.append("a.queue_id = %(queue)s")
    if f.type_id is not None:
        parts.append("a.type_id = %(type)s")
    if f.since is not None:
        parts.append("a.updated_at >= %(since)s")
    if place is not None:
        # The index begins at the first comparison; it cannot begin at the pair, as the id is not in it.
        sign = "<" if down else ">"
        parts.append(f"a.{f.key} {sign}= %(at)s AND (a.{f.key}, a.id) {sign} (%(at)s, %(id)s)")
    return "".join(f" AND {part}" for part in parts)


def _walk(f: Filter, where: str, order: str) -> str:
    """Return ids of each wanted state, in order, along the index of that state."""
    if len(f.states) == 1:
        # A number in the text, not a parameter: only so a partial index is known to fit.
        return f"""(SELECT a.id, a.{f.key} FROM idx.activity a
            WHERE a.state = {int(f.states[0])}{where} ORDER BY {order} LIMIT %(limit)s)"""
    return f"""SELECT h.id, h.{f.key} FROM unnest(%(states)s::smallint[]) AS s(state)
        CROSS JOIN LATERAL (SELECT a.id, a.{f.key} FROM idx.activity a
            WHERE a.state = s.state{where} ORDER BY {order} LIMIT %(limit)s) h"""


def _walk_reading(f: Filter, where: str, order: str) -> str:
    """Return ids whose text matches, met on one walk through all wanted states together, newest first."""
    each = " UNION ALL ".join(
        f"(SELECT a.id, a.{f.key} FROM idx.activity a WHERE a.state = {int(state)}{where}"
        f" ORDER BY {order} LIMIT %(window)s)"
        for state in f.states or tuple(StateCode)
    )
    return f"""(SELECT a.id, a.{f.key} FROM (
            SELECT a.id, a.{f.key} FROM ({each}) a ORDER BY {order} LIMIT %(window)s) a
        WHERE EXISTS (SELECT FROM idx.payload p WHERE p.activity_id = a.id AND p.search ILIKE %(text)s)
        ORDER BY {order} LIMIT %(limit)s)"""


def _by_name(f: Filter, where: str, order: str) -> str:
    """Return ids of activities whose type or last error's type holds the text."""
    return f"""SELECT h.id, h.{f.key} FROM unnest(%(states)s::smallint[]) AS s(state)
        CROSS JOIN unnest(%(types)s::integer[]) AS n(type)
        CROSS JOIN LATERAL (SELECT a.id, a.{f.key} FROM idx.activity a
            WHERE a.state = s.state AND a.type_id = n.type{where} ORDER BY {order} LIMIT %(limit)s) h
        UNION
        SELECT h.id, h.{f.key} FROM unnest(%(errors)s::integer[]) AS n(error)
        CROSS JOIN LATERAL (SELECT a.id, a.{f.key} FROM idx.activity a
            WHERE a.error_type_id = n.error AND a.state = ANY(%(states)s::smallint[]){where}
            ORDER BY {order} LIMIT %(limit)s) h"""


def _ids(f: Filter, place: Place | None, *, backwards: bool) -> str:
    where = _conditions(f, place, backwards=backwards)
    direction = "DESC" if f.by_due == backwards else "ASC"
    order = f"a.{f.key} {direction}, a.id {direction}"
    if not f.text:
        return _walk(f, where, order)
    if f.hits is None:
        found = _walk_reading(f, where, order)
    else:
        found = f"""SELECT a.id, a.{f.key} FROM idx.activity a
            WHERE a.id = ANY(%(hits)s) AND a.state = ANY(%(states)s::smallint[]){where}"""
    return f"{found} UNION {_by_name(f, where, order)}"


def page_query(
    f: Filter, place: Place | None = None, *, backwards: bool = False, limit: int = PAGE + 1
) -> Query:
    """Return rows after ``place`` in the list's order; ``backwards``: those before it, nearest first."""
    direction = "DESC" if f.by_due == backwards else "ASC"
    order = f"a.{f.key} {direction}, a.id {direction}"
    sql = f"""SELECT {ROW} FROM (
        SELECT a.id FROM ({_ids(f, place, backwards=backwards)}) a ORDER BY {order} LIMIT %(limit)s
    ) found JOIN idx.activity a ON a.id = found.id {JOINS} ORDER BY {order}"""
    return Query(sql, _params(f, place, limit))


def rows_query(ids: Sequence[str]) -> Query:
    """Return the rows of ``ids``, in no order."""
    return Query(f"SELECT {ROW} FROM idx.activity a {JOINS} WHERE a.id = ANY(%(ids)s)", {"ids": list(ids)})


def new_query(f: Filter, top: Place, shown: Sequence[str]) -> Query:
    """Count what stands above ``top`` by now and is not among ``shown``; at most 100."""
    limit = _NEW + len(shown)
    sql = f"""SELECT least(count(*), {_NEW}) AS count FROM (
        SELECT a.id FROM ({_ids(f, top, backwards=True)}) a WHERE NOT a.id = ANY(%(shown)s)
        LIMIT %(limit)s) n"""
    return Query(sql, _params(f, top, limit) | {"shown": list(shown)})


def counters_query(f: Filter) -> Query:
    """Count by state, exactly; knows queue and type, not time and text."""
    where = _conditions(Filter(queue_id=f.queue_id, type_id=f.type_id), None, backwards=False)
    sql = (
        f"SELECT a.state, sum(a.count)::bigint AS count FROM idx.counter a WHERE true{where} GROUP BY a.state"
    )
    return Query(sql, {"queue": f.queue_id, "type": f.type_id})


def bounded_query(f: Filter, most: int = MANY) -> Query:
    """Count by state up to ``most`` + 1 each: for a filter by time."""
    where = _conditions(f, None, backwards=False)
    sql = f"""SELECT s.state, h.count FROM unnest(%(states)s::smallint[]) AS s(state) CROSS JOIN LATERAL (
        SELECT count(*) AS count FROM (
            SELECT FROM idx.activity a WHERE a.state = s.state{where} LIMIT %(limit)s) n) h"""
    return Query(sql, _params(f, None, most + 1))


def estimate_query(text: str) -> Query:
    """Return the planner's guess of how many rows hold ``text``, as one JSON plan: at once, however many."""
    sql = "EXPLAIN (FORMAT JSON) SELECT FROM idx.payload WHERE search ILIKE %(text)s"
    return Query(sql, {"text": escaped(text)})


def hits_query(text: str) -> Query:
    """Return ids of rows that hold ``text``, one more than FEW_HITS at the most."""
    sql = "SELECT activity_id AS id FROM idx.payload WHERE search ILIKE %(text)s LIMIT %(limit)s"
    return Query(sql, {"text": escaped(text), "limit": FEW_HITS + 1})
