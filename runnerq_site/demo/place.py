"""Where the demo runs: this process, and those that it starts, talk to its own servers and to no others."""

import logging
import os

from django.conf import settings
from django.db import connections

from queues.conf import get_conf
from runnerq_site import environment
from runnerq_site.embedded.stack import Services

_ELSEWHERE = ("KAFKA_", "RUNNERQ_KAFKA", "RUNNERQ_REDIS_URL")


def settle_in(services: Services) -> None:
    """Lead settings that were read before the servers had addresses, and all children, to ``services``."""
    for name in [name for name in os.environ if name.startswith(_ELSEWHERE)]:
        del os.environ[name]
    folder = str(settings.RUNNERQ_FOLDER.resolve())
    os.environ.update({**services.environment(), "DEBUG": "1", "RUNNERQ_FOLDER": folder})
    settings.RUNNERQ.update(KAFKA={"bootstrap.servers": services.brokers}, REDIS_URL=services.redis_url)
    get_conf.cache_clear()
    # What servers that are away make clients say is for logs; the demo says in its own words what it means.
    logging.getLogger("queues").setLevel(logging.CRITICAL)
    connections.close_all()
    connections["default"].settings_dict.update(environment.database(services.database_url))
