"""Start-up of the runs app."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class RunsConfig(AppConfig):
    """What happened and what happens now."""

    name = "runs"

    def ready(self) -> None:
        """Keep beat's table in step with every saved job."""
        from jobs.models import Job
        from runs import schedules

        post_save.connect(schedules.on_job_saved, sender=Job, dispatch_uid="runs.schedules.saved")
        post_delete.connect(schedules.on_job_deleted, sender=Job, dispatch_uid="runs.schedules.deleted")
