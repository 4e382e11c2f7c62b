"""Workers: who serves which queues; announced in Redis, where they fade away by themselves."""

import msgspec

from queues.hot.client import translated
from queues.services.backbone import Backbone, now_ms

FORGET_MS = 3_600_000


class WorkerInfo(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One worker process. ``seen_ms`` is its newest announcement; ``state`` is running, draining or stopped."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    types: tuple[str, ...]
    slots: int
    busy: int = 0
    version: str = ""
    state: str = "running"
    started_ms: int = 0
    seen_ms: int = 0
    rss_bytes: int = 0
    done: int = 0
    failed: int = 0


async def announce_worker(b: Backbone, info: WorkerInfo) -> None:
    """Tell that a worker lives; silent ones are listed for an hour, with the age of their last word."""
    now = now_ms()
    info.seen_ms = now
    with translated():
        pipe = b.hot.client.redis.pipeline(transaction=False)
        pipe.zadd(f"{b.conf.redis_prefix}:workers", {info.id: now})
        pipe.hset(f"{b.conf.redis_prefix}:workerinfo", info.id, msgspec.json.encode(info))
        await pipe.execute()


async def list_workers(b: Backbone) -> list[WorkerInfo]:
    """Return the workers heard of within the last hour, newest first; forgets older ones."""
    names, infos = f"{b.conf.redis_prefix}:workers", f"{b.conf.redis_prefix}:workerinfo"
    old = now_ms() - FORGET_MS
    with translated():
        redis = b.hot.client.redis
        if gone := await redis.zrangebyscore(names, "-inf", old):
            await redis.hdel(infos, *gone)
            await redis.zremrangebyscore(names, "-inf", old)
        found = await redis.hvals(infos)
    workers = [msgspec.json.decode(text, type=WorkerInfo) for text in found]
    return sorted(workers, key=lambda w: -w.seen_ms)
