"""Bring the index up to the end of the log."""

import time

from queues.domain.record import STAGES
from queues.index.reads import positions
from queues.keeper.indexer import Indexer
from tests.protocol.system import DEADLINE_S, System


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
