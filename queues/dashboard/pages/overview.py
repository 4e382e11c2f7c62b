"""The overview: the few numbers that say whether all is well, and what is not."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from queues.dashboard import charts, snapshot
from queues.dashboard.pages.queues import queue_rows
from queues.dashboard.respond import respond

HOUR: Final = timedelta(hours=1)


@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Show the overview."""
    now = datetime.now(UTC)
    rows = queue_rows(now)
    window = request.GET.get("window", "") or _fitting(rows, now)
    context = {
        "rows": rows,
        "troubled": [row for row in rows if row["trouble"]],
        "tiles": _tiles(rows),
        "window": window if window in charts.WINDOWS else "1h",
        "windows": list(charts.WINDOWS),
    }
    return respond(request, "overview", context)


def _fitting(rows: list[dict[str, Any]], now: datetime) -> str:
    """Return the window that what is known fills best: an hour of nothing tells nothing."""
    known = [minute for row in rows for minute in row["minutes"]]
    return "15m" if not known or now - min(known) < timedelta(minutes=14) else "1h"


def _tiles(rows: list[dict[str, Any]]) -> dict[str, Any]:
    now = snapshot.read()
    spans = [list(row["minutes"].values()) for row in rows]
    failed = sum(m["failed"] for minutes in spans for m in minutes)
    return {"failed_hour": failed, "rate_in": sum(r["rate_in"] for r in rows), "busy": now["running"]}


@require_safe
def pulse(request: HttpRequest) -> JsonResponse:
    """Return what a frame of the socket would say: for pages whose socket is down."""
    del request
    response = JsonResponse({"pulse": snapshot.pulse()})
    response["Cache-Control"] = "no-store"
    return response


@require_safe
def chart(request: HttpRequest) -> JsonResponse:
    """Return the roll-ups that the charts draw."""
    window = request.GET.get("window", "1h")
    found = charts.series(window if window in charts.WINDOWS else "1h", request.GET.get("queue", ""))
    response = JsonResponse(found)
    response["Cache-Control"] = "no-store"
    return response
