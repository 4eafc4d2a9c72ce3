"""Whether schedules fire and runs are executed, told from the heartbeats."""

import datetime
from dataclasses import dataclass

from django.db.models.functions import Now

from jobs.models import Job, Preset
from runs.models import WorkerNode

# A beat that has been silent for longer than this isn't firing anything.
ALIVE_SECONDS = 15.0


@dataclass(frozen=True)
class Health:
    """`scheduler` is active, standby or error; the ages are seconds since the last heartbeat, None without any."""

    scheduler: str
    scheduler_age: float | None
    worker_age: float | None


def health() -> Health:
    """How things stand now. Standby: no beat is alive, and no enabled job or preset has a schedule."""
    beat = _age("beat")
    if beat is not None and beat < ALIVE_SECONDS:
        state = "active"
    else:
        state = "error" if _anything_scheduled() else "standby"
    return Health(state, beat, _age("worker"))


def _age(role: str) -> float | None:
    # Against the clock that wrote the heartbeat, not this host's.
    rows = WorkerNode.objects.filter(role=role).annotate(now=Now()).order_by("-seen_at")
    newest = rows.values_list("now", "seen_at").first()
    if newest is None:
        return None
    now, seen = newest
    age: datetime.timedelta = now - seen
    return round(max(age.total_seconds(), 0.0), 1)


def _anything_scheduled() -> bool:
    if Job.objects.filter(enabled=True).exclude(schedule="").exists():
        return True
    return Preset.objects.filter(enabled=True).exclude(schedule="").exists()
