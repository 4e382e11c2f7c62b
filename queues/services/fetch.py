"""Read the body of one activity where the log keeps it, found through the hot view or the index."""

from typing import Any, NamedTuple

from queues.domain.errors import NotFound, PositionLost
from queues.domain.priority import Band
from queues.domain.record import Kind, Record, parse_record
from queues.domain.states import TERMINAL, State
from queues.hot import reads
from queues.hot.keys import code_of, stage_of_code
from queues.log.consumer import Reader
from queues.log.topics import topic_name
from queues.services.backbone import Backbone

FETCH_S = 5.0


class Cold(NamedTuple):
    """An activity as the log has it, for a decision on what the hot view does not hold."""

    state: str
    type: str
    priority: int
    partition: int
    address: str
    version: int
    earlier: str
    attempt: int
    body: bytes

    @property
    def settled(self) -> bool:
        """Whether it is terminal."""
        return State(self.state) in TERMINAL

    def row(self) -> tuple[Any, ...]:
        """What ``decide.lua`` is told of it."""
        return tuple(self[:-1])


async def fetch_record(
    b: Backbone, queue: str, kind: Kind, band: Band, partition: int, offset: int
) -> Record:
    """Return the record at an address of the log.

    Raises:
        NotFound: retention or compaction has removed it.
    """
    topic = topic_name(b.conf, queue, kind, band)
    reader = Reader(b.conf, {(topic, partition): offset})
    try:
        found = await reader.read(1, FETCH_S)
    except PositionLost:
        found = []
    finally:
        await reader.close()
    if not found or found[0].offset != offset or found[0].value is None:
        raise NotFound(f"the record at {topic}[{partition}]@{offset} is not in the log any more")
    m = found[0]
    return parse_record(queue, kind, band, partition, offset, m.timestamp_ms, m.key, m.headers, m.value)


async def fetch_cold(b: Backbone, queue: str, activity_id: str) -> Cold | None:
    """Return the version in effect as the log has it; None when neither view knows the activity."""
    hot = await reads.find(b.hot, queue, activity_id)
    if hot is not None and hot.settled and hot.record:
        code, _, offset = hot.record.partition(":")
        kind, band = stage_of_code(code)
        return _cold(
            await fetch_record(b, queue, kind, band, hot.partition, int(offset)), hot.address, hot.attempt
        )
    from queues.index.reads import find_record  # noqa: PLC0415 -- only what is not hot needs the index

    row = await find_record(await b.index(), activity_id)
    if row is None or row.queue != queue:
        return None
    record = await fetch_record(b, queue, Kind(row.kind), Band(row.band), row.partition, row.offset)
    return _cold(record, record.address, row.attempt)


def _cold(r: Record, address: str, attempt: int) -> Cold:
    own = f"{code_of(r.kind, r.band)}.{r.version}"
    earlier = f"{r.earlier},{own}" if r.earlier else own
    if r.kind is Kind.COMPLETED:
        earlier = r.earlier
    return Cold(
        r.state.value, r.type, r.priority, r.partition, address or f"{r.band}:{r.offset}", r.version, earlier,
        attempt, r.body or b"",
    )  # fmt: skip
