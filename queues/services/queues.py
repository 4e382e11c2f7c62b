"""Queues: they come to be on first use, and are paused and resumed."""

import contextlib
import secrets

from queues.domain.errors import HotUnavailable
from queues.domain.names import valid_queue
from queues.domain.priority import Band
from queues.domain.record import Kind
from queues.hot.rebuild import HotRebuild
from queues.log.topics import topic_name
from queues.services.backbone import Backbone
from queues.services.control import queues_channel, read_queue_facts, record_opening, record_queue


async def ensure_queue(b: Backbone, queue: str, band: Band = Band.NORMAL) -> int:
    """Make the queue's topics exist and, when all are new, open its hot view; return the partitions for lanes.

    Raises:
        InvalidName, TopicCollision, Misconfigured: it cannot exist under this name or with these settings.
        LogUnavailable: no broker answered.
    """
    known = b.known.get((queue, band))
    if known is not None:
        return known
    topic = topic_name(b.conf, valid_queue(queue), Kind.PENDING, band)
    # The lock comes before the topics, or a keeper would begin to rebuild what has no record yet.
    opening = None if await b.admin.partitions(topic) else await _begin(b, queue)
    try:
        fresh = await b.admin.create_queue_topics(queue, {Band.NORMAL, band})
        partitions = await b.admin.partitions(topic)
        if fresh:
            await record_queue(b, queue, partitions)
            await _open_new(b, queue, opening)
    finally:
        # Held for nothing, it would keep a queue closed that another process has just made.
        await _end(opening)
    if not fresh:
        fact = (await read_queue_facts(b)).get(queue)
        partitions = min(fact.partitions, partitions) if fact else partitions
    b.known[queue, band] = partitions
    try:
        await b.hot.client.command("PUBLISH", queues_channel(b), queue)
    except HotUnavailable:
        # A hint only: keepers look for new topics by themselves every few seconds.
        return partitions
    return partitions


async def _begin(b: Backbone, queue: str) -> HotRebuild | None:
    opening = HotRebuild(b.hot, queue, secrets.token_hex(8))
    try:
        return opening if await opening.begin() == "locked" else None
    except HotUnavailable:
        return None


async def _end(opening: HotRebuild | None) -> None:
    if opening is not None:
        with contextlib.suppress(HotUnavailable):
            await opening.give_up()


async def _open_new(b: Backbone, queue: str, opening: HotRebuild | None) -> None:
    """Open the hot view of a queue that has no record yet; a keeper does it when this fails."""
    if opening is not None:
        with contextlib.suppress(HotUnavailable):
            await opening.open(await record_opening(b, queue), [], paused=False)


async def known_queues(b: Backbone) -> list[str]:
    """Return every queue that has topics, sorted."""
    return await b.admin.list_queues()


async def pause_queue(b: Backbone, queue: str, *, actor: str, reason: str) -> None:
    """Let nothing more be claimed from ``queue``; what runs goes on. Survives the loss of Redis.

    Raises:
        IndexUnavailable: PostgreSQL, which keeps configuration, is away; nothing has changed.
        HotUnavailable: it is kept, but takes effect only when Redis is back.
    """
    await _set_paused(b, queue, paused=True, actor=actor, reason=reason)


async def resume_queue(b: Backbone, queue: str, *, actor: str, reason: str) -> None:
    """Let ``queue`` be claimed from again; raises as ``pause_queue``."""
    await _set_paused(b, queue, paused=False, actor=actor, reason=reason)


async def _set_paused(b: Backbone, queue: str, *, paused: bool, actor: str, reason: str) -> None:
    from queues.index.config_store import set_paused  # noqa: PLC0415 -- only operators need PostgreSQL

    await ensure_queue(b, queue)
    await set_paused(await b.index(), queue, paused=paused, actor=actor, reason=reason)
    await put_paused(b, queue, paused=paused)


async def put_paused(b: Backbone, queue: str, *, paused: bool) -> None:
    """Tell the hot view; a resumed queue wakes its workers."""
    keys = b.hot.keys(queue)
    await b.hot.client.command("HSET", keys.meta, "paused", "1" if paused else "0")
    if not paused:
        await b.hot.client.command("PUBLISH", keys.wake, "")
