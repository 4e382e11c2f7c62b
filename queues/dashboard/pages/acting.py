"""Forms that ask before they act on activities, and the acts."""

import asyncio
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from queues import door
from queues.dashboard import snapshot
from queues.dashboard.actions import ACTS, Act, wait_indexed
from queues.dashboard.database import Row, fetch
from queues.dashboard.pages.signin import next_url
from queues.dashboard.respond import respond
from queues.domain.codes import StateCode
from queues.domain.errors import QueueError
from queues.index.queries import rows_query
from queues.services.backbone import Backbone
from queues.services.decide import Decision

MOST: Final = 200
MAX_REASON: Final = 500
ACT_S: Final = 30.0


def told(request: HttpRequest, error: BaseException) -> None:
    """Leave a message that says what was refused, and why."""
    text = "The server did not answer in time; look at the activity before you try again."
    messages.error(request, str(error) if isinstance(error, QueueError) else text, extra_tags="sticky")


def reason_of(request: HttpRequest) -> str:
    """Return the reason that the operator gave."""
    return request.POST.get("reason", "").strip()[:MAX_REASON]


@require_http_methods(["GET", "HEAD", "POST"])
def act(request: HttpRequest, verb: str, activity_id: str) -> HttpResponse:
    """Ask, or do it and lead back to where the reader was."""
    doing = _known(verb)
    rows = fetch(rows_query([activity_id]))[0]
    if not rows:
        raise Http404(f"The index knows no activity {activity_id}")
    if request.method != "POST":
        return respond(request, "ask", _question(doing, rows), here="activities")
    try:
        done = _do(request, doing, rows[0])
    except (QueueError, TimeoutError) as error:
        told(request, error)
    else:
        _say(request, doing, rows[0], done)
    snapshot.forget()
    gone = verb == "delete" and reverse("activity", args=[activity_id]) in request.POST.get("next", "")
    return HttpResponseRedirect(reverse("activities") if gone else next_url(request))


def _known(verb: str) -> Act:
    if verb not in ACTS:
        raise Http404(f"There is no {verb}")
    return ACTS[verb]


def _question(doing: Act, rows: list[Row]) -> dict[str, Any]:
    fitting = [row for row in rows if doing.fits(StateCode(row["state"]).state)]
    return {"act": doing, "rows": rows, "fitting": fitting, "one": rows[0] if len(rows) == 1 else None}


def _do(request: HttpRequest, doing: Act, row: Row) -> Decision | None:
    decision: Decision | None = door.call(
        doing.do, row["queue"], row["id"],
        actor=request.user.get_username(), reason=reason_of(request), timeout_s=ACT_S,
    )  # fmt: skip
    return decision


def _say(request: HttpRequest, doing: Act, row: Row, decision: Decision | None) -> None:
    if wait_indexed(row["id"], decision):
        messages.success(request, f"{row['type']} was {doing.past}.")
    else:
        text = f"{row['type']} was {doing.past}. The index has not shown it yet: this page will in a moment."
        messages.warning(request, text, extra_tags="sticky")


@require_POST
def act_on_many(request: HttpRequest, verb: str) -> HttpResponse:
    """Do the same to each of the selected activities; ask first where it cannot be undone."""
    doing = _known(verb)
    ids = list(dict.fromkeys(request.POST.getlist("id")))[:MOST]
    [rows] = fetch(rows_query(ids))
    if rows and doing.danger and "sure" not in request.POST:
        context = _question(doing, rows) | {"many": True, "next": next_url(request)}
        return respond(request, "ask", context, here="activities")
    results = door.call(
        _each, doing, [(r["queue"], r["id"]) for r in rows],
        actor=request.user.get_username(), reason=reason_of(request), timeout_s=ACT_S,
    )  # fmt: skip
    _say_many(request, doing, results, [r["id"] for r in rows])
    snapshot.forget()
    return HttpResponseRedirect(next_url(request))


async def _each(
    b: Backbone, doing: Act, which: list[tuple[str, str]], *, actor: str, reason: str
) -> list[Decision | BaseException | None]:
    calls = (doing.do(b, queue, one, actor=actor, reason=reason) for queue, one in which)
    answers: list[Decision | BaseException | None] = await asyncio.gather(*calls, return_exceptions=True)
    return answers


def _say_many(request: HttpRequest, doing: Act, results: list[Any], ids: list[str]) -> None:
    refused = [(one, r) for one, r in zip(ids, results, strict=True) if isinstance(r, BaseException)]
    done = [(one, r) for one, r in zip(ids, results, strict=True) if not isinstance(r, BaseException)]
    if done:
        noun = "activity was" if len(done) == 1 else "activities were"
        late = (
            "" if wait_indexed(*done[-1]) else " The index has not shown it yet: this page will in a moment."
        )
        messages.success(request, f"{len(done)} {noun} {doing.past}.{late}")
    if refused:
        first = refused[0][1]
        why = str(first) if isinstance(first, QueueError) else type(first).__name__
        messages.error(request, f"{len(refused)} refused, the first because {why}", extra_tags="sticky")
    if not results:
        messages.warning(request, "Nothing was selected.")
