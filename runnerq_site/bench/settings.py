"""Settings of a measured process: the site's, with topics, Redis keys and a database that are the bench's own."""

import os

from runnerq_site.settings import *  # noqa: F403
from runnerq_site.settings import DATABASES, INSTALLED_APPS, RUNNERQ

NAME = os.environ["BENCH_NAME"]

INSTALLED_APPS = [*INSTALLED_APPS, "runnerq_site.bench"]
RUNNERQ = RUNNERQ | {"TOPIC_PREFIX": NAME, "REDIS_PREFIX": NAME}
DATABASES["default"]["NAME"] = NAME
