"""The library as an installed app."""

from django.apps import AppConfig


class QueuesConfig(AppConfig):
    """Background activities on Apache Kafka."""

    name = "queues"
    verbose_name = "RunnerQ"
