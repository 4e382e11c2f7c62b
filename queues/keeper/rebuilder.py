"""The rebuilder opens queues that are closed: a foreign Redis is emptied of them and filled again from the log."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from queues import failpoints, observe
from queues.domain.errors import HotUnavailable, LogUnavailable, QueueError
from queues.domain.record import Kind
from queues.hot.client import LockLost
from queues.hot.rebuild import HotRebuild
from queues.keeper.directory import Directory
from queues.keeper.loop import Loop
from queues.keeper.rebuild_fill import fill_hot
from queues.keeper.rebuild_scan import Scan, scan_later, scan_pending
from queues.log.producer import Message
from queues.services.backbone import Backbone
from queues.services.control import record_opening
from queues.services.workflows import note_members

logger = logging.getLogger(__name__)
PAUSES_S = 5.0
AT_ONCE = 4
HOLD_S = 5.0


class Rebuilt(NamedTuple):
    """What a rebuild found and did."""

    queue: str
    epoch: int
    live: int
    settled: int
    scanned: int
    seconds: float


class Rebuilder(Loop):
    """Looks at every queue; rebuilds what is not open under this server. One rebuild a queue at a time, anywhere."""

    name = "rebuilder"
    rest_s = 0.5

    def __init__(self, b: Backbone, directory: Directory) -> None:
        self._b = b
        self._directory = directory
        self._paused: dict[str, bool] | None = None
        self._paused_at = 0.0

    async def step(self) -> int:
        """Open what is closed; return how many queues were opened."""
        await self._directory.refresh()
        room = asyncio.Semaphore(AT_ONCE)

        async def one(queue: str) -> bool:
            async with room:
                try:
                    return await self.rebuild(queue) is not None
                except LockLost:
                    logger.info("rebuild.given_up queue=%s another keeper took over", queue)
                    return False

        answers = await asyncio.gather(*map(one, self._directory.queues), return_exceptions=True)
        await self._keep_pauses()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return sum(map(bool, answers))

    async def rebuild(self, queue: str, *, force: bool = False) -> Rebuilt | None:
        """Rebuild the hot view of ``queue`` from the log when it is not open (or by ``force``); None when it is.

        Raises:
            LockLost: another rebuilder took over; nothing of ours can take effect any more.
            IndexUnavailable: what is paused is not known yet; claims stay closed.
        """
        work = HotRebuild(self._b.hot, queue, secrets.token_hex(8))
        if await work.begin(force=force) != "locked":
            return None
        try:
            return await self._rebuild(queue, work)
        except QueueError:
            # A server was away: the next try, here or elsewhere, need not wait until the lock runs out.
            with contextlib.suppress(HotUnavailable):
                await work.give_up()
            raise

    async def _rebuild(self, queue: str, work: HotRebuild) -> Rebuilt:
        began = time.monotonic()
        logger.info("rebuild.began queue=%s", queue)
        paused = (await self._pauses()).get(queue, False)
        # The opening is recorded before the scan: whatever was decided before it has a lower epoch.
        epoch = await record_opening(self._b, queue)
        failpoints.hit("rebuild.recorded")
        await work.drop()
        failpoints.hit("rebuild.dropped")
        async with _held(work):
            scan = await scan_later(self._b, self._directory, queue)
            await scan_pending(self._b, self._directory, queue, scan)
            await self._write_nulls(scan)
            failpoints.hit("rebuild.nulled")
            # Before the opening: nobody would count again what a rebuilder forgot that died after it.
            await self._count_workflows(scan)
        positions = await fill_hot(self._b, self._directory, work, scan)
        failpoints.hit("rebuild.filled")
        await work.open(epoch, positions, paused=paused)
        done = Rebuilt(queue, epoch, scan.live, scan.settled, scan.scanned, time.monotonic() - began)
        observe.rebuilt.send(observe.Counted(queue, done.live, done.seconds))
        logger.info(
            "rebuild.opened queue=%s epoch=%d live=%d settled=%d scanned=%d seconds=%.2f",
            *done[:5],
            done.seconds,
        )
        return done

    async def _write_nulls(self, scan: Scan) -> None:
        messages = [
            Message(topic, partition, key, None, None) for topic, partition, key in scan.superfluous()
        ]
        for at in range(0, len(messages), 1_000):
            for report in await self._b.log.append(messages[at : at + 1_000]):
                if report.error:
                    raise LogUnavailable(f"nulls of a rebuild were not written: {report.error}")

    async def _count_workflows(self, scan: Scan) -> None:
        """Count the ended members of workflows again; the sets in Redis went with it."""
        for other in self._directory.queues if scan.workflows else ():
            for topic, partition in self._directory.of(other, Kind.COMPLETED, Kind.DLQ):
                ended = await scan.members_in(self._b, other, topic, partition)
                await note_members(self._b, ended)

    async def _pauses(self) -> dict[str, bool]:
        from queues.index.config_store import paused_queues  # noqa: PLC0415 -- opened on first need

        self._paused = await paused_queues(await self._b.index())
        self._paused_at = time.monotonic()
        return self._paused

    async def _keep_pauses(self) -> None:
        """Put what PostgreSQL says about pauses into the hot view; it may have been written while Redis was away."""
        if time.monotonic() - self._paused_at < PAUSES_S:
            return
        from queues.services.queues import put_paused  # noqa: PLC0415

        self._paused_at = time.monotonic()
        for queue, paused in (await self._pauses()).items():
            if queue in self._directory.queues:
                try:
                    if (
                        await self._b.hot.client.command("HGET", self._b.hot.keys(queue).meta, "paused")
                        == b"1"
                    ) != paused:
                        await put_paused(self._b, queue, paused=paused)
                except HotUnavailable:
                    return


@contextlib.asynccontextmanager
async def _held(work: HotRebuild) -> AsyncIterator[None]:
    """Keep the lock alive through work that does not touch Redis; a lock that is lost ends nothing here.

    What is appended under a lost lock (nulls of superseded records) is true whoever appends it.
    """

    async def hold() -> None:
        while True:
            await asyncio.sleep(HOLD_S)
            with contextlib.suppress(HotUnavailable):
                await work.hold()

    task = asyncio.create_task(hold())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
