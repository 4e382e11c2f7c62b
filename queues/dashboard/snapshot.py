"""The state of the whole as of the last second: computed once a process, for all pages and sockets."""

import asyncio
import logging
import threading
import time
from concurrent.futures import TimeoutError as DoorTimeout
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from queues import door
from queues.dashboard import figures
from queues.dashboard.database import Row, TooSlow, fetch
from queues.dashboard.words import TAB_OF
from queues.domain.codes import StateCode
from queues.domain.errors import QueueError
from queues.hot.reads import Counts
from queues.index.queries_queue import (
    depths_query,
    minutes_query,
    oldest_query,
    settings_query,
    sources_query,
    workers_query,
)
from queues.services.backbone import Backbone
from queues.services.overview import hot_counts

logger = logging.getLogger(__name__)

FRESH_S: Final = 1.0
BEHIND_S: Final = 10.0
STALE_WORKER_S: Final = 15.0
SILENT_S: Final = 15.0
ASK_S: Final = 1.5
AWAY_S: Final = 5.0
HISTORY_MINUTES: Final = 60

_lock = threading.Lock()
_at = 0.0
_last: dict[str, Any] = {}
_away_until: dict[str, float] = {}


def read() -> dict[str, Any]:
    """Return the snapshot, at most a second old while the index answers."""
    global _at, _last  # noqa: PLW0603 -- one snapshot a process is the point
    if time.monotonic() - _at < FRESH_S:
        return _last
    if not _lock.acquire(blocking=not _last):
        return _last
    try:
        if time.monotonic() - _at >= FRESH_S:
            _last = _compute()
            _at = time.monotonic()
        return _last
    finally:
        _lock.release()


def forget() -> None:
    """Make the next reader compute anew: something was just done."""
    global _at  # noqa: PLW0603
    _at = 0.0


def reset() -> None:
    """Know nothing, as a process that has just begun."""
    global _last  # noqa: PLW0603
    forget()
    _last = {}
    _away_until.clear()


def _compute() -> dict[str, Any]:
    now = datetime.now(UTC)
    try:
        depths, oldest, decided, minutes, workers, sources = fetch(
            depths_query(),
            oldest_query(),
            settings_query(),
            minutes_query(now - timedelta(minutes=HISTORY_MINUTES + 1)),
            workers_query(),
            sources_query(),
        )
    except (QueueError, TooSlow) as error:
        logger.warning("snapshot: %s", error)
        return (
            _last | {"index": False, "freshness": "does not answer", "behind": True}
            if _last
            else _nothing(now)
        )
    queues = _queues(depths, oldest, decided, minutes, sources)
    hot = _ask("hot", _all_counts, list(queues))
    for name, queue in queues.items():
        queue["hot"] = hot.get(name) if hot is not None else None
        queue["running"] = queue["hot"].active if queue["hot"] else queue["states"].get(StateCode.ACTIVE, 0)
    serving = _workers(workers, queues, now)
    return _summary(now, queues, serving, _lag(sources, now), hot_known=hot is not None or not queues)


def _nothing(now: datetime) -> dict[str, Any]:
    return _summary(now, {}, [], {"freshness": "does not answer", "behind": True}, hot_known=True) | {
        "index": False
    }


def _queues(
    depths: list[Row], oldest: list[Row], decided: list[Row], minutes: list[Row], sources: list[Row]
) -> dict[str, Row]:
    names = {r["queue"] for r in (*depths, *sources) if r["queue"]} | {r["name"] for r in decided}
    queues: dict[str, Row] = {
        name: {
            "name": name,
            "states": {},
            "since": None,
            "minutes": {},
            "paused": False,
            "workers": 0,
            "slots": 0,
        }
        for name in sorted(names)
    }
    for row in depths:
        queues[row["queue"]]["states"][StateCode(row["state"])] = row["count"]
    for row in oldest:
        if row["queue"] in queues:
            queues[row["queue"]]["since"] = row["since"]
    for row in decided:
        queues[row["name"]] |= {
            key: row[key] for key in ("paused", "paused_by", "paused_reason", "paused_at")
        }
    for row in minutes:
        if row["queue"] in queues:
            queues[row["queue"]]["minutes"][row["minute"]] = row
    return queues


def _workers(rows: list[Row], queues: dict[str, Row], now: datetime) -> list[Row]:
    for row in rows:
        row["age_s"] = (now - row["seen_at"]).total_seconds()
        row["shown"] = "lost" if row["age_s"] > STALE_WORKER_S and row["state"] != "stopped" else row["state"]
        if row["shown"] == "running":
            for name in row["queues"] or ():
                if name in queues:
                    queues[name]["workers"] += 1
                    queues[name]["slots"] += row["slots"]
    return rows


def _ask(what: str, fn: Any, *args: Any) -> Any:
    """Return what ``fn`` finds, or None when its server is away; it is then left alone for some seconds."""
    if time.monotonic() < _away_until.get(what, 0.0):
        return None
    try:
        return door.call(fn, *args, timeout_s=ASK_S)
    except (QueueError, DoorTimeout) as error:
        logger.warning("%s does not answer: %s", what, error or type(error).__name__)
        _away_until[what] = time.monotonic() + AWAY_S
        return None


async def _all_counts(b: Backbone, queues: list[str]) -> dict[str, Counts]:
    return dict(zip(queues, await asyncio.gather(*(hot_counts(b, name) for name in queues)), strict=True))


def _lag(sources: list[Row], now: datetime) -> dict[str, Any]:
    """Return how far the index is behind the log, by what the indexer itself saw of both."""
    if not sources:
        return {"freshness": "has read nothing yet", "behind": False, "lag": None, "lag_s": None}
    looked_s = (now - max(s["updated_at"] for s in sources)).total_seconds()
    if looked_s > SILENT_S:
        text = f"has not been written for {figures.duration(looked_s * 1000)}: does an indexer run?"
        return {"freshness": text, "behind": True, "lag": None, "lag_s": looked_s}
    behind = [(s["end_offset"] - max(s["next_offset"], 0), s) for s in sources]
    records = sum(max(n, 0) for n, _ in behind)
    ages = [(now - s["record_at"]).total_seconds() for n, s in behind if n > 0 and s["record_at"]]
    lag_s = max(ages, default=0.0)
    if not records:
        return {"freshness": "up to date", "behind": False, "lag": 0, "lag_s": 0.0}
    text = f"{figures.number(records)} records behind, {figures.duration(lag_s * 1000)}"
    return {"freshness": text, "behind": lag_s > BEHIND_S, "lag": records, "lag_s": lag_s}


def _summary(
    now: datetime, queues: dict[str, Row], workers: list[Row], lag: dict[str, Any], *, hot_known: bool
) -> dict[str, Any]:
    totals: dict[StateCode, int] = dict.fromkeys(StateCode, 0)
    for queue in queues.values():
        for code, count in queue["states"].items():
            totals[code] += count
    counts = {TAB_OF[code]: count for code, count in totals.items()}
    counts["running"] = sum(queue.get("running", 0) for queue in queues.values())
    oldest = [q["since"] for q in queues.values() if q["since"] and q["states"].get(StateCode.AVAILABLE)]
    live = [w for w in workers if w["shown"] == "running"]
    said = f"{counts['waiting']} waiting, {counts['running']} running, {counts['dead']} dead letters"
    return {
        "version": int(now.timestamp() * 1000),
        "as_of": now.strftime("%H:%M:%S"),
        "index": True,
        "hot": hot_known,
        "queues": queues,
        "worker_rows": workers,
        "workers": len(live),
        "lost": sum(w["shown"] == "lost" for w in workers),
        "slots": sum(w["slots"] for w in live),
        "since": min(oldest, default=None),
        "said": said,
        "lag": None,
        "lag_s": None,
        **counts,
        **lag,
    }


PULSE_KEYS: Final = (
    "version", "as_of", "index", "hot", "workers", "lost", "slots", "said", "lag", "lag_s", "freshness",
    "behind",    *TAB_OF.values(),
)  # fmt: skip


def pulse() -> dict[str, Any]:
    """Return the part of the snapshot that goes to browsers: absolute values and a version."""
    now = read()
    return {key: now[key] for key in PULSE_KEYS}
