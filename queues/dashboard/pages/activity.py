"""One activity: what it was given, what became of it, each record of it with its place in the log."""

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from queues import door
from queues.dashboard import jsontext, snapshot, timeline, words
from queues.dashboard.actions import offered
from queues.dashboard.database import Row, fetch
from queues.dashboard.respond import respond
from queues.domain.activity import decode_activity
from queues.domain.codes import LIVE_CODES, StateCode
from queues.domain.errors import NotFound, QueueError
from queues.index.queries_activity import (
    TIMELINE,
    activity_query,
    members_query,
    pruned_query,
    timeline_query,
)
from queues.log.topics import parse_topic
from queues.services.backbone import Backbone
from queues.services.fetch import fetch_record

READ_S: Final = 10.0


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
    if not context["given_known"] and request.GET.get("given") == "log":
        context |= _given_in_log(rows[0])
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


def _given_in_log(row: Row) -> dict[str, Any]:
    """Return the arguments as the log has them: the index leaves large ones out."""
    try:
        args, kwargs = door.call(_read_given, row, timeout_s=READ_S)
    except (QueueError, TimeoutError) as error:
        return {"given_problem": str(error) or "Kafka did not answer in time"}
    return {"args": args, "kwargs": kwargs, "given_known": True}


async def _read_given(b: Backbone, row: Row) -> tuple[str, str]:
    parsed = parse_topic(b.conf, row["topic"])
    if parsed is None:
        raise NotFound(f"{row['topic']} is none of this installation's topics")
    queue, kind, band = parsed
    record = await fetch_record(b, queue, kind, band, row["partition"], row["offset"])
    found = decode_activity(record.body or b"{}")
    return bytes(found.args).decode(), bytes(found.kwargs).decode()


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
