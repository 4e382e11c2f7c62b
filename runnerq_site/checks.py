"""What a newcomer forgets most: servers to talk to."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register()
def servers_are_named(**_: Any) -> list[checks.CheckMessage]:
    """Warn when neither the environment nor embedded servers say where Kafka, Redis or PostgreSQL is."""
    if not settings.UNCONFIGURED:
        return []
    names = ", ".join(settings.UNCONFIGURED)
    return [
        checks.Warning(
            f"{names} not set and no embedded servers run in {settings.RUNNERQ_FOLDER}: "
            "trying the usual local ports.",
            hint="Start them with `manage.py services` (or `manage.py demo`), or set the variables.",
            id="runnerq_site.W001",
        )
    ]
