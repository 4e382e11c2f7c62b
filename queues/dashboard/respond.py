"""Turn a page's context into an answer: the whole page, or the one region that was asked for."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import TemplateDoesNotExist
from django.urls import reverse

from queues.dashboard import pen, snapshot

THEMES: Final = ("light", "dark", "system")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Ours, whatever the host project's own policy allows."""
_INSTANT_TEXT: Final = re.compile(rb"(<time[^>]*>)[^<]*")
_REGION: Final = re.compile(r"[a-z_]{1,32}\Z")


class _Item(NamedTuple):
    name: str
    label: str
    icon: str
    pulse: str = ""
    hot: bool = False
    wide: bool = False


_ITEMS: Final = (
    _Item("overview", "Overview", "gauge"),
    _Item("activities", "Activities", "list", "running"),
    _Item("queues", "Queues", "layers"),
    _Item("dead", "Dead letters", "skull", "dead", hot=True),
    _Item("workers", "Workers", "cpu", "workers"),
    _Item("enqueue", "Enqueue", "square-plus", wide=True),
)


def theme_of(request: HttpRequest) -> str:
    """Return the theme that the reader chose."""
    theme = request.COOKIES.get("rq-theme", "")
    return theme if theme in THEMES else "system"


def _nav(here: str, pulse: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        item._asdict()
        | {"href": reverse(item.name), "here": item.name == here, "count": pulse.get(item.pulse)}
        for item in _ITEMS
    ]


def frame(request: HttpRequest, here: str) -> dict[str, Any]:
    """Return what every page's frame shows."""
    pulse = snapshot.read()
    return {
        "theme": theme_of(request),
        "now_ms": int(datetime.now(UTC).timestamp() * 1000),
        "nav": _nav(here, pulse),
        "pulse": pulse,
        "here": here,
        "debug": settings.DEBUG,
    }


def respond(
    request: HttpRequest, name: str, context: dict[str, Any], *, here: str = "", status: int = 200
) -> HttpResponse:
    """Return page ``name``; for ``X-Region`` that part with an ETag; for htmx its ``content``."""
    region = request.headers.get("X-Region", "")
    if not region and "HX-Request" in request.headers and "HX-History-Restore-Request" not in request.headers:
        region = "content"
    template = f"queues/{name}.html"
    if not region or not _REGION.match(region):
        body = pen.write(template, frame(request, here or name) | context, request)
        return _private(HttpResponse(body, status=status))
    try:
        body = pen.write(f"{template}#{region}", {"pulse": snapshot.read()} | context, request)
    except TemplateDoesNotExist:
        return _private(HttpResponse(f"no region {region}", status=404, content_type="text/plain"))
    return _tagged(request, body.encode(), status)


def respond_alone(
    request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Return a page that stands without the frame: for readers who are not signed in."""
    body = pen.write(f"queues/{name}.html", {"theme": theme_of(request)} | context, request)
    return _private(HttpResponse(body, status=status))


def _tagged(request: HttpRequest, body: bytes, status: int) -> HttpResponse:
    # The text of a relative instant changes by itself, and the page's script keeps it: it is not a change.
    etag = '"' + hashlib.blake2b(_INSTANT_TEXT.sub(rb"\1", body), digest_size=12).hexdigest() + '"'
    same = request.headers.get("If-None-Match") == etag
    response = HttpResponse(status=304) if same else HttpResponse(body, status=status)
    response["ETag"] = etag
    return _private(response)


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Vary"] = "Cookie, X-Region, HX-Request"
    response["Content-Security-Policy"] = POLICY
    return response
