"""The connection to Redis: one call of a script, with driver errors translated at this border."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import msgspec
from redis import exceptions as redis_errors
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from queues.domain.errors import HotUnavailable
from queues.hot.scripts import script

_pack = msgspec.msgpack.Encoder().encode


class HotClosed(HotUnavailable):
    """The queue is not open on this Redis: a rebuild from the log must come first."""

    code = "hot_closed"


class EpochChanged(HotUnavailable):
    """The queue was opened anew since the batch was read; drop the batch."""

    code = "epoch_changed"


class LockLost(HotUnavailable):
    """Another rebuilder took over."""

    code = "lock_lost"


class HotFull(HotUnavailable):
    """Redis is at its memory limit: what ends something goes on, what would add to it waits."""

    code = "hot_full"


class HotTimeout(HotUnavailable):
    """Redis did not answer in time: the call may or may not have had its effect."""

    code = "hot_timeout"


_REFUSALS: dict[str, type[HotUnavailable]] = {"FOREIGN": HotClosed, "EPOCH": EpochChanged, "LOCK": LockLost}


def _refusal(exc: redis_errors.ResponseError) -> HotUnavailable:
    text = str(exc)
    if "OOM" in text:
        return HotFull(text)
    word = text.split(" ", 1)[0]
    return _REFUSALS.get(word, HotUnavailable)(text)


@contextlib.contextmanager
def translated() -> Any:
    """Turn driver errors into the domain's."""
    try:
        yield
    except redis_errors.TimeoutError as exc:
        raise HotTimeout(f"Redis did not answer in time: {exc}") from exc
    except redis_errors.ResponseError as exc:
        raise _refusal(exc) from exc
    except (redis_errors.RedisError, OSError) as exc:
        raise HotUnavailable(f"Redis is away: {exc}") from exc


class Client:
    """A pool of connections of one event loop."""

    def __init__(self, url: str, *, most: int = 32, timeout_s: float = 5.0) -> None:
        # redis-py repeats a timed-out command by default: a repeated claim would lease a batch to nobody.
        pool = ConnectionPool.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=2.0,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        self.redis = Redis(connection_pool=pool)
        # The pool that bounds itself costs each call a lock and a timer more.
        self._turn = asyncio.Semaphore(most)
        self._url = url

    async def run(self, name: str, meta: str, request: Any, *more: Any) -> Any:
        """Run a script on the queue whose ``meta`` key is given; ``request`` becomes msgpack.

        Raises:
            HotUnavailable: Redis is away or refuses; HotTimeout when the effect is unknown.
        """
        s = script(name)
        args = (_pack(request), *more)
        async with self._turn:
            with translated():
                try:
                    return await self.redis.evalsha(s.sha, 1, meta, *args)
                except redis_errors.NoScriptError:
                    return await self.redis.eval(s.text, 1, meta, *args)

    async def command(self, *args: Any) -> Any:
        """Run one plain command that may be repeated."""
        async with self._turn:
            with translated():
                return await self.redis.execute_command(*args)  # type: ignore[no-untyped-call]

    async def listen(
        self,
        channels: Sequence[str],
        heard: Callable[[str, str], None],
        *,
        ready: asyncio.Event | None = None,
    ) -> None:
        """Call ``heard(channel, text)`` for each message until cancelled; reconnects by itself."""
        while True:
            with contextlib.suppress(redis_errors.RedisError, OSError):
                async with self._subscribed(channels) as pubsub:
                    if ready is not None:
                        ready.set()
                    async for message in pubsub.listen():
                        if message["type"] == "message":
                            heard(message["channel"].decode(), message["data"].decode())
            await asyncio.sleep(0.5)

    @contextlib.asynccontextmanager
    async def _subscribed(self, channels: Sequence[str]) -> AsyncIterator[Any]:
        redis = Redis.from_url(self._url, socket_timeout=None, socket_connect_timeout=2.0)
        pubsub = redis.pubsub()
        try:
            await pubsub.subscribe(*channels)
            yield pubsub
        finally:
            with contextlib.suppress(redis_errors.RedisError, OSError):
                await pubsub.aclose()  # type: ignore[no-untyped-call]
                await redis.aclose()

    async def close(self) -> None:
        """Give the connections back."""
        with contextlib.suppress(redis_errors.RedisError, OSError):
            await self.redis.aclose(close_connection_pool=True)
