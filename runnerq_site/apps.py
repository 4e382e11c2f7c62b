"""The site as an installed app, so that Django finds its commands and checks."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """Register the site's checks."""

    name = "runnerq_site"
    verbose_name = "RunnerQ site"

    def ready(self) -> None:
        """Import what registers itself."""
        from runnerq_site import checks  # noqa: F401, PLC0415 -- registers on import
