"""The activities list: tabs by state, filters, pages by keyset, rows that stay current."""

from dataclasses import replace
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from queues.dashboard import snapshot, words
from queues.dashboard.database import TooSlow, fetch_one
from queues.dashboard.listing import (
    SPAN_WORDS,
    Asked,
    Listed,
    counts_of,
    cursor,
    make_filter,
    new_since,
    offered_names,
    page_of,
    read_asked,
    shown_again,
)
from queues.dashboard.respond import respond
from queues.dashboard.rowlook import decorated
from queues.dashboard.running import running_rows
from queues.domain.codes import StateCode
from queues.index.queries_activity import id_query


@require_safe
def activities(request: HttpRequest) -> HttpResponse:
    """List activities; a text that is an id leads to its activity."""
    asked = read_asked(request.GET)
    if asked.text and "X-Region" not in request.headers and fetch_one(id_query(asked.text)):
        return HttpResponseRedirect(reverse("activity", args=[asked.text]))
    return _answer(request, "activities", asked, None)


@require_safe
def dead(request: HttpRequest) -> HttpResponse:
    """List dead letters."""
    asked = read_asked(request.GET)
    return _answer(request, "dead", asked, (StateCode.DEAD,))


def _answer(
    request: HttpRequest, name: str, asked: Asked, states: tuple[StateCode, ...] | None
) -> HttpResponse:
    context: dict[str, Any] = {"asked": asked, "find": asked.text, "spans": SPAN_WORDS}
    try:
        if request.headers.get("X-Region") == "rows":
            return _rows_again(request, name, asked, states)
        context |= _listed(asked, states)
    except TooSlow:
        context |= {"too_slow": True, "listed": Listed([]), "tabs": _tabs(asked, {}, {}), **offered_names()}
    return respond(request, name, context)


def _listed(asked: Asked, states: tuple[StateCode, ...] | None) -> dict[str, Any]:
    f = make_filter(asked, states=states)
    now = snapshot.read()
    live = running_rows(asked, list(now["queues"])) if asked.tab == "running" and states is None else None
    listed = Listed(live) if live is not None else page_of(asked, f)
    counts = counts_of(asked, f)
    top = cursor(listed.rows[0], f.key) if f and listed.rows and listed.first and live is None else ""
    return {
        "listed": replace(listed, rows=decorated(listed.rows, by_due=bool(f and f.by_due))),
        "top": top,
        "sorted_by": f.key if f else "updated_at",
        "frequent": bool(f and f.text and f.hits is None),
        "from_leases": live is not None,
        "tabs": _tabs(asked, counts, now),
        "dead_count": counts.get(StateCode.DEAD, (None, False)),
        **offered_names(),
    }


def _tabs(
    asked: Asked, counts: dict[StateCode, tuple[int, bool]], now: dict[str, Any]
) -> list[dict[str, Any]]:
    tabs = []
    for word, code in words.TABS:
        count: tuple[int, bool] | None = counts.get(code) if code else None
        if code is None and counts:
            count = sum(n for n, _ in counts.values()), any(over for _, over in counts.values())
        if code is StateCode.ACTIVE and not asked.narrowed and now.get("hot"):
            count = now["running"], False
        look = words.LOOKS[code] if code else None
        tabs.append({"word": word, "look": look, "count": count, "here": asked.tab == word})
    return tabs


def _rows_again(
    request: HttpRequest, name: str, asked: Asked, states: tuple[StateCode, ...] | None
) -> HttpResponse:
    """Answer with the present state of the rows that a page shows, and how many newer ones there are."""
    ids = [one for one in request.GET.get("ids", "").split(",") if one]
    f = make_filter(asked, states=states)
    context = {
        "asked": asked,
        "listed": Listed(decorated(shown_again(ids), by_due=bool(f and f.by_due))),
        "sorted_by": f.key if f else "updated_at",
    }
    response = respond(request, name, context)
    response["X-New"] = str(new_since(f, request.GET.get("top", ""), ids))
    return response
