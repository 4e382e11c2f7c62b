"""``manage.py runkeeper``: loader, indexer, scheduler, reaper, rebuilder and pruner in one process."""

from queues.management.agents import AgentCommand


class Command(AgentCommand):
    """Keep both views, the clock and the leases."""

    help = "Keep both views, the clock and the leases."
    roles = ("loader", "indexer", "scheduler", "reaper", "rebuilder", "pruner")
    epilog = """\
examples:
  manage.py runkeeper          run two of them, anywhere, for failover

Loads what enqueuers could not apply themselves, indexes for the console, makes due what is due, gives back what
dead workers held, and opens Redis again from the log when it was lost. Exit codes: 0 stopped, 2 servers missing.
"""
