"""Messages between a process and its children arrive whole, in both directions."""

import asyncio
import socket
import threading

from queues.domain.activity import Failure
from queues.domain.outcomes import failed
from queues.engine import wire

MESSAGES = [
    wire.Ready(3),
    wire.Took([wire.Note("q", "a", 2**50, 300_000)], [("q", 2**51)]),
    wire.Status(1, 2, [("q", "t", "completed", 3, 0.5)]),
    wire.Verdicts([("q", 2**50, "lost")]),
    wire.Drain(1.5),
    wire.Line("info", "é" * 100_000),
    wire.Done(failed(Failure("T", "m", 1, 2), retryable=False, delay_ms=5)),
]


async def test_what_a_child_sends_its_parent_receives_and_the_end_too():
    ours, theirs = socket.socketpair()
    channel = wire.Channel(theirs.detach())
    link = await wire.Link.open(ours)
    sender = threading.Thread(target=lambda: [channel.send(message) for message in MESSAGES])
    sender.start()
    assert [await link.receive() for _ in MESSAGES] == MESSAGES
    sender.join()
    channel._socket.close()
    assert await link.receive() is None
    link.close()


async def test_what_a_parent_sends_its_child_hears_and_the_end_too():
    ours, theirs = socket.socketpair()
    channel = wire.Channel(theirs.detach())
    link = await wire.Link.open(ours)
    heard: asyncio.Queue[object] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    channel.listen(lambda message: loop.call_soon_threadsafe(heard.put_nowait, message))
    for message in MESSAGES:
        link.send(message)
    assert [await heard.get() for _ in MESSAGES] == MESSAGES
    link.close()
    assert await heard.get() is None
    channel.send(wire.Ready())
    channel._socket.close()
