"""Load later records: apply, write the nulls that follow, do what settlements cause, move the position."""

import asyncio
import re
from collections.abc import Container, Sequence
from typing import Final

from queues import failpoints
from queues.domain.errors import MalformedRecord
from queues.domain.record import Kind, Record, decode_body
from queues.hot.pack import Row, row_of, row_of_header
from queues.hot.view import COUNTED
from queues.keeper.quarantine import quarantine
from queues.keeper.stage import Stage
from queues.log.consumer import RawMessage
from queues.services.workflows import count_members

SETTLER_S: Final = 0.1
"""How long the loader leaves a settlement to whoever appended it, at the most."""
LOOKS: Final = 4
_WORKFLOW: Final = "w"
_ADDRESS: Final = re.compile(r"[chnl]:\d+\Z")


async def load_later(stage: Stage, batch: Sequence[RawMessage]) -> int:
    """Apply a batch of retry, completed or dead letter records; return the offset to go on at."""
    records: list[Record] = []
    rows: list[Row] = []
    bodies: list[bytes] = []
    plain = await _plain(stage, batch)
    done: list[tuple[str, str]] = []
    for m in batch:
        if m.value is None:
            continue
        try:
            r = stage.parse(m)
            if m.offset in plain:
                done.append((r.id, r.earlier))
                continue
            row, body = _row(stage, r)
        except MalformedRecord as exc:
            await quarantine(stage, m, exc)
            continue
        records.append(r)
        rows.append(row)
        bodies.append(body)
    nulled = await _apply(stage, records, rows, bodies, done)
    following = batch[-1].offset + 1
    await stage.b.hot.move(stage.queue, stage.epoch, stage.code, stage.place[1], following, nulled)
    failpoints.hit("loader.moved")
    return following


async def _plain(stage: Stage, batch: Sequence[RawMessage]) -> Container[int]:
    """Return the offsets whose settlements need not be applied again: the settler's own call has said all there is."""
    if stage.kind is not Kind.COMPLETED:
        return ()
    found = await _noted(stage, batch)
    if len(found) >= len(batch) or any(name == _WORKFLOW for m in batch for name, _ in m.headers or ()):
        return found
    # Read as soon as it was appended: the settler is about to apply it, and would find it applied.
    for _ in range(LOOKS):
        await asyncio.sleep(SETTLER_S / LOOKS)
        found = await _noted(stage, batch)
        if len(found) >= len(batch):
            break
    return found


async def _noted(stage: Stage, batch: Sequence[RawMessage]) -> set[int]:
    first, last = batch[0].offset, batch[-1].offset
    runs = await stage.b.hot.plain(stage.queue, stage.epoch, stage.code, stage.place[1], first, last)
    return {offset for from_, to in runs for offset in range(max(from_, first), min(to, last + 1))}


def _row(stage: Stage, r: Record) -> tuple[Row, bytes]:
    if not _ADDRESS.match(r.address):
        raise MalformedRecord(f"{r.id}:{r.version} does not say where its first record lies: {r.address!r}")
    if stage.kind is Kind.RETRY:
        return row_of(decode_body(r), stage.code, r.partition, r.offset, r.address, r.earlier), r.body or b""
    return row_of_header(r), b""


async def _apply(
    stage: Stage,
    records: Sequence[Record],
    rows: Sequence[Row],
    bodies: Sequence[bytes],
    done: Sequence[tuple[str, str]],
) -> list[tuple[str, str]]:
    """Apply, null (what settlements in ``done`` left too), cause; return what was nulled of activities that live."""
    hot = stage.b.hot
    said = await hot.apply(stage.queue, rows, bodies, by_loader=True, epoch=stage.epoch) if records else []
    failpoints.hit("loader.applied")
    superfluous = [(r.id, gone) for r, (_, gone) in zip(records, said, strict=True) if gone]
    await stage.write_nulls([*superfluous, *(each for each in done if each[1])])
    failpoints.hit("loader.nulled")
    if stage.kind is Kind.RETRY:
        return superfluous
    ended = [
        (r.workflow, r.id)
        for r, (verdict, _) in zip(records, said, strict=True)
        if r.workflow and verdict == COUNTED
    ]
    if ended:
        await count_members(stage.b, ended)
        failpoints.hit("loader.caused")
    return []
