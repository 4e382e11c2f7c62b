"""The task queues that stand side by side: each enqueues and runs the same number of no-ops."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis

from runnerq_site.bench.children import Child, python, running
from runnerq_site.bench.figures import BenchError, Void
from runnerq_site.bench.peers import marks
from runnerq_site.bench.place import Place

PEERS = ("celery", "dramatiq", "taskiq", "huey", "rq", "arq")
DATABASE = 15
READY_S = 60.0
IDLE_S = 30.0
_LOOK_S = 0.01


def require_installed(peers: tuple[str, ...]) -> str:
    """Return what is wrong, or nothing."""
    needed = {peer: ("taskiq", "taskiq_redis") if peer == "taskiq" else (peer,) for peer in peers}
    missing = [peer for peer, modules in needed.items() if not all(find_spec(name) for name in modules)]
    if not missing:
        return ""
    return f"not installed: {', '.join(missing)}: `uv sync --group bench` brings them"


def describe(place: Place, peer: str) -> dict[str, str]:
    """Return what the peer's module says of itself, asked of a process that has its settings."""
    show = (
        "import json, importlib; from importlib.metadata import version;"
        f" m = importlib.import_module('runnerq_site.bench.peers.{peer}');"
        " print(json.dumps({'settings': m.SETTINGS, 'workers': m.WORKERS,"
        " 'versions': ', '.join(f'{p} {version(p)}' for p in m.PACKAGES)}))"
    )
    environment = place.environment | {"BENCH_REDIS_URL": redis_url(place)}
    done = subprocess.run(python("-c", show), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{peer} cannot be loaded:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def redis_url(place: Place) -> str:
    """Return the address of the database that peers use."""
    return urlsplit(place.conf.redis_url)._replace(path=f"/{DATABASE}").geturl()


@contextmanager
def clean_database(place: Place) -> Iterator[None]:
    """Give peers an empty database of the same Redis; empty it again.

    Raises:
        BenchError: somebody uses it.
    """
    with Redis.from_url(redis_url(place)) as redis:
        if redis.dbsize():
            raise BenchError(f"Redis database {DATABASE} is not empty: peers need one of their own")
        try:
            yield
        finally:
            redis.flushdb()


async def measure(place: Place, peer: str, commands: list[list[str]], count: int) -> tuple[float, float]:
    """Return how many a second were enqueued, and run by two processes that were ready before the first.

    Raises:
        Void: not every one ran, or one ran twice.
    """
    folder = place.folder / f"marks-{peer}-{time.monotonic_ns()}"
    folder.mkdir()
    environment = place.environment | {"BENCH_REDIS_URL": redis_url(place), "BENCH_MARKS": str(folder)}
    with clean_database(place), ExitStack() as stack:
        program = python("-m", "runnerq_site.bench.peers.enqueue", peer, str(count))
        enqueuer = stack.enter_context(running(Child(f"{peer} enqueuer", program, environment, place.folder)))
        enqueued_per_s = enqueuer.answer(300.0)["per_s"]
        for command in commands:
            child = Child(f"{peer} worker", python(*command), environment, place.folder)
            stack.enter_context(running(child))
        return enqueued_per_s, await _run(peer, folder, count)


async def _run(peer: str, folder: Path, count: int) -> float:
    deadline = time.monotonic() + READY_S
    while len(marks.read(folder)) < 2:
        if time.monotonic() > deadline:
            raise Void(f"{peer}: {len(marks.read(folder))} of 2 processes took work within {READY_S:.0f} s")
        await asyncio.sleep(_LOOK_S)
    (folder / marks.GATE).touch()
    ran, moved = 0, time.monotonic()
    while ran < count:
        await asyncio.sleep(_LOOK_S)
        now = sum(one for one, _, _ in marks.read(folder))
        if now != ran:
            ran, moved = now, time.monotonic()
        elif time.monotonic() - moved > IDLE_S:
            raise Void(f"{peer}: {ran:,} of {count:,} ran, and it goes no further")
    found = [row for row in marks.read(folder) if row[0]]
    if ran > count:
        raise Void(f"{peer}: {ran:,} runs of {count:,}")
    seconds = (max(last for _, _, last in found) - min(first for _, first, _ in found)) / 1e9
    return count / seconds
