"""Who and what the page and API tests play with: Olga does everything, Rui runs, Vera views, Nobody sees nothing."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone
from guardian.shortcuts import assign_perm
from knox.models import get_token_model

from jobs.models import Job, Step
from runs.ids import new_run_id
from runs.models import LogLine, Run


def user(name: str, *permissions: str, **values: Any) -> Any:
    """A staff user with permissions for all jobs."""
    person = get_user_model().objects.create_user(name, password="correct horse", is_staff=True, **values)
    for permission in permissions:
        person.user_permissions.add(Permission.objects.get(content_type__app_label="jobs", codename=permission))
    return person


def olga() -> Any:
    """A superuser."""
    return get_user_model().objects.create_superuser("olga", password="correct horse")


def rui(job: Job) -> Any:
    """May see, run and cancel one job."""
    person = user("rui")
    for permission in ("see_job", "run_job", "cancel_job"):
        assign_perm(f"jobs.{permission}", person, job)
    return person


def vera(job: Job) -> Any:
    """May see one job."""
    person = user("vera")
    assign_perm("jobs.see_job", person, job)
    return person


def job(name: str = "nightly", steps: tuple[str, ...] = ("load", "send"), **values: Any) -> Job:
    """A job of `sql_query` steps."""
    made = Job.objects.create(id=name, **values)
    for position, step in enumerate(steps):
        config = {"connector": "reporting", "query": "select 1"}
        Step.objects.create(job=made, position=position, name=step, type="sql_query", config=config)
    return made


def run(of: Job, state: str = "RUNNING", lines: int = 0, **values: Any) -> Run:
    """A run as the engine would have left it, with a log of so many lines."""
    now = timezone.now()
    values.setdefault("snapshot", {"id": of.pk, "steps": [{"name": s.name, "type": s.type} for s in of.steps.all()]})
    made = Run.objects.create(
        **{"run_id": new_run_id(), "triggered_by": "cli", "step_count": of.steps.count(), **values},
        job=of,
        state=state,
        created_at=now,
        due_at=now,
        started_at=None if state == "QUEUED" else now,
        finished_at=None if state in ("QUEUED", "RUNNING") else now,
    )
    write(made, *(f"line {number}" for number in range(1, lines + 1)))
    return made


def write(to: Run, *texts: str, level: str = "INFO", step: str = "load") -> None:
    """More lines at the end of a run's log."""
    last = LogLine.objects.filter(run=to).count()
    LogLine.objects.bulk_create(
        LogLine(run=to, seq=last + number, at=timezone.now(), level=level, step=step, attempt=1, text=text)
        for number, text in enumerate(texts, 1)
    )


def token(of: Any) -> dict[str, str]:
    """The header of a fresh token, as Django's test client takes it."""
    return {"HTTP_AUTHORIZATION": f"Token {get_token_model().objects.create(user=of)[1]}"}
