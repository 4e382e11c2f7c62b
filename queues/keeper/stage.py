"""One partition of a stage topic, as the loader works on it under one epoch."""

from collections.abc import Sequence
from typing import NamedTuple

from queues.domain.errors import LogUnavailable
from queues.domain.priority import Band
from queues.domain.record import Kind, Record, parse_record, record_key
from queues.hot.keys import code_of, stage_of_code
from queues.log.consumer import RawMessage
from queues.log.producer import Message
from queues.log.topics import topic_name
from queues.services.backbone import Backbone

type Partition = tuple[str, int]


class Stage(NamedTuple):
    """Where a batch comes from."""

    b: Backbone
    queue: str
    kind: Kind
    band: Band
    place: Partition
    epoch: int

    @property
    def code(self) -> str:
        """The topic's letter in positions and addresses."""
        return code_of(self.kind, self.band)

    def parse(self, m: RawMessage) -> Record:
        """Return the record of a message.

        Raises:
            MalformedRecord, UnknownSchemaVersion: see ``parse_record``.
        """
        return parse_record(
            self.queue, self.kind, self.band, m.partition, m.offset, m.timestamp_ms, m.key, m.headers, m.value
        )

    async def write_nulls(self, superfluous: Sequence[tuple[str, str]]) -> None:
        """Null (id, records such as ``n.0,r.687``) in the log, acknowledged.

        Raises:
            LogUnavailable: one is not certain to be there; the batch must be done again.
        """
        messages = []
        for activity_id, records in superfluous:
            for one in records.split(","):
                code, _, version = one.partition(".")
                kind, band = stage_of_code(code)
                topic = topic_name(self.b.conf, self.queue, kind, band)
                messages.append(
                    Message(topic, self.place[1], record_key(activity_id, int(version)), None, None)
                )
        if messages:
            for report in await self.b.log.append(messages):
                if report.error:
                    raise LogUnavailable(f"nulls of {self.place[0]} were not written: {report.error}")

    async def reach(self, end: int) -> int:
        """Move the position to ``end``, where nothing of ours lies between; also the loader's sign of life."""
        if self.kind is Kind.PENDING:
            return await self.b.hot.load(self.queue, self.epoch, self.band.value, self.place[1], end, (), ())
        return await self.b.hot.move(self.queue, self.epoch, self.code, self.place[1], end, ())

    async def position(self) -> int:
        """Return where the hot view stands in this pending topic."""
        position, _, _ = await self.b.hot.look(self.queue, self.epoch, self.band.value, self.place[1], ())
        return position

    async def room(self) -> int:
        """Return how many more activities of this band the hot view takes."""
        _, room, _ = await self.b.hot.look(self.queue, self.epoch, self.band.value, self.place[1], ())
        return room
