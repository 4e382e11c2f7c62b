"""``manage.py runindexer``: the index view alone."""

from queues.management.agents import AgentCommand


class Command(AgentCommand):
    """Keep the index (PostgreSQL): fold what the log brings into what the console shows."""

    help = "Keep the index (PostgreSQL): fold what the log brings into what the console shows."
    roles = ("indexer", "pruner")
    epilog = """\
examples:
  manage.py runindexer         scale the index apart from the rest; runkeeper holds one already

Several share the partitions. To build the index anew, empty it and start this: the log has everything.
"""
