"""What runs now, from the leases; the index only knows what it has heard."""

import asyncio
import logging
from concurrent.futures import TimeoutError as DoorTimeout
from typing import Final

from queues import door
from queues.dashboard.database import Row
from queues.dashboard.listing import Asked, shown_again
from queues.dashboard.snapshot import ASK_S
from queues.domain.codes import StateCode
from queues.domain.errors import QueueError
from queues.services.backbone import Backbone
from queues.services.overview import Active, active_leases

logger = logging.getLogger(__name__)

MOST: Final = 200


def running_rows(asked: Asked, queues: list[str]) -> list[Row] | None:
    """Return rows of the leases that ``asked`` matches, oldest lease first; None without Redis."""
    wanted = [name for name in queues if not asked.queue or name == asked.queue]
    try:
        leases = door.call(_leases, wanted, timeout_s=ASK_S)
    except (QueueError, DoorTimeout) as error:
        logger.warning("leases not read: %s", error or type(error).__name__)
        return None
    by_id = {lease.id: lease for lease in leases if not asked.type or lease.type == asked.type}
    rows = [_overlaid(row, by_id[row["id"]]) for row in shown_again(list(by_id))]
    return [row for row in rows if not asked.text or _holds(row, asked.text.lower())]


async def _leases(b: Backbone, queues: list[str]) -> list[Active]:
    found = await asyncio.gather(*(active_leases(b, queue, MOST) for queue in queues))
    return sorted((lease for one in found for lease in one), key=lambda lease: lease.deadline_ms)[:MOST]


def _overlaid(row: Row, lease: Active) -> Row:
    same = row["state"] == StateCode.ACTIVE and row["attempt"] == lease.attempt
    return row | {
        "state": StateCode.ACTIVE,
        "worker": lease.worker,
        "attempt": lease.attempt,
        "started_at": row["started_at"] if same else None,
        "deadline_ms": lease.deadline_ms,
    }


def _holds(row: Row, text: str) -> bool:
    return any(
        text in (row[key] or "").lower() for key in ("id", "type", "preview", "error_message", "error_type")
    )
