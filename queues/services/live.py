"""Tell open pages what changed: the one group they listen to, and the shape of its messages."""

import logging
from collections.abc import Mapping
from typing import Any, Final, TypedDict

from channels.layers import get_channel_layer

from queues.index.marks import Mark

logger = logging.getLogger(__name__)

GROUP: Final = "changes"
MESSAGE: Final = "live.changed"
MAX_IDS: Final = 200
"""Ids in one message; beyond it the message says that there are more, and pages ask for what they show."""


class Changed(TypedDict):
    """A message of the group; ``ids``: id → [state word, version]; ``more``: others changed too."""

    type: str
    queues: list[str]
    ids: dict[str, list[Any]]
    more: bool


def changed_message(dirty: Mapping[str, Mapping[str, Mark]]) -> Changed:
    """Return the message for ``dirty``: queue → the activities that changed (empty: the queue itself did)."""
    ids: dict[str, list[Any]] = {}
    total = 0
    for marks in dirty.values():
        total += len(marks)
        for activity_id, mark in marks.items():
            if len(ids) == MAX_IDS:
                break
            ids[activity_id] = [mark[0], mark[1]]
    return Changed(type=MESSAGE, queues=sorted(dirty), ids=ids, more=total > len(ids))


async def on_commit(
    positions: Mapping[tuple[str, int], int], dirty: Mapping[str, Mapping[str, Mark]]
) -> None:
    """Send what one transaction of the indexer changed; a page that misses it asks again within seconds.

    Never raises: pages must not hold the index up.

    Args:
        positions: (topic, partition) → next offset, as committed.
        dirty: queue → id → (state word, version), for each queue that was touched.
    """
    layer = get_channel_layer()
    if layer is None or not dirty:
        return
    try:
        await layer.group_send(GROUP, changed_message(dirty))
    except Exception as error:  # noqa: BLE001 -- whatever the layer's driver raises, the index goes on
        logger.warning("live pages not told: %s", error, extra={"partitions": len(positions)})
