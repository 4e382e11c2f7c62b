"""What a row of a list shows, worked out in one go: as template logic it cost more than its query."""

from functools import cache
from typing import Final
from urllib.parse import quote

from django.urls import reverse

from queues.dashboard.actions import Act, offered
from queues.dashboard.database import Row
from queues.dashboard.templatetags.console import short_id, state
from queues.domain.codes import StateCode

_CUT: Final = 160
# What Django's own reverse() leaves as it is in a path.
_SAFE: Final = "/~:@!$&'()*+,;=-._"


@cache
def _base(name: str, *args: str) -> str:
    return reverse(name, args=[*args, "x"])[:-1]


@cache
def _first_act(code: StateCode) -> Act | None:
    return next((act for act in offered(code.state) if act.key), None)


@cache
def _chip(code: StateCode) -> str:
    return state(code)


def decorated(rows: list[Row], *, by_due: bool) -> list[Row]:
    """Return ``rows`` with what the list's template prints of them."""
    return [_decorated(row, by_due=by_due) for row in rows]


def _decorated(row: Row, *, by_due: bool) -> Row:
    code = StateCode(row["state"])
    path = quote(row["id"], safe=_SAFE)
    act = _first_act(code)
    running = code is StateCode.ACTIVE
    failed = bool(row["error_type"]) and code is not StateCode.COMPLETED
    waits = row["due_at"] and (by_due or code in {StateCode.SCHEDULED, StateCode.RETRYABLE})
    most = row["max_attempts"]
    return row | {
        "chip": _chip(code),
        "short": short_id(row["id"]),
        "href": _base("activity") + path,
        "queue_href": _base("queue") + quote(row["queue"] or "", safe=_SAFE),
        "most": "∞" if most is None else most,
        "when": row["due_at"] if waits else row["updated_at"],
        "running_since": row["started_at"] if running and row["progress"] is None else None,
        "shown_progress": row["progress"] if running else None,
        "failed": failed,
        "said": ((row["error_message"] if failed else row["preview"]) or "")[:_CUT],
        "act": act,
        "act_href": _base("act", act.verb) + path if act else "",
    }
