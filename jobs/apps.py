"""Start-up of the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """What should happen."""

    name = "jobs"

    def ready(self) -> None:
        """A broken step type stops the start, not the first night's run."""
        from auditlog.registry import auditlog
        from django.db.models.signals import post_delete, post_save

        from jobs.calendars import on_calendar_changed
        from jobs.models import Calendar, Freeze, Job, Preset, Step
        from jobs.steps import step_types

        step_types()
        auditlog.register(Job, exclude_fields=["params", "step_defaults"])
        auditlog.register(Step, exclude_fields=["config", "op_kwargs"])
        auditlog.register(Preset, exclude_fields=["params", "op_kwargs"])
        auditlog.register(Calendar)
        auditlog.register(Freeze)
        post_save.connect(on_calendar_changed, Calendar, dispatch_uid="jobs.calendar_saved")
        post_delete.connect(on_calendar_changed, Calendar, dispatch_uid="jobs.calendar_deleted")
