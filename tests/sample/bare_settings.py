"""The library in a project without any handler; also its empty URLconf."""

from runnerq_site.settings import *  # noqa: F403

INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "queues"]
MIDDLEWARE = []
ROOT_URLCONF = "tests.sample.bare_settings"
urlpatterns = []
