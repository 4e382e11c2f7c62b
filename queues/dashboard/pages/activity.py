"""One activity: what it was given, what became of it, each record of it with its place in the log."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from queues.dashboard import jsontext, snapshot, timeline, words
from queues.dashboard.actions import offered
from queues.dashboard.database import Row, fetch
from queues.dashboard.respond import respond
from queues.domain.codes import LIVE_CODES, StateCode
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
    if not rows and "X-Region" in request.headers:
        return HttpResponse(status=204)
    if not rows:
        missing = {"id": activity_id, "queue": request.GET.get("queue", ""), "pruned": pruned}
        return respond(request, "activity_missing", missing, here="activities", status=404)
    context = _facts(rows[0]) | _history(entries) | {"members": members}
    return respond(request, "activity", context, here="activities")


def _facts(row: Row) -> dict[str, Any]:
    code = StateCode(row["state"])
    given = jsontext.members(row["document"])
    args, kwargs = given.get("args"), given.get("kwargs")
    return {
        "a": row,
        "code": code,
        "look": words.LOOKS[code],
        "acts": offered(code.state),
        "args": args,
        "kwargs": kwargs,
        "meta": given.get("meta"),
        "given_known": bool(args or kwargs or not row["preview"]),
        "running": code is StateCode.ACTIVE,
        "unserved": code in LIVE_CODES and not _served(row),
    }


def _history(entries: list[Row]) -> dict[str, Any]:
    told = timeline.told(entries)
    return {
        "timeline": told,
        "cut": len(entries) >= TIMELINE,
        "result": next((e["result"] for e in told if e.get("result")), None),
        "failures": [e for e in told if e.get("error")],
        "attempts": [e for e in told if e.get("is_attempt")],
        "lines": timeline.log_lines(told),
    }


def _served(row: Row) -> bool:
    """Tell whether some live worker serves the activity's queue and type."""
    now: dict[str, Any] = snapshot.read()
    return any(
        worker["shown"] == "running"
        and row["queue"] in (worker["queues"] or ())
        and (not worker["types"] or row["type"] in worker["types"])
        for worker in now["worker_rows"]
    )
