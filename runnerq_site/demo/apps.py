"""The demo's activities as an installed app, so that workers find them."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Real work on real files: what ``manage.py demo`` enqueues and workers run."""

    name = "runnerq_site.demo"
    label = "demo"
    verbose_name = "RunnerQ demo"
