"""What all sockets of one web process share: one subscription, one pulse a second, a mailbox each."""

import asyncio
import logging
from typing import Any, Final
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from queues.dashboard import snapshot
from queues.services.live import GROUP, MAX_IDS

logger = logging.getLogger(__name__)

BEAT_S: Final = 1.0
type Frame = dict[str, Any]


def _everything() -> Frame:
    return {"pulse": None, "dirty": ["*"], "ids": {}, "more": True}


def merge(old: Frame | None, new: Frame) -> Frame:
    """Return one frame that says what both say; the newest pulse wins, as its values are absolute."""
    if old is None:
        return new
    ids = old["ids"] | new["ids"]
    more = old["more"] or new["more"] or len(ids) > MAX_IDS
    kept = dict(list(ids.items())[-MAX_IDS:])
    dirty = sorted({*old["dirty"], *new["dirty"]})
    return {"pulse": new["pulse"] or old["pulse"], "dirty": dirty, "ids": kept, "more": more}


class Mailbox:
    """The newest frame that one socket has not sent yet; a slow one never has a queue of them."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._filled = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Leave a frame; one that still lies there is merged into it."""
        self._frame = merge(self._frame, frame)
        self._filled.set()

    async def take(self) -> Frame:
        """Return the frame once there is one, and empty the slot."""
        await self._filled.wait()
        self._filled.clear()
        frame, self._frame = self._frame, None
        assert frame is not None
        return frame


class Hub:
    """Runs while at least one socket is open."""

    def __init__(self) -> None:
        self._boxes: set[Mailbox] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._changes: Frame | None = None

    def enter(self) -> Mailbox:
        """Return a mailbox that gets every frame from now on, and first what came after its page was rendered."""
        box = Mailbox()
        box.put(_everything())
        self._boxes.add(box)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._beat())]
        return box

    def leave(self, box: Mailbox) -> None:
        """Forget the mailbox; the last one out stops the work."""
        self._boxes.discard(box)
        if not self._boxes:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _listen(self) -> None:
        while True:
            layer = get_channel_layer()
            if layer is None:
                return
            try:
                channel = await layer.new_channel("live.")
                await layer.group_add(GROUP, channel)
                # What happened until now is not known: pages look at everything once.
                self._changes = merge(self._changes, _everything())
                while True:
                    message = await layer.receive(channel)
                    change = {
                        "pulse": None,
                        "dirty": message["queues"],
                        "ids": message["ids"],
                        "more": message["more"],
                    }
                    self._changes = merge(self._changes, change)
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 -- whatever the layer's driver raises, try again
                logger.warning("live changes do not arrive: %s", error)
                # Nor is what happens until they do: pages look at everything at each beat.
                self._changes = _everything()
                await asyncio.sleep(BEAT_S)

    async def _beat(self) -> None:
        while True:
            began = asyncio.get_running_loop().time()
            pulse = await asyncio.to_thread(_pulse)
            changes, self._changes = self._changes, None
            frame = merge(changes, {"pulse": pulse, "dirty": [], "ids": {}, "more": False})
            for box in tuple(self._boxes):
                box.put(frame)
            await asyncio.sleep(max(BEAT_S - (asyncio.get_running_loop().time() - began), 0.1))


def _pulse() -> dict[str, Any]:
    from django.db import connections  # noqa: PLC0415 -- this thread belongs to no request

    try:
        return snapshot.pulse()
    finally:
        connections.close_all()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())
