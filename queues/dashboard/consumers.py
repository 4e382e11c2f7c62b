"""The websocket of a page: it sends frames, and listens to nothing but their end."""

import asyncio
import contextlib
import time
from typing import Any, Final

import orjson
from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer

from queues.dashboard.access import allowed
from queues.dashboard.hub import Mailbox, hub

RECHECK_S: Final = 60.0
UNAUTHORISED: Final = 4401


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Send one frame a second at the most, to operators alone."""

    box: Mailbox | None = None
    sending: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Open for operators; others are told by the close code that signing in may help."""
        await self.accept()
        if not allowed(self.scope.get("user")):
            await self.close(code=UNAUTHORISED)
            return
        self.box = hub().enter()
        self.sending = asyncio.create_task(self._send_frames(self.box))

    async def disconnect(self, code: int) -> None:  # noqa: ARG002 -- Channels' signature
        """Leave the hub."""
        if self.box is not None:
            hub().leave(self.box)
        if self.sending is not None:
            self.sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.sending

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Close on any message: a page of ours sends none."""
        del text_data, bytes_data
        await self.close(code=1008)

    async def _send_frames(self, box: Mailbox) -> None:
        checked = time.monotonic()
        while True:
            frame: dict[str, Any] = await box.take()
            if time.monotonic() - checked > RECHECK_S:
                checked = time.monotonic()
                if not allowed(await get_user(self.scope)):
                    await self.close(code=UNAUTHORISED)
                    return
            await self.send(text_data=orjson.dumps(frame).decode())
