"""What a list's address says, and the rows that answer it."""

import base64
import binascii
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from django.http import QueryDict

from queues.dashboard.database import Row, fetch, fetch_one
from queues.dashboard.words import CODE_OF
from queues.domain.codes import NameKind, StateCode
from queues.index.queries import (
    FEW_HITS,
    FREQUENT,
    MANY,
    PAGE,
    SHORTEST_TEXT,
    Filter,
    Place,
    bounded_query,
    counters_query,
    estimate_query,
    hits_query,
    new_query,
    page_query,
    rows_query,
)
from queues.index.queries_names import meant_query, name_query, names_query

SPANS: Final = {"15m": 15, "1h": 60, "24h": 24 * 60, "7d": 7 * 24 * 60}
SPAN_WORDS: Final = (
    ("", "Any time"),
    ("15m", "Last 15 minutes"),
    ("1h", "Last hour"),
    ("24h", "Last 24 hours"),
    ("7d", "Last 7 days"),
)
MAX_TEXT: Final = 200
MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of a list, as far as they make sense."""

    tab: str = "all"
    queue: str = ""
    type: str = ""
    span: str = ""
    text: str = ""
    after: Place | None = None
    before: Place | None = None

    @property
    def narrowed(self) -> bool:
        """Whether anything but the tab narrows the list."""
        return bool(self.queue or self.type or self.span or self.text)


def read_asked(params: QueryDict) -> Asked:
    """Return what ``params`` ask for; what is no value of theirs is left out."""
    tab = params.get("state", "all")
    return Asked(
        tab=tab if tab in CODE_OF else "all",
        queue=params.get("queue", "")[:128],
        type=params.get("type", "")[:255],
        span=params.get("since", "") if params.get("since") in SPANS else "",
        text=params.get("q", "").strip().replace("\0", "")[:MAX_TEXT],
        after=_place(params.get("after", "")),
        before=_place(params.get("before", "")),
    )


def _place(text: str) -> Place | None:
    try:
        at, _, activity_id = base64.urlsafe_b64decode(text.encode() + b"==").decode().partition(" ")
        return Place(datetime.fromtimestamp(int(at) / 1_000_000, UTC), activity_id) if activity_id else None
    except (ValueError, binascii.Error, OverflowError, OSError):
        return None


def cursor(row: Row, key: str) -> str:
    """Return the place of ``row`` as it stands in an address; none for a row outside the order."""
    if row[key] is None:
        return ""
    micros = int(row[key].timestamp() * 1_000_000 + 0.5)
    return base64.urlsafe_b64encode(f"{micros} {row['id']}".encode()).decode().rstrip("=")


def make_filter(asked: Asked, *, states: tuple[StateCode, ...] | None = None) -> Filter | None:
    """Return the filter, or None when a named queue or type does not exist, so that nothing can match."""
    if states is None:
        states = (CODE_OF[asked.tab],) if asked.tab != "all" else ()
    by_due = states in {(StateCode.SCHEDULED,), (StateCode.RETRYABLE,)}
    f = Filter(states=states, by_due=by_due)
    for field, kind, name in (
        ("queue_id", NameKind.QUEUE, asked.queue),
        ("type_id", NameKind.TYPE, asked.type),
    ):
        if name:
            found = fetch_one(name_query(kind, name))
            if found is None:
                return None
            f = replace(f, **{field: found["id"]})
    if asked.span:
        f = replace(f, since=datetime.now(UTC) - timedelta(minutes=SPANS[asked.span]))
    return _with_text(f, asked.text) if asked.text else f


def _with_text(f: Filter, text: str) -> Filter:
    hits: tuple[str, ...] | None = ()
    if len(text) >= SHORTEST_TEXT:
        [[guess], meant] = fetch(estimate_query(text), meant_query(text))
        hits = None if _rows_of(guess) > FREQUENT else _hits(text)
    else:
        [meant] = fetch(meant_query(text))
    by_kind = {
        kind: tuple(m["id"] for m in meant if m["kind"] == kind) for kind in (NameKind.TYPE, NameKind.ERROR)
    }
    return replace(
        f, text=text, hits=hits, type_ids=by_kind[NameKind.TYPE], error_ids=by_kind[NameKind.ERROR]
    )


def _rows_of(plan: Row) -> int:
    [steps] = plan.values()
    return int((orjson.loads(steps) if isinstance(steps, str) else steps)[0]["Plan"]["Plan Rows"])


def _hits(text: str) -> tuple[str, ...] | None:
    [found] = fetch(hits_query(text))
    return None if len(found) > FEW_HITS else tuple(row["id"] for row in found)


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of rows with the places of its neighbours (empty: none)."""

    rows: list[Row]
    newer: str = ""
    older: str = ""
    first: bool = True


def page_of(asked: Asked, f: Filter | None) -> Listed:
    """Return the page that ``asked`` names."""
    if f is None:
        return Listed([])
    backwards = asked.before is not None
    [rows] = fetch(page_query(f, asked.before if backwards else asked.after, backwards=backwards))
    more, rows = len(rows) > PAGE, rows[:PAGE]
    if backwards:
        rows.reverse()
    first = asked.after is None and (not backwards or not more)
    has_older = more if not backwards else True
    return Listed(
        rows,
        newer="" if first or not rows else cursor(rows[0], f.key),
        older=cursor(rows[-1], f.key) if rows and has_older else "",
        first=first,
    )


def counts_of(asked: Asked, f: Filter | None) -> dict[StateCode, tuple[int, bool]]:
    """Return by state how many match, and whether there are more; empty where that costs too much."""
    if f is None:
        return dict.fromkeys(StateCode, (0, False))
    if asked.text:
        return {}
    if asked.span:
        [rows] = fetch(bounded_query(replace(f, states=(), by_due=False)))
    else:
        [rows] = fetch(counters_query(f))
    found = dict.fromkeys(StateCode, (0, False))
    for row in rows:
        over = bool(asked.span) and row["count"] > MANY
        found[StateCode(row["state"])] = (min(row["count"], MANY) if over else row["count"], over)
    return found


def shown_again(ids: list[str]) -> list[Row]:
    """Return the present rows of ``ids``, in that order; those that are gone are left out."""
    [rows] = fetch(rows_query(ids[:MAX_SHOWN]))
    by_id = {row["id"]: row for row in rows}
    return [by_id[one] for one in ids if one in by_id]


def new_since(f: Filter | None, top: str, ids: list[str]) -> int:
    """Return how many rows stand above ``top`` by now, at most 100."""
    place = _place(top)
    if f is None or place is None or f.by_due:
        return 0
    [[row]] = fetch(new_query(f, place, ids[:MAX_SHOWN]))
    return int(row["count"])


def offered_names() -> dict[str, Any]:
    """Return the queues and types that filters offer."""
    queues, types = fetch(names_query(NameKind.QUEUE), names_query(NameKind.TYPE))
    return {"queue_names": [r["name"] for r in queues], "type_names": [r["name"] for r in types]}
