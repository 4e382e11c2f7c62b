"""``manage.py runloader``: the hot view alone."""

from queues.management.agents import AgentCommand


class Command(AgentCommand):
    """Keep the hot view (Redis): load records, write nulls, open queues again after a loss."""

    help = "Keep the hot view (Redis): load records, write nulls, open queues again after a loss."
    roles = ("loader", "rebuilder")
    epilog = """\
examples:
  manage.py runloader          scale the hot view apart from the rest; runkeeper holds one already
"""
