"""Start-up of the jobs app."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """What should happen."""

    name = "jobs"

    def ready(self) -> None:
        """A broken step type stops the start, not the first night's run."""
        from auditlog.registry import auditlog

        from jobs.models import Job, Preset, Step
        from jobs.steps import step_types

        step_types()
        auditlog.register(Job, exclude_fields=["params", "step_defaults"])
        auditlog.register(Step, exclude_fields=["config", "op_kwargs"])
        auditlog.register(Preset, exclude_fields=["params", "op_kwargs"])
