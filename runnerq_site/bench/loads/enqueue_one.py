"""Enqueue one at a time at a fixed rate, whatever the answers do (open loop)."""

import asyncio
import mmap
import struct
import time
from pathlib import Path

from queues.engine.handler import Bound
from queues.log.pulse import Pulse
from runnerq_site.bench.loads import program

program.set_up()

from runnerq_site.bench.activities import stamp  # noqa: E402 -- needs Django's settings

LAST_RUNS_S = 20.0


async def measure(per_s: float, seconds: float, runs: int, folder: str, queue: str) -> None:
    """Print for each run how long answers took since they were due, and first lines since their answer (ms)."""
    (Path(folder) / "stamps").write_bytes(bytes(8))
    one = stamp.using(queue=queue)
    await one.enqueue(0, f"{folder}/stamps")
    for number in range(runs):
        path = Path(folder) / f"stamps-{number}"
        count = int(per_s * seconds)
        path.write_bytes(bytes(8 * count))
        wanted, answered = await _offer(one, count, per_s, str(path))
        ran = await _stamps(path)
        program.answer(
            answers_ms=[(a - w) / 1e6 for a, w in zip(answered, wanted, strict=True)],
            starts_ms=[(r - a) / 1e6 for r, a in zip(ran, answered, strict=True) if r],
        )


async def _offer(
    handler: Bound[..., None], count: int, per_s: float, path: str
) -> tuple[list[int], list[int]]:
    """Return when each call was due and when it was answered."""
    answered = [0] * count
    began = time.monotonic_ns() + 10_000_000
    wanted = [began + int(number * 1e9 / per_s) for number in range(count)]
    calls: list[asyncio.Task[None]] = []
    all_made = asyncio.Event()

    async def one(number: int) -> None:
        await handler.enqueue(number, path)
        answered[number] = time.monotonic_ns()

    def make() -> None:
        now = time.monotonic_ns()
        while len(calls) < count and wanted[len(calls)] <= now:
            calls.append(asyncio.create_task(one(len(calls))))
        if len(calls) == count:
            all_made.set()
        else:
            pulse.after((wanted[len(calls)] - now) / 1e9)

    # The loop's own timers are whole milliseconds, which answers would be charged with.
    pulse = Pulse(asyncio.get_running_loop(), make)
    make()
    await all_made.wait()
    await asyncio.gather(*calls)
    pulse.close()
    return wanted, answered


async def _stamps(path: Path) -> list[int]:
    deadline = time.monotonic() + LAST_RUNS_S
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as stamps:
        while True:
            ran = [at for (at,) in struct.iter_unpack("q", stamps[:])]
            if all(ran) or time.monotonic() > deadline:
                return ran
            await asyncio.sleep(0.1)


if __name__ == "__main__":
    program.serve(measure)
