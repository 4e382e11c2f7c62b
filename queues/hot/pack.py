"""What the scripts are told of a record: a row of twenty fields, as ``lua/lib/admit.lua`` names them."""

from typing import Any

from queues.domain.activity import Activity
from queues.domain.record import Kind, Record
from queues.hot.keys import code_of

type Row = tuple[Any, ...]
ONCE = b'"once":true'


def row_of(a: Activity, code: str, partition: int, offset: int, address: str = "", earlier: str = "") -> Row:
    """Return the row of a record whose activity is at hand."""
    return (
        a.id, code, partition, offset, a.version, a.state, a.type, a.priority, a.due_ms, a.expires_ms, a.key,
        a.unique.key if a.unique else "", 1 if a.once else 0, a.limits, a.workflow, a.members, address, earlier,
        a.created_ms, a.attempt,
    )  # fmt: skip


def row_of_header(r: Record) -> Row:
    """Return the row of a record that is known by its headers alone (enough for a settlement)."""
    return (
        r.id, code_of(r.kind, r.band), r.partition, r.offset, r.version, r.state, r.type, r.priority, r.due_ms, 0, "",
        "", 1 if may_come_twice(r) else 0, (), r.workflow, 0, r.address, r.earlier, 0, 0,
    )  # fmt: skip


def may_come_twice(r: Record) -> bytes:
    """Return the mark of an id that may come twice, when the body bears it (or text that looks like it: harmless)."""
    return ONCE if r.body is not None and ONCE in r.body else b""


def is_later(kind: Kind) -> bool:
    """Whether records of this topic are decided by version alone."""
    return kind is not Kind.PENDING
