"""The demo's activities: real work on text files, some of it deliberately hard."""

import asyncio
import hashlib
import os
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec
from django.conf import settings

from queues import Backoff, RetryPolicy, State, activity, current
from queues.door import backbone
from queues.services.overview import hot_counts
from queues.services.results import Found, find_activity
from runnerq_site.demo.signature import signature_of
from runnerq_site.demo.text import guess_language, read_text, words_of

DOCUMENTS: Final = "documents"
REPORTS: Final = "reports"
CPU: Final = "cpu"
MOST_MEMBERS: Final = 200
_SOON: Final = RetryPolicy(backoff=Backoff.CONSTANT, initial_ms=2_000)
_SIDE_BY_SIDE: Final = 16


@activity(name="document.analyze", queue=DOCUMENTS, retry=_SOON, timeout=60)
def analyze(path: str) -> dict[str, Any]:
    """Count and hash one file; what is no text fails, is tried again, and ends as a dead letter."""
    file = Path(path)
    text = read_text(file)
    words = words_of(text.content)
    return {
        "file": file.name,
        "bytes": len(text.raw),
        "encoding": text.encoding,
        "language": guess_language(file, words),
        "lines": len(text.content.splitlines()),
        "words": len(words),
        "different_words": len(set(words)),
        "commonest": dict(Counter(word for word in words if len(word) > 3).most_common(5)),
        "sha256": hashlib.sha256(text.raw).hexdigest(),
    }


@activity(name="document.signature", queue=CPU, cpu=True, priority=-10, timeout=120)
def signature(path: str) -> list[int]:
    """Compute what near-duplicates share: bound by the processor, so it runs in a process of its own."""
    return signature_of(words_of(read_text(Path(path)).content))


@activity(name="document.crash_once", queue=CPU, cpu=True, priority=10, retry=_SOON, timeout=60)
def crash_once(path: str) -> dict[str, Any]:
    """Kill the process it runs in, as a faulty C library would; the second attempt does the work."""
    if current.attempt == 1:
        current.log(f"process {os.getpid()} is about to be killed by SIGKILL", "warning")
        os.kill(os.getpid(), signal.SIGKILL)
    text = read_text(Path(path))
    return {"file": Path(path).name, "bytes": len(text.raw), "attempt": current.attempt}


@activity(name="corpus.concordance", queue=REPORTS, timeout=300)
def concordance(paths: list[str], seconds: float = 20.0) -> dict[str, Any]:
    """Count words over many files, as slowly as a remote share would give them; tells how far it is."""
    counts: Counter[str] = Counter()
    for done, path in enumerate(paths, 1):
        counts.update(words_of(read_text(Path(path)).content))
        current.progress(done / len(paths), f"{done} of {len(paths)} files, {len(counts):,} different words")
        if current.wait_cancelled(seconds / len(paths)):
            current.raise_if_cancelled()
    return {"files": len(paths), "words": counts.total(), "commonest": dict(counts.most_common(20))}


@activity(name="corpus.report", queue=REPORTS, priority=20, timeout=60)
async def report(queue: str, members: list[str]) -> dict[str, Any]:
    """Add up what the members of its group found; runs once all of them have ended, well or not."""
    if len(members) > MOST_MEMBERS:
        raise ValueError(f"{len(members)} members, at most {MOST_MEMBERS}")
    gate = asyncio.Semaphore(_SIDE_BY_SIDE)
    b = await backbone()

    async def look(member: str) -> Found | None:
        async with gate:
            return await find_activity(b, queue, member)

    found = await asyncio.gather(*(look(member) for member in members))
    return _added_up(found)


def _added_up(found: list[Found | None]) -> dict[str, Any]:
    read: list[dict[str, Any]] = [
        msgspec.json.decode(one.result)
        for one in found
        if one and one.state is State.COMPLETED and one.result
    ]
    languages = Counter(one["language"] for one in read)
    copies = Counter(one["sha256"] for one in read)
    return {
        "files": len(found),
        "read": len(read),
        "no_text": sum(one is not None and one.state is State.DISCARDED for one in found),
        "lines": sum(one["lines"] for one in read),
        "words": sum(one["words"] for one in read),
        "copies": sum(count - 1 for count in copies.values()),
        "languages": dict(languages.most_common()),
    }


# By the clock only where people try things out: nobody's production wants to hear of it each minute.
@activity(name="corpus.heartbeat", queue=REPORTS, every="1m" if settings.DEBUG else None, timeout=30)
async def heartbeat() -> dict[str, Any]:
    """Note each minute how much waits and how much disk is left."""
    b = await backbone()
    counts = {queue: await hot_counts(b, queue) for queue in (DOCUMENTS, REPORTS, CPU)}
    return {
        "ready": {queue: each.ready for queue, each in counts.items()},
        "running": {queue: each.active for queue, each in counts.items()},
        "disk_free_gb": round(shutil.disk_usage(settings.BASE_DIR).free / 1e9, 1),
    }
