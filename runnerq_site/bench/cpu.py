"""Where processor time goes: seconds used by each part of the whole, between two looks."""

from collections.abc import Mapping, Sequence

import psutil

from runnerq_site.bench.crew import Crew
from runnerq_site.bench.place import Place

type Parts = Mapping[str, Sequence[psutil.Process]]


def parts_of(place: Place, crew: Crew) -> Parts:
    """Return the processes of each part; servers only where the bench started them."""
    found = {child.title: child.tree() for child in crew.all}
    for name, pid in place.servers.items():
        process = psutil.Process(pid)
        found[name] = [process, *process.children(recursive=True)]
    return found


def used_s(parts: Parts) -> dict[str, float]:
    """Return the processor seconds that each part has used so far; one that has ended counts no more."""
    return {name: sum(_used_s(process) for process in processes) for name, processes in parts.items()}


def _used_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def each_us(before: Mapping[str, float], after: Mapping[str, float], count: int) -> str:
    """Return in words how many microseconds each part used for one of ``count``."""
    used = {name: (after[name] - before[name]) / count * 1e6 for name in before}
    total = sum(used.values())
    return f"{total:.0f} µs: " + ", ".join(f"{name} {us:.0f}" for name, us in used.items())
