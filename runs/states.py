"""The states of a run and of a step, their groups and their arrows, and what becomes of a scheduled moment. Written once, here."""

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


class Outcome(models.TextChoices):
    """What became of a scheduled moment: exactly one of these."""

    RAN = "ran", "ran"
    LATE = "late", "ran late"
    CAUGHT_UP = "caught_up", "caught up"
    WAITING = "waiting", "waits to be caught up"
    SKIPPED = "skipped", "skipped"
    MISSED = "missed", "missed"


class Cause(models.TextChoices):
    """Why a moment started no run, or not in time."""

    NONE = "", "-"
    OVERLAP = "overlap", "a run was in flight"
    DISABLED = "disabled", "switched off or deleted in between"
    FROZEN = "frozen", "frozen"
    CALENDAR = "calendar", "excluded by a calendar"
    TOO_LATE = "too_late", "too late to catch up"
    FOLDED = "folded", "another catch-up stands for it"
    INVALID = "invalid", "the job can't run as it is"
    OUTAGE = "outage", "no scheduler was running"


# A moment that started a run, or will.
STARTED = (Outcome.RAN, Outcome.LATE, Outcome.CAUGHT_UP)

# How they look, beside their word: a sign, and for a moment's outcome the state whose colour it has.
OUTCOMES = {
    "ran": ("succeeded", "✓"),
    "late": ("succeeded", "✓"),
    "caught_up": ("succeeded", "↻"),
    "waiting": ("waiting", "◷"),
    "skipped": ("canceled", "⊘"),
    "missed": ("failed", "✕"),
}
ICONS = {"QUEUED": "◷", "RUNNING": "▶", "SUCCEEDED": "✓", "FAILED": "✕", "CANCELED": "⊘"}
