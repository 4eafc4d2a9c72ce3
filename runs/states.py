"""The states of a run and of a step, their groups and their arrows. Written once, here."""

from django.db import models


class RunState(models.TextChoices):
    """QUEUED, RUNNING, then one of three ends. Steps use the same words."""

    QUEUED = "QUEUED", "Queued"
    RUNNING = "RUNNING", "Running"
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    FAILED = "FAILED", "Failed"
    CANCELED = "CANCELED", "Canceled"

    @property
    def is_final(self) -> bool:
        """Whether nothing can follow."""
        return self in FINAL


ACTIVE = (RunState.QUEUED, RunState.RUNNING)
FINAL = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED)
# QUEUED again: a retry that waits, a chained job that is waited for, a run taken back from a dead worker.
ARROWS = {
    RunState.QUEUED: (RunState.RUNNING, RunState.CANCELED, RunState.FAILED),
    RunState.RUNNING: (RunState.QUEUED, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELED),
}
