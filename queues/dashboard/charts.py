"""Series for charts: rates a second and percentiles, from the index's roll-ups; gaps stay gaps."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from queues.dashboard.database import Row, fetch, fetch_one
from queues.domain.codes import NameKind
from queues.index.histogram import percentile
from queues.index.queries_charts import counts_query, histograms_query
from queues.index.queries_names import name_query

ENOUGH_S: Final = 5
_QUANTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_COUNTS: Final = ("enqueued", "completed", "failed")


class Window(NamedTuple):
    """How far back, how much one point stands for, how long an answer is kept."""

    span: timedelta
    step_s: int
    fresh_s: float


WINDOWS: Final = {
    "15m": Window(timedelta(minutes=15), 60, 4),
    "1h": Window(timedelta(hours=1), 60, 4),
    "24h": Window(timedelta(hours=24), 900, 30),
}
_kept: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
_lock = threading.Lock()


def series(window: str, queue: str = "") -> dict[str, Any]:
    """Return ``at`` (epoch s of each step) with ``enqueued completed failed`` a second, ``wait run`` in ms.

    Computed once in some seconds a process, however many pages ask.
    """
    with _lock:
        kept = _kept.get((window, queue))
        if kept is None or time.monotonic() - kept[0] > WINDOWS[window].fresh_s:
            kept = time.monotonic(), _series(WINDOWS[window], queue)
            if len(_kept) > 100:
                _kept.clear()
            _kept[window, queue] = kept
        return kept[1]


def forget() -> None:
    """Compute anew for the next page."""
    with _lock:
        _kept.clear()


def _series(window: Window, queue: str) -> dict[str, Any]:
    queue_id = None
    if queue:
        found = fetch_one(name_query(NameKind.QUEUE, queue))
        queue_id = found["id"] if found else 0
    now = datetime.now(UTC)
    step = timedelta(seconds=window.step_s)
    begun_s = now.timestamp() % window.step_s
    # The step under way counts by the seconds it has had; after too few of them its rate would be a guess.
    last = now.timestamp() - begun_s - (0 if begun_s >= ENOUGH_S else window.step_s)
    begin = datetime.fromtimestamp(last, UTC) + step - window.span
    counts, waits, runs = fetch(
        counts_query(begin, window.step_s, queue_id),
        histograms_query("waits", begin, window.step_s, queue_id),
        histograms_query("runs", begin, window.step_s, queue_id),
    )
    by_step = {row["at"]: row for row in counts}
    steps = [begin + step * n for n in range(int(window.span / step))]
    counted = [by_step.get(at) for at in steps]
    return {
        "at": [int(at.timestamp()) for at in steps],
        **{name: [_rate(r, name, now, window.step_s) for r in counted] for name in _COUNTS},
        "wait": _percentiles(steps, waits),
        "run": _percentiles(steps, runs),
    }


def _rate(row: Row | None, name: str, now: datetime, step_s: int) -> float:
    if row is None:
        return 0
    elapsed_s = float((now - row["at"]).total_seconds())
    return round(float(row[name]) / min(max(elapsed_s, 1.0), step_s), 4)


def _percentiles(steps: list[datetime], buckets: list[Row]) -> dict[str, list[float | None]]:
    histograms: dict[datetime, list[int]] = {}
    for row in buckets:
        histogram = histograms.setdefault(row["at"], [])
        histogram.extend([0] * (row["bucket"] + 1 - len(histogram)))
        histogram[row["bucket"]] = row["count"]
    return {
        name: [_rounded(percentile(histograms.get(at, []), fraction)) for at in steps]
        for name, fraction in _QUANTILES
    }


def _rounded(ms: float | None) -> float | None:
    return None if ms is None else round(ms, 2)
