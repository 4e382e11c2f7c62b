"""A keeper: loader, indexer, scheduler, reaper, rebuilder and pruner in one process; run two for failover."""

import asyncio
from collections.abc import Callable, Sequence

from queues.domain.schedule import Schedule
from queues.keeper.directory import Directory
from queues.keeper.loader import FIRST_RECORDS, LATER_RECORDS, Loader
from queues.keeper.loop import Loop, run_loops
from queues.keeper.reaper import Reaper
from queues.keeper.rebuilder import Rebuilder
from queues.keeper.scheduler import Scheduler
from queues.services.backbone import Backbone

ROLES = ("loader", "indexer", "scheduler", "reaper", "rebuilder", "pruner")


def make_loops(
    b: Backbone, directory: Directory, roles: Sequence[str], schedules: Sequence[Schedule] = ()
) -> list[Loop]:
    """Return the loops of these roles."""
    makers: dict[str, Callable[[], list[Loop]]] = {
        "loader": lambda: [Loader(b, directory, kinds) for kinds in (FIRST_RECORDS, LATER_RECORDS)],
        "scheduler": lambda: [Scheduler(b, directory, schedules)],
        "reaper": lambda: [Reaper(b, directory)],
        "rebuilder": lambda: [Rebuilder(b, directory)],
        "indexer": lambda: [_indexer(b, directory)],
        "pruner": lambda: [_pruner(b)],
    }
    return [loop for role in roles for loop in makers[role]()]


def _indexer(b: Backbone, directory: Directory) -> Loop:
    from queues.keeper.indexer import Indexer  # noqa: PLC0415 -- needs PostgreSQL's driver, other roles do not

    return Indexer(b, directory)


def _pruner(b: Backbone) -> Loop:
    from queues.keeper.pruner import Pruner  # noqa: PLC0415 -- needs PostgreSQL's driver, other roles do not

    return Pruner(b)


async def run_keeper(
    b: Backbone,
    roles: Sequence[str],
    stop: asyncio.Event,
    *,
    schedules: Sequence[Schedule] = (),
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Run these roles until ``stop``; ``ready`` is called once the servers have been reached."""
    directory = Directory(b)
    try:
        await b.admin.create_control_topic()
        await directory.refresh()
        ready()
        await run_loops(make_loops(b, directory, roles, schedules), stop)
    finally:
        await directory.close()
