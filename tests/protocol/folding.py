"""The log, folded by its own rules, to hold against what the views say."""

from typing import NamedTuple

import msgspec

from queues.domain.priority import Band
from queues.domain.record import STAGES, Kind, Record, parse_record
from queues.domain.states import TERMINAL
from queues.hot.keys import code_of
from queues.log.consumer import RawMessage, Reader
from tests.protocol.system import System

_decode = msgspec.msgpack.Decoder(strict=False).decode


class Logged(NamedTuple):
    """All records of one activity, and which of them have a null."""

    records: list[Record]
    nulls: set[tuple[str, int, int]]
    """Topic letter, partition, version."""

    @property
    def newest(self) -> Record:
        """The record in effect: the highest version; of a repeat, the first."""
        return max(self.records, key=lambda r: (r.version, -r.offset))

    @property
    def live(self) -> bool:
        return self.newest.state not in TERMINAL

    def nulled(self, r: Record) -> bool:
        return (code_of(r.kind, r.band), r.partition, r.version) in self.nulls


async def fold(s: System, queue: str) -> dict[str, Logged]:
    """Read every stage topic of the queue; return what the log says of each activity."""
    await s.look()
    places = s.directory.of(queue, *STAGES)
    ends = await s.b.admin.end_offsets(places)
    found: dict[str, Logged] = {}
    left = {p for p in places if ends[p]}
    if not left:
        return found
    reader = Reader(s.b.conf, dict.fromkeys(left, 0))
    try:
        while left:
            for m in await reader.read(5_000, 0.5):
                _note(s, queue, found, m)
                if m.offset + 1 >= ends[m.topic, m.partition]:
                    left.discard((m.topic, m.partition))
            left -= {p for p, at in reader.at_end.items() if at >= ends[p]}
    finally:
        await reader.close()
    return found


def _note(s: System, queue: str, found: dict[str, Logged], m: RawMessage) -> None:
    _, kind, band = s.directory.topics[m.topic]
    r = parse_record(
        queue, kind, Band(band), m.partition, m.offset, m.timestamp_ms, m.key, m.headers, m.value
    )
    logged = found.setdefault(r.id, Logged([], set()))
    if r.body is None:
        logged.nulls.add((code_of(r.kind, r.band), r.partition, r.version))
    else:
        logged.records.append(r)


async def hot_records(s: System, queue: str) -> dict[str, dict]:
    """Return every hot record of the queue as it lies in Redis."""
    command = s.b.hot.client.command
    base = s.b.hot.keys(queue).base
    names = await command("KEYS", f"{base}a:*")
    return {name.decode().removeprefix(f"{base}a:"): _decode(await command("GET", name)) for name in names}


async def assert_views_agree(s: System, queue: str) -> dict[str, Logged]:
    """Check that the hot view, loaded to the end, is what the log folds to, and that no null is missing or too many."""
    await s.load(queue)
    logged, hot = await fold(s, queue), await hot_records(s, queue)
    for activity_id, of in logged.items():
        newest, record = of.newest, hot.get(activity_id)
        if record is not None and not of.live and record["v"] > newest.version:
            # Claimed since, under a version that is not in the log yet: the run under way decides.
            continue
        where = f"{activity_id}: log {[(r.kind.value, r.version, of.nulled(r)) for r in of.records]}, hot {record}"
        superseded = [
            r for r in of.records if r.kind in {Kind.PENDING, Kind.RETRY} and r.version < newest.version
        ]
        if of.live:
            assert record is not None, f"LOST {where}"
            assert record["s"] != "gone", f"LOST {where}"
            assert record["d"] == newest.version, f"another version in effect: {where}"
            same = [r for r in of.records if r.version == newest.version]
            assert not all(of.nulled(r) for r in same), f"what is in effect has a null: {where}"
        else:
            assert record is None or record["s"] == "gone", f"RESURRECTED {where}"
            assert record is None or record["v"] == newest.version, f"OVERWRITTEN {where}"
        assert all(of.nulled(r) for r in superseded), f"a null is missing: {where}"
    return logged
