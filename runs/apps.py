"""Start-up of the runs app."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class RunsConfig(AppConfig):
    """What happened and what happens now."""

    name = "runs"

    def ready(self) -> None:
        """Keep beat's table in step with every saved job and preset."""
        from jobs.models import Job, Preset
        from runs import schedules

        for model in (Job, Preset):
            post_save.connect(schedules.on_saved, sender=model, dispatch_uid=f"runs.schedules.saved.{model.__name__}")
            uid = f"runs.schedules.deleted.{model.__name__}"
            post_delete.connect(schedules.on_deleted, sender=model, dispatch_uid=uid)
