"""Load first records: those that no island covers, up to the window."""

import asyncio
from collections.abc import Sequence
from typing import Final

from queues import failpoints
from queues.domain.errors import MalformedRecord
from queues.domain.record import Record, decode_body
from queues.hot.pack import row_of
from queues.keeper.quarantine import quarantine
from queues.keeper.stage import Stage
from queues.log.consumer import RawMessage

NOTHING, NULL, LOAD = "0", "1", "2"
FEW: Final = 50
ENQUEUER_S: Final = 0.02
"""How long the loader leaves a few records at the log's end to whoever appended them."""


async def load_pending(stage: Stage, batch: Sequence[RawMessage]) -> int:
    """Apply a batch of a pending topic; return the offset to go on at, within the batch when the window is full."""
    # What islands have carried the position past is done with: its nulls follow from its settlements.
    position = await stage.position()
    following = batch[-1].offset + 1
    if 0 < following - position <= FEW:
        # Read as soon as it was appended: the enqueuer is about to let it in, and would come too late.
        await asyncio.sleep(ENQUEUER_S)
        position = await stage.position()
    records = await _records(stage, [m for m in batch if m.value is not None and m.offset >= position])
    if not records and following <= position:
        return following
    asked = [(r.id, r.offset) for r in records]
    _, room, digits = await stage.b.hot.look(
        stage.queue, stage.epoch, stage.band.value, stage.place[1], asked
    )
    chosen: list[Record] = []
    nulls: list[tuple[str, str]] = []
    for r, digit in zip(records, digits, strict=True):
        if digit == LOAD:
            if len(chosen) >= room:
                following = r.offset
                break
            chosen.append(r)
        elif digit == NULL:
            nulls.append((r.id, f"{stage.code}.{r.version}"))
    await stage.write_nulls(nulls)
    failpoints.hit("loader.nulled")
    await _load(stage, chosen, following)
    failpoints.hit("loader.loaded")
    return following


async def _records(stage: Stage, messages: Sequence[RawMessage]) -> list[Record]:
    records: list[Record] = []
    for m in messages:
        try:
            records.append(stage.parse(m))
        except MalformedRecord as exc:
            await quarantine(stage, m, exc)
    return records


async def _load(stage: Stage, chosen: Sequence[Record], following: int) -> None:
    rows, bodies = [], []
    for r in chosen:
        try:
            a = decode_body(r)
        except MalformedRecord as exc:
            await quarantine(stage, r, exc)
            continue
        rows.append(row_of(a, stage.code, r.partition, r.offset))
        bodies.append(r.body or b"")
    await stage.b.hot.load(
        stage.queue, stage.epoch, stage.band.value, stage.place[1], following, rows, bodies
    )
