"""What every scenario is given, and how runs are repeated."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from queues.engine.handler import Handler
from queues.services.backbone import Backbone
from queues.services.enqueue import enqueue_activities
from runnerq_site.bench.figures import Figure, Void, shown
from runnerq_site.bench.place import Place, Say

CALL: Final = 1_000


@dataclass(slots=True)
class Bench:
    """One invocation: where, how much, how often. ``count`` 0: the scenario's own."""

    place: Place
    b: Backbone
    queue: str
    say: Say
    runs: int = 5
    count: int = 0
    full: bool = False
    before: str = ""
    """How busy the machine was with other things."""
    peers: tuple[str, ...] = ()
    note: str = ""
    """What the results say beside the table."""

    def size(self, quick: int, full: int) -> int:
        """Return how many activities a run has."""
        return self.count or (full if self.full else quick)

    async def enqueue(self, handler: Handler[..., Any], count: int, *args: Any) -> None:
        """Enqueue ``count`` activities into the queue of this measurement, in calls of a thousand."""
        one = handler.using(queue=self.queue)
        for done in range(0, count, CALL):
            some = min(CALL, count - done)
            await enqueue_activities(self.b, [one.activity(*args) for _ in range(some)])

    async def repeat(self, figures: list[Figure], run: Callable[[], Awaitable[list[float]]]) -> None:
        """Run once to warm up, then ``runs`` times; each gives a value for each figure, or is void."""
        for number in range(self.runs + 1):
            name = f"run {number} of {self.runs}" if number else "warm-up"
            try:
                values = await run()
            except Void as exc:
                self.say(f"  {name}: VOID: {exc}")
                if number:
                    for figure in figures:
                        figure.void.append(str(exc))
                continue
            said = (f"{f.text} {shown(v)} {f.unit}" for f, v in zip(figures, values, strict=True))
            self.say(f"  {name}: {', '.join(said)}")
            if number:
                for figure, value in zip(figures, values, strict=True):
                    figure.values.append(value)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A measurement: its name on the command line, what it says of itself, and what it does."""

    name: str
    text: str
    measure: Callable[[Bench], Awaitable[list[Figure]]]
