"""Bring the index up to the end of the log."""

import time
from collections.abc import Mapping

from queues.domain.record import STAGES
from queues.index.reads import find_record, positions
from queues.keeper.indexer import Indexer
from tests.protocol.folding import Logged
from tests.protocol.system import DEADLINE_S, System


async def assert_index_agrees(s: System, queue: str, logged: Mapping[str, Logged]) -> None:
    """Check that the index, read to the end, shows of each activity what the log folds to."""
    await index(s, queue)
    pool = await s.b.index()
    for activity_id, one in logged.items():
        row = await find_record(pool, activity_id)
        assert row is not None, f"the index does not know {activity_id}"
        assert (row.version, row.state) == (one.newest.version, one.newest.state), activity_id


async def index(s: System, queue: str) -> None:
    """Step an indexer until it has passed what is in the queue's topics now."""
    await s.look()
    places = s.directory.of(queue, *STAGES)
    ends = await s.b.admin.end_offsets(places)
    indexer = Indexer(s.b, s.directory, linger_s=0.0)
    deadline = time.monotonic() + DEADLINE_S
    try:
        await indexer.start()
        while True:
            reached = await positions(await s.b.index())
            if all(reached.get(p, 0) >= end for p, end in ends.items()):
                return
            assert time.monotonic() < deadline, "the index does not catch up"
            await indexer.step()
    finally:
        await indexer.close()
