"""``manage.py runscheduler``: due and ticks alone."""

from queues.management.agents import AgentCommand


class Command(AgentCommand):
    """Make scheduled and retrying activities claimable when due, and enqueue ticks of schedules."""

    help = "Make scheduled and retrying activities claimable when due, and enqueue ticks of schedules."
    roles = ("scheduler",)
    epilog = """\
examples:
  manage.py runscheduler       two of them are harmless; runkeeper holds one already
"""
