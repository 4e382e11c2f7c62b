"""Queues: how deep, how old, how fast; paused and resumed; dead letters purged by typing the name."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from queues import door
from queues.dashboard import snapshot
from queues.dashboard.database import Row, fetch, fetch_one
from queues.dashboard.pages.acting import ACT_S, reason_of, told
from queues.dashboard.pages.signin import next_url
from queues.dashboard.respond import respond
from queues.dashboard.words import LOOKS, TABS
from queues.domain.codes import NameKind, StateCode
from queues.domain.errors import QueueError
from queues.index.queries_names import name_query
from queues.index.queries_queue import sources_query, types_query
from queues.services.delete import purge_dead_letters
from queues.services.queues import pause_queue, resume_queue

OLD_S: Final = 60
LONG_PAUSE_S: Final = 600
RATE_MINUTES: Final = 5
PURGE_S: Final = 300.0


def queue_rows(now: datetime | None = None) -> list[Row]:
    """Return each queue as pages show it: counts, age, rates, trouble."""
    now = now or datetime.now(UTC)
    return [_shown(queue, now) for queue in snapshot.read()["queues"].values()]


def _shown(queue: Row, now: datetime) -> Row:
    states = queue["states"]
    last = [now.replace(second=0, microsecond=0) - timedelta(minutes=n) for n in range(60, 0, -1)]
    minutes = [queue["minutes"].get(minute) for minute in last]
    recent = [m for m in minutes[-RATE_MINUTES:] if m]
    waiting = states.get(StateCode.AVAILABLE, 0)
    row = queue | {
        "waiting": waiting,
        "scheduled": states.get(StateCode.SCHEDULED, 0),
        "retrying": states.get(StateCode.RETRYABLE, 0),
        "blocked": states.get(StateCode.PENDING, 0),
        "dead": states.get(StateCode.DEAD, 0),
        "total": sum(states.values()),
        "since": queue["since"] if waiting else None,
        "rate_in": sum(m["enqueued"] for m in recent) / (RATE_MINUTES * 60),
        "rate_out": sum(m["completed"] + m["failed"] for m in recent) / (RATE_MINUTES * 60),
        "spark": [m["completed"] + m["failed"] if m else 0 for m in minutes],
        "dead_hour": sum(m["dead"] for m in minutes if m),
    }
    return row | {"trouble": trouble_of(row, now)}


def trouble_of(row: Row, now: datetime) -> list[str]:
    """Return what is wrong with a queue, in words; empty is well."""
    found = []
    if row["paused"] and row.get("paused_at") and (now - row["paused_at"]).total_seconds() > LONG_PAUSE_S:
        found.append("paused for more than 10 minutes")
    if row["waiting"] and not row["workers"] and not row["paused"]:
        found.append("no worker serves this queue")
    elif row["since"] and (now - row["since"]).total_seconds() > OLD_S and not row["paused"]:
        found.append("something has waited for more than a minute")
    if row["dead_hour"]:
        noun = "dead letter" if row["dead_hour"] == 1 else "dead letters"
        found.append(f"{row['dead_hour']} {noun} in the last hour")
    return found


@require_safe
def queues(request: HttpRequest) -> HttpResponse:
    """List the queues."""
    return respond(request, "queues", {"rows": queue_rows()})


@require_safe
def queue(request: HttpRequest, name: str) -> HttpResponse:
    """Show one queue."""
    row = _one(name)
    found = fetch_one(name_query(NameKind.QUEUE, name))
    since = datetime.now(UTC) - timedelta(hours=1)
    types, sources = fetch(types_query(found["id"] if found else 0, since), sources_query())
    states = [
        {"look": LOOKS[code], "word": word, "count": row["states"].get(code, 0)}
        for word, code in TABS
        if code
    ]
    here = [source for source in sources if source["queue"] == name]
    context = {"q": row, "types": types, "states": states, "sources": here}
    return respond(request, "queue", context, here="queues")


def _one(name: str) -> Row:
    for row in queue_rows():
        if row["name"] == name:
            return row
    raise Http404(f"There is no queue {name}")


@require_http_methods(["GET", "HEAD", "POST"])
def pausing(request: HttpRequest, name: str, verb: str) -> HttpResponse:
    """Ask, or pause or resume the queue."""
    row = _one(name)
    if request.method != "POST":
        return respond(request, "ask_queue", {"q": row, "verb": verb}, here="queues")
    service = pause_queue if verb == "pause" else resume_queue
    try:
        door.call(
            service, name, actor=request.user.get_username(), reason=reason_of(request), timeout_s=ACT_S
        )
    except (QueueError, TimeoutError) as error:
        told(request, error)
    else:
        messages.success(request, f"Queue {name} is {'paused' if verb == 'pause' else 'running again'}.")
    snapshot.forget()
    return HttpResponseRedirect(next_url(request))


@require_http_methods(["GET", "HEAD", "POST"])
def purging(request: HttpRequest, name: str) -> HttpResponse:
    """Ask, or delete every dead letter of the queue, once its name has been typed and a reason given."""
    row = _one(name)
    context: dict[str, Any] = {"q": row, "wrong": ""}
    if request.method != "POST":
        return respond(request, "ask_purge", context, here="dead")
    reason = reason_of(request)
    if request.POST.get("typed", "") != name or not reason:
        context["wrong"] = "Type the queue's name exactly, and give a reason."
        return respond(request, "ask_purge", context, here="dead", status=400)
    try:
        actor = request.user.get_username()
        count = door.call(purge_dead_letters, name, actor=actor, reason=reason, timeout_s=PURGE_S)
    except (QueueError, TimeoutError) as error:
        told(request, error)
    else:
        messages.success(request, f"{count} dead letters of {name} were deleted.")
    snapshot.forget()
    return HttpResponseRedirect(reverse("dead"))
