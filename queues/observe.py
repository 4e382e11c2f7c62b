"""Typed signals of what the core did; logs, metrics and traces subscribe, the core never asks who listens."""

from collections.abc import Callable
from typing import Any


class Signal[T]:
    """Call every subscriber with one value; a subscriber must be quick and must not raise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._subscribers: tuple[Callable[[T], Any], ...] = ()

    def subscribe(self, receiver: Callable[[T], Any]) -> Callable[[], None]:
        """Add ``receiver``; return the function that removes it again."""
        self._subscribers = (*self._subscribers, receiver)

        def remove() -> None:
            self._subscribers = tuple(s for s in self._subscribers if s is not receiver)

        return remove

    def send(self, value: T) -> None:
        """Tell every subscriber."""
        for receiver in self._subscribers:
            receiver(value)


class Counted:
    """How many activities of a queue an event concerns, with the seconds it took where that says something."""

    __slots__ = ("count", "queue", "seconds")

    def __init__(self, queue: str, count: int, seconds: float = 0.0) -> None:
        self.queue = queue
        self.count = count
        self.seconds = seconds


enqueued: Signal[Counted] = Signal("enqueued")
claimed: Signal[Counted] = Signal("claimed")
settled: Signal[Counted] = Signal("settled")
lease_lost: Signal[Counted] = Signal("lease_lost")
loaded: Signal[Counted] = Signal("loaded")
indexed: Signal[Counted] = Signal("indexed")
reaped: Signal[Counted] = Signal("reaped")
promoted: Signal[Counted] = Signal("promoted")
rebuilt: Signal[Counted] = Signal("rebuilt")
