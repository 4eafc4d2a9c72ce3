"""Which jobs tell somebody about their runs, and which tell nobody."""

from dataclasses import dataclass

from django.db.models import QuerySet

from jobs.models import Job


@dataclass(frozen=True)
class Alerting:
    """One job that declares alerts: on which events, and to whom; no recipients means the channel's default."""

    job_id: str
    enabled: bool
    events: tuple[str, ...]
    recipients: tuple[str, ...]


def alerting_jobs(jobs: QuerySet[Job]) -> list[Alerting]:
    """The jobs with an alerts block, by id."""
    declared = jobs.exclude(alerts=None).order_by("pk").only("id", "enabled", "alerts")
    return [
        Alerting(job.pk, job.enabled, _events(job.alerts or {}), tuple((job.alerts or {}).get("recipients") or ()))
        for job in declared
    ]


def silent_jobs(jobs: QuerySet[Job]) -> list[str]:
    """The ids of enabled jobs that alert nobody when they fail."""
    enabled = jobs.filter(enabled=True).order_by("pk").values_list("pk", "alerts")
    return [job_id for job_id, alerts in enabled if not alerts or not alerts.get("on_failure", True)]


def _events(alerts: dict[str, object]) -> tuple[str, ...]:
    minutes = alerts.get("on_long_run_minutes")
    told = [
        ("failure", alerts.get("on_failure", True)),
        (f"still running after {minutes} min", minutes),
        ("success", alerts.get("on_success")),
    ]
    return tuple(words for words, wanted in told if wanted)
