"""Load later records: apply, write the nulls that follow, do what settlements cause, move the position."""

import re
from collections.abc import Sequence
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

_ADDRESS: Final = re.compile(r"[chnl]:\d+\Z")


async def load_later(stage: Stage, batch: Sequence[RawMessage]) -> int:
    """Apply a batch of retry, completed or dead letter records; return the offset to go on at."""
    records: list[Record] = []
    rows: list[Row] = []
    bodies: list[bytes] = []
    for m in batch:
        if m.value is None:
            continue
        try:
            r = stage.parse(m)
            row, body = _row(stage, r)
        except MalformedRecord as exc:
            await quarantine(stage, m, exc)
            continue
        records.append(r)
        rows.append(row)
        bodies.append(body)
    nulled = await _apply(stage, records, rows, bodies) if records else []
    following = batch[-1].offset + 1
    await stage.b.hot.move(stage.queue, stage.epoch, stage.code, stage.place[1], following, nulled)
    failpoints.hit("loader.moved")
    return following


def _row(stage: Stage, r: Record) -> tuple[Row, bytes]:
    if not _ADDRESS.match(r.address):
        raise MalformedRecord(f"{r.id}:{r.version} does not say where its first record lies: {r.address!r}")
    if stage.kind is Kind.RETRY:
        return row_of(decode_body(r), stage.code, r.partition, r.offset, r.address, r.earlier), r.body or b""
    return row_of_header(r), b""


async def _apply(
    stage: Stage, records: Sequence[Record], rows: Sequence[Row], bodies: Sequence[bytes]
) -> list[tuple[str, str]]:
    """Apply, null, cause; return what was nulled of activities that live on."""
    said = await stage.b.hot.apply(stage.queue, rows, bodies, by_loader=True, epoch=stage.epoch)
    failpoints.hit("loader.applied")
    superfluous = [(r.id, gone) for r, (_, gone) in zip(records, said, strict=True) if gone]
    await stage.write_nulls(superfluous)
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
