"""The rig: what the figures were measured on, in the words of a table."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from queues.services.backbone import Backbone
from runnerq_site.bench.place import Place

MOST_LOAD = 0.5
"""Others may take this share of the cores before figures say little."""
PACKAGES = ("runnerq", "confluent-kafka", "redis", "psycopg", "Django", "msgspec", "uvloop")


async def rig(place: Place, b: Backbone) -> dict[str, str]:
    """Return names and values."""
    with place.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    info = await b.hot.client.redis.info("server")
    return {
        "CPU": _cpu(),
        "cores": f"{_cores()}: servers, workers, keeper and load share them",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Kafka": _kafka() if place.own else "as configured",
        "Redis": f"{info['redis_version']}, nothing kept over a restart",
        "PostgreSQL": f"{row[0] if row else '?'}, fsync on",
        "packages": ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name))),
        "commit": _commit(),
    }


def busy() -> str:
    """Return how busy the machine is before anything is measured, and whether that spoils what is."""
    load, cores = os.getloadavg()[0], _cores()
    too_busy = load > cores * MOST_LOAD
    return f"load average {load:.1f} on {cores} cores{': TOO BUSY TO MEASURE' if too_busy else ''}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def _kafka() -> str:
    return "4.4.0, one broker, page cache only (no fsync), heap 512 MB"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return found.stdout.strip() or "unknown"
