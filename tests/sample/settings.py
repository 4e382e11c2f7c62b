"""The site's settings with the sample app installed; for the processes that tests start."""

from runnerq_site.settings import *  # noqa: F403
from runnerq_site.settings import INSTALLED_APPS as _SITE_APPS

INSTALLED_APPS = [*_SITE_APPS, "tests.sample"]
