"""The timeline of an activity: each entry of the index as pages tell it, claims and starts taken out of settles."""

from collections.abc import Iterator
from typing import Final

from queues.dashboard import jsontext, words
from queues.dashboard.database import Row
from queues.domain.codes import Moment, StateCode

_VERBS: Final = {
    "redriven": "Sent back to work",
    "rescheduled": "Rescheduled",
    "prioritised": "Priority changed",
    "lease_lost": "Lease lost",
    "released": "Released",
    "woken": "Woken",
    "expired": "Expired",
    "retry_after": "Sleeps",
}
_NOTES: Final = {
    Moment.CLAIMED: ("Claimed", "inbox"),
    Moment.STARTED: ("Started", "play"),
    Moment.PROGRESS: ("Progress", "chart-line"),
    Moment.LOG: ("Log", "info"),
}


def told(entries: list[Row]) -> list[Row]:
    """Return what happened, newest first; an attempt's claim and start appear once, however often they were told."""
    shown = [_entry(entry) for entry in entries]
    seen = {(e["moment"], e["fence"]) for e in shown}
    for entry in tuple(shown):
        if entry["moment"] is Moment.RECORD and entry["fence"]:
            shown += (e for e in _taken_out(entry) if (e["moment"], e["fence"]) not in seen)
    # Of one instant, the later step of an attempt stands above the earlier one.
    return sorted(shown, key=lambda e: (e["at"], e["moment"] is Moment.RECORD, e["moment"]), reverse=True)


def _taken_out(entry: Row) -> Iterator[Row]:
    for moment, at, where in (
        (Moment.CLAIMED, entry["claimed_at"], "claimed"),
        (Moment.STARTED, entry["started_at"], "started"),
    ):
        if at:
            what, icon = _NOTES[moment]
            address = {key: entry[f"{where}_{key}"] for key in ("topic", "partition", "offset")}
            yield {
                "moment": moment, "fence": entry["fence"], "at": at, "what": what, "icon": icon,
                "css": "is-active", "attempt": entry["attempt"], "worker": entry["worker"], **address,
            }  # fmt: skip


def _entry(entry: Row) -> Row:
    detail = jsontext.members(entry["detail"])
    error = jsontext.members(detail.get("error"))
    moment, code = Moment(entry["moment"]), StateCode(entry["state"])
    look = words.LOOKS[code]
    what, icon = _NOTES.get(moment) or (_VERBS.get(entry["reason"] or "", look.word), look.icon)
    began = entry["started_at"] or entry["claimed_at"]
    ran = moment is Moment.RECORD and entry["fence"] and began
    return entry | {
        "moment": moment,
        "code": code,
        "what": what,
        "icon": icon,
        "css": look.css if moment is Moment.RECORD else "is-active",
        "is_attempt": bool(moment is Moment.RECORD and entry["fence"]),
        "error": {key: jsontext.plain(error.get(key)) for key in ("type", "message", "stack")}
        if error
        else None,
        "result": detail.get("result"),
        "message": jsontext.plain(detail.get("message")),
        "lines": jsontext.strings(detail.get("lines")),
        "progress": jsontext.fraction(detail.get("progress")),
        "run_ms": (entry["at"] - began).total_seconds() * 1000 if ran else None,
    }


def log_lines(entries: list[Row]) -> list[Row]:
    """Return the lines that handlers wrote, oldest first."""
    return [
        {"at": entry["at"], "text": line}
        for entry in reversed(entries)
        if entry["moment"] is Moment.LOG
        for line in entry["lines"] or [entry["message"]]
    ]
