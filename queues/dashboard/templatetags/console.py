"""How values are written in templates: states, numbers, spans, instants, icons, JSON."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from django import template
from django.http import QueryDict
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from queues.dashboard import figures, jsontree, sparks, words

register = template.Library()
register.filter("number", figures.number)
register.filter("compact", figures.compact)
register.filter("rate", figures.rate)
register.filter("duration", figures.duration)
register.filter("size", figures.size)
register.filter("json_tree", jsontree.json_tree)
register.filter("reason", words.reason_text)
_ID_HEAD, _ID_TAIL = 8, 4


@register.simple_tag
@cache
def icon(name: str, css: str = "") -> SafeString:
    """Return an icon of the sprite, hidden from readers, since a word or label is beside it."""
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="{}#{}"/></svg>',
        f" {css}" if css else "",
        static("queues/vendor/icons.svg"),
        name,
    )


@register.simple_tag
def state(value: Any) -> SafeString:
    """Return a state as icon, word and colour."""
    look = words.look_of(value)
    return format_html('<span class="state {}">{}{}</span>', look.css, icon(look.icon), look.word)


@register.simple_tag
def instant(value: datetime | None, style: str = "ago") -> SafeString:
    """Return an instant: absolute as served, made relative by script (``ago``, ``clock``, ``since``)."""
    if value is None:
        return format_html('<span class="muted">{}</span>', "—")
    value = value.astimezone(UTC)
    full = value.strftime("%Y-%m-%d %H:%M:%S.") + f"{value.microsecond // 1000:03d} UTC"
    shown = value.strftime("%H:%M:%S") if style == "clock" else full[:16]
    return format_html(
        '<time datetime="{}" title="{}" data-t="{}">{}</time>',
        value.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        full,
        style,
        shown,
    )


@register.filter
def from_ms(value: int | None) -> datetime | None:
    """Return the instant of so many ms since the epoch; 0 is none."""
    return datetime.fromtimestamp(value / 1000, UTC) if value else None


@register.filter
def short_id(value: str) -> str:
    """Return an id's head and tail: UUIDv7s of one moment share their head."""
    return value if len(value) <= _ID_HEAD + _ID_TAIL + 2 else f"{value[:_ID_HEAD]}…{value[-_ID_TAIL:]}"


@register.simple_tag
def spark(values: list[float], label: str) -> SafeString:
    """Return a sparkline."""
    return sparks.sparkline(values, label)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """Return the page's own query string with ``changes``; an empty value removes its parameter."""
    request = context["request"]
    params: QueryDict = request.GET.copy()
    for key, value in changes.items():
        params.pop(key, None)
        if value not in ("", None):
            params[key] = str(value)
    return "?" + params.urlencode() if params else request.path


@register.filter
def yesno_is(value: Any, other: str) -> str:
    """Return whether two are equal, as ARIA writes it."""
    return "true" if value == other else "false"


@register.filter
def seconds(value: float | None) -> float | None:
    """Return so many seconds in ms."""
    return None if value is None else value * 1000


@register.filter
def percent(value: float | None) -> str:
    """Return a fraction as a percentage."""
    return "" if value is None else f"{value:.0%}".replace("%", figures.THIN + "%")


@register.filter
def state_word(value: Any) -> str:
    """Return the word of a state alone."""
    return words.look_of(value).word


@register.filter
def note_kind(level: str) -> str:
    """Return the colour of a message."""
    return {"success": "good", "warning": "warn", "error": "bad"}.get(level, "")


@register.filter
def note_icon(level: str) -> str:
    """Return the icon of a message."""
    return {"success": "circle-check", "warning": "triangle-alert", "error": "circle-x"}.get(level, "info")


@register.filter
def mean_run(row: dict[str, Any]) -> float | None:
    """Return the mean run time of a roll-up row, in ms."""
    return float(row["run_ms"] / row["ended"]) if row["ended"] else None


@register.filter
def claim_wait(entry: dict[str, Any]) -> float | None:
    """Return how long an attempt was claimed before its handler began, in ms."""
    if not (entry["claimed_at"] and entry["started_at"]):
        return None
    return max(float((entry["started_at"] - entry["claimed_at"]).total_seconds() * 1000), 0.0)
