"""Enqueue one activity by hand; what the form refuses, it says beside the field."""

import json
from typing import Any, Final

import msgspec
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from queues import door
from queues.dashboard import snapshot
from queues.dashboard.actions import wait_known
from queues.dashboard.listing import offered_names
from queues.dashboard.pages.acting import ACT_S
from queues.dashboard.respond import respond
from queues.domain.activity import Activity
from queues.domain.errors import EnqueueUnknown, Invalid, InvalidName, QueueError
from queues.domain.names import valid_queue, valid_type
from queues.domain.options import Options, new_activity, require_options
from queues.services.backbone import now_ms
from queues.services.enqueue import Accepted, enqueue_activities

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNIT_WORDS: Final = (("s", "seconds"), ("m", "minutes"), ("h", "hours"), ("d", "days"))
_EMPTY: Final = {
    "queue": "default",
    "type": "",
    "args": "[]",
    "kwargs": "{}",
    "priority": "0",
    "attempts": "3",
}


class _Wrong(Exception):
    """What is wrong with the form: field → text."""

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__(", ".join(found))
        self.found = found


@require_http_methods(["GET", "HEAD", "POST"])
def enqueue(request: HttpRequest) -> HttpResponse:
    """Show the form, or enqueue and lead to the activity."""
    if request.method != "POST":
        given = _EMPTY | {key: request.GET[key] for key in ("queue", "type") if request.GET.get(key)}
        return _form(request, given, {})
    given = _EMPTY | {key: value for key, value in request.POST.items() if isinstance(value, str)}
    try:
        activity = _activity(given)
        [accepted] = door.call(enqueue_activities, [activity], timeout_s=ACT_S)
    except _Wrong as wrong:
        return _form(request, given, wrong.found)
    except EnqueueUnknown as error:
        return _form(request, given | {"id": error.activity_id}, {"": str(error)}, 503)
    except QueueError as error:
        return _form(request, given, {"": str(error)}, 503 if error.retryable else 400)
    except TimeoutError:
        return _form(
            request, given, {"": "Kafka did not answer in time. It may or may not be enqueued."}, 503
        )
    return _accepted(request, accepted)


def _accepted(request: HttpRequest, accepted: Accepted) -> HttpResponse:
    snapshot.forget()
    if accepted.existing:
        messages.warning(request, "An activity with this key is under way already: this is it.")
    else:
        messages.success(request, f"Enqueued: partition {accepted.partition}, offset {accepted.offset}.")
    wait_known(accepted.id)
    address = reverse("activity", args=[accepted.id])
    return HttpResponseRedirect(f"{address}?{urlencode({'queue': accepted.queue})}")


def _form(
    request: HttpRequest, given: dict[str, Any], wrong: dict[str, str], status: int = 0
) -> HttpResponse:
    context = {
        "given": given,
        "wrong": wrong,
        "problem": wrong.get("", ""),
        "units": _UNIT_WORDS,
        **offered_names(),
    }
    return respond(request, "enqueue", context, status=status or (400 if wrong else 200))


def _activity(given: dict[str, str]) -> Activity:
    wrong: dict[str, str] = {}
    for field, valid in (("queue", valid_queue), ("type", valid_type)):
        try:
            given[field] = valid(given[field].strip())
        except InvalidName as error:
            wrong[field] = str(error)
    args = _json(given["args"], list, "args", 'a JSON array, such as [1, "two"]', wrong)
    kwargs = _json(given["kwargs"], dict, "kwargs", 'a JSON object, such as {"name": "value"}', wrong)
    numbers = {
        "priority": _whole(given, "priority", -100, 100, wrong),
        "attempts": _whole(given, "attempts", 1, 1_000_000, wrong),
        "delay": _whole(given, "delay", 0, 315_360_000, wrong) * UNITS.get(given.get("unit", "s"), 1) * 1000,
    }
    if wrong:
        raise _Wrong(wrong)
    return _built(given, args, kwargs, numbers)


def _built(given: dict[str, str], args: Any, kwargs: Any, numbers: dict[str, int]) -> Activity:
    tags = tuple(tag for tag in (t.strip() for t in given.get("tags", "").split(",")) if tag)
    try:
        options = Options(
            queue=given["queue"],
            id=given.get("id", "").strip(),
            key=given.get("key", "").strip(),
            tags=tags,
            priority=numbers["priority"],
            max_attempts=numbers["attempts"],
            delay_ms=numbers["delay"],
        )
        return new_activity(
            given["type"], require_options(options), now_ms=now_ms(), args=args, kwargs=kwargs
        )
    except Invalid as error:
        field = str(error).split(" ", 1)[0].rstrip(":")
        known = {"id": "id", "tags": "tags", "delay_ms": "delay", "priority": "priority"}
        raise _Wrong({known.get(field, ""): str(error)}) from error


def _json(text: str, kind: type, field: str, expected: str, wrong: dict[str, str]) -> msgspec.Raw | None:
    try:
        if isinstance(
            json.loads(text or ("[]" if kind is list else "{}"), parse_int=str, parse_float=str), kind
        ):
            return msgspec.Raw(text.strip().encode() or (b"[]" if kind is list else b"{}"))
        wrong[field] = f"This is JSON, but not {expected}."
    except ValueError as error:
        place = (
            f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        )
        wrong[field] = f"This is no valid JSON: {getattr(error, 'msg', error)}{place}. Give {expected}."
    except RecursionError:
        wrong[field] = "This is nested too deeply."
    return None


def _whole(given: dict[str, str], field: str, low: int, high: int, wrong: dict[str, str]) -> int:
    try:
        value = int(given.get(field, "").strip() or 0)
        if low <= value <= high:
            return value
    except ValueError:
        pass
    wrong[field] = f"Give a whole number from {low} to {high}."
    return 0
