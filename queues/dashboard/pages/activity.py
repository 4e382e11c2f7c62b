"""One activity: what it was given, what became of it, each record of it with its place in the log."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from queues.dashboard import jsontext, snapshot, words
from queues.dashboard.actions import offered
from queues.dashboard.database import Row, fetch
from queues.dashboard.respond import respond
from queues.domain.codes import Moment, StateCode
from queues.index.queries_activity import (
    TIMELINE,
    activity_query,
    members_query,
    pruned_query,
    timeline_query,
)


@require_safe
def activity(request: HttpRequest, activity_id: str) -> HttpResponse:
    """Show the activity; one that the index does not hold yet (or any more) is told apart from none."""
    rows, entries, members, pruned = fetch(
        activity_query(activity_id), timeline_query(activity_id), members_query(activity_id), pruned_query()
    )
    if not rows:
        missing = {"id": activity_id, "queue": request.GET.get("queue", ""), "pruned": pruned}
        return respond(request, "activity_missing", missing, here="activities", status=404)
    row = rows[0]
    code = StateCode(row["state"])
    timeline = [_entry(entry) for entry in entries]
    given = jsontext.members(row["document"])
    context: dict[str, Any] = {
        "a": row,
        "code": code,
        "look": words.LOOKS[code],
        "acts": offered(code.state),
        "args": given.get("args"),
        "kwargs": given.get("kwargs"),
        "meta": given.get("meta"),
        "given_known": row["document"] is not None or not row["preview"],
        "result": next((e["result"] for e in timeline if e["result"]), None),
        "failures": [e for e in timeline if e["error"]],
        "attempts": [e for e in timeline if e["fence"] and e["moment"] == Moment.RECORD],
        "timeline": timeline,
        "cut": len(timeline) >= TIMELINE,
        "members": members,
        "lines": _lines(timeline),
        "served": _served(row),
        "running": code is StateCode.ACTIVE,
    }
    return respond(request, "activity", context, here="activities")


def _entry(entry: Row) -> Row:
    detail = jsontext.members(entry["detail"])
    error = jsontext.members(detail.get("error"))
    code = StateCode(entry["state"])
    moment = Moment(entry["moment"])
    began = entry["started_at"] or entry["claimed_at"]
    return entry | {
        "code": code,
        "moment": moment,
        "look": words.LOOKS[code],
        "what": _what(entry, moment, code),
        "error": {key: jsontext.plain(error.get(key)) for key in ("type", "message", "stack")}
        if error
        else None,
        "result": detail.get("result"),
        "message": jsontext.plain(detail.get("message")),
        "lines": jsontext.strings(detail.get("lines")),
        "progress": entry_progress(detail),
        "run_ms": (entry["at"] - began).total_seconds() * 1000 if began and entry["fence"] else None,
    }


def entry_progress(detail: dict[str, str]) -> float | None:
    """Return how far a handler said it was, from 0 to 1."""
    try:
        return float(detail["progress"])
    except (KeyError, ValueError):
        return None


def _what(entry: Row, moment: Moment, code: StateCode) -> str:
    if moment is Moment.STARTED:
        return "Started"
    if moment is Moment.PROGRESS:
        return "Progress"
    if moment is Moment.LOG:
        return "Log"
    return _REASONS.get(entry["reason"] or "", words.LOOKS[code].word)


_REASONS: Final = {
    "redriven": "Sent back to work",
    "rescheduled": "Rescheduled",
    "prioritised": "Priority changed",
    "lease_lost": "Lease lost",
    "released": "Released",
    "woken": "Woken",
    "expired": "Expired",
}


def _lines(timeline: list[Row]) -> list[Row]:
    return [
        {"at": entry["at"], "text": line}
        for entry in reversed(timeline)
        if entry["moment"] is Moment.LOG
        for line in entry["lines"] or [entry["message"]]
    ]


def _served(row: Row) -> bool:
    """Tell whether some live worker serves the activity's queue and type."""
    now: dict[str, Any] = snapshot.read()
    return any(
        worker["shown"] == "running"
        and row["queue"] in (worker["queues"] or ())
        and (not worker["types"] or row["type"] in worker["types"])
        for worker in now["worker_rows"]
    )
