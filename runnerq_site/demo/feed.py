"""What the demo enqueues: documents in groups with a report each, and beside them the deliberately hard ones."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from queues.domain.activity import Activity
from queues.domain.errors import OutcomeUnknown, Unavailable
from queues.services.backbone import Backbone
from queues.services.enqueue import enqueue_activities
from queues.services.workflows import enqueue_group
from runnerq_site.demo import activities
from runnerq_site.demo.files import Document

SIGNATURE_ONE_IN: Final = 20
HARD_EVERY: Final = 240
"""Batches between two rounds of slow and crashing ones; at 50 files a second about two minutes."""
SLOW_FILES: Final = 40
_PATIENCE_S: Final = 45.0
_PAUSE_S: Final = 1.0
_PRIORITY: Final = {".md": 10, ".rst": 10, ".txt": 10, ".json": -5, ".js": -5, ".css": -5, ".svg": -5}


class Batch(NamedTuple):
    """What is enqueued together; ``no_text`` are the ids of those that cannot succeed."""

    members: list[Activity]
    report: Activity
    others: list[Activity]
    no_text: set[str]

    def all(self) -> list[Activity]:
        """Return every activity of it."""
        return [*self.members, self.report, *self.others]


class Batches:
    """Makes batches; the first one and every 240th has a slow and a crashing activity too."""

    def __init__(self, root: Path, *, slow_s: float) -> None:
        self._root = root
        self._slow_s = slow_s
        self._made = 0
        self._texts = 0

    def of(self, documents: Sequence[Document]) -> Batch:
        """Return the activities for these files."""
        members = [self._analysis(document.path) for document in documents]
        no_text = {
            member.id for member, document in zip(members, documents, strict=True) if not document.is_text
        }
        report = activities.report.activity(activities.DOCUMENTS, [member.id for member in members])
        texts = [document.path for document in documents if document.is_text]
        others = self._signatures(texts)
        if texts and self._made % HARD_EVERY == 0:
            others += self._hard(texts)
        self._made += 1
        return Batch(members, report, others, no_text)

    def _analysis(self, path: Path) -> Activity:
        inside = path.relative_to(self._root)
        tags = [
            tag[:128] for tag in (inside.parts[0] if len(inside.parts) > 1 else "", path.suffix[1:]) if tag
        ]
        priority = _PRIORITY.get(path.suffix.lower(), 0)
        return activities.analyze.using(tags=tags, priority=priority).activity(str(path))

    def _signatures(self, texts: Sequence[Path]) -> list[Activity]:
        made = []
        for path in texts:
            if self._texts % SIGNATURE_ONE_IN == 0:
                made.append(activities.signature.activity(str(path)))
            self._texts += 1
        return made

    def _hard(self, texts: Sequence[Path]) -> list[Activity]:
        paths = [str(path) for path in texts[:SLOW_FILES]]
        slow = activities.concordance.using(tags=["slow"]).activity(paths, self._slow_s)
        crash = activities.crash_once.using(tags=["crash"]).activity(paths[0])
        return [slow, crash]


async def put(b: Backbone, batch: Batch, say: Callable[[str], None]) -> bool:
    """Enqueue ``batch``; while servers are away, try again with the same ids; False: given up after 45 s."""
    began, said = time.monotonic(), False
    while True:
        try:
            await enqueue_group(b, batch.members, batch.report)
            if batch.others:
                await enqueue_activities(b, batch.others)
        except (Unavailable, OutcomeUnknown) as exc:
            # An id is remembered for a minute after its end: repeated later, it could run a second time.
            if time.monotonic() - began > _PATIENCE_S:
                return False
            if not said:
                say(f"enqueue waits: {exc}")
                said = True
            await asyncio.sleep(_PAUSE_S)
        else:
            if said:
                say(f"enqueue goes on after {time.monotonic() - began:.0f} s")
            return True
