"""What cannot be read is said and passed by; it stays where it lies in the log, and the index lists it."""

import logging

from queues.domain.errors import MalformedRecord
from queues.domain.record import Record
from queues.keeper.stage import Stage
from queues.log.consumer import RawMessage

logger = logging.getLogger(__name__)


async def quarantine(stage: Stage, what: RawMessage | Record, exc: MalformedRecord) -> None:
    """Say where a record lies that is not one of ours, and why."""
    logger.error("loader.malformed %s[%d]@%d: %s", stage.place[0], stage.place[1], what.offset, exc)
