"""A group: activities side by side, and one that follows when all of them have ended."""

from collections.abc import Iterable
from typing import Any

from queues import door
from queues.domain.activity import Activity
from queues.engine.handle import Handle


async def enqueue_group(members: Iterable[Activity], *, then: Activity) -> Handle[Any]:
    """Append ``members`` and ``then``, which runs when all of them have ended; return the handle of ``then``.

    Make them with ``handler.activity(…)``. How a member ended does not matter: ``then`` looks if it cares.

    Raises:
        InvalidOption: there is no member. Otherwise as ``enqueue_many``.
    """
    from queues.services.workflows import enqueue_group as append  # noqa: PLC0415 -- see queues.door

    activity_id = await append(await door.backbone(), list(members), then)
    return Handle(activity_id, then.queue)


def enqueue_group_sync(members: Iterable[Activity], *, then: Activity) -> Handle[Any]:
    """Append a group as ``enqueue_group`` does, for callers without an event loop."""
    return door.wait(lambda: enqueue_group(members, then=then))
