"""Wiring of the admin and of the start-up checks."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class NomaflowAdminConfig(AdminConfig):
    """Django's admin, under our site class."""

    default_site = "nomaflow_site.admin.NomaflowAdminSite"


class SiteConfig(AppConfig):
    """Start-up checks."""

    name = "nomaflow_site"
    label = "nomaflow_site"
    verbose_name = "Nomaflow"

    def ready(self) -> None:
        """Register the checks and take Celery's application in."""
        from nomaflow_site import celery, checks

        assert celery.app is not None
        assert checks.CHECKS
