"""The first page: how things stand now, what ran, and what comes."""

import datetime
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncHour
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET
from guardian.shortcuts import get_objects_for_user

from jobs.models import Job
from jobs.permissions import visible_jobs
from jobs.upcoming import expected_fires
from runs.catalogue import HEAVY
from runs.charts import HOURS, hour_bars
from runs.health import health
from runs.history import Filters
from runs.models import Run
from runs.recent import usual_durations
from runs.search import page_of
from runs.states import ACTIVE, FINAL, Outcome, RunState
from runs.visibility import visible_fires, visible_runs

DAY = datetime.timedelta(days=1)
ACTIVE_SHOWN = 25
FAILURES_SHOWN = 8
UPCOMING_SHOWN = 12


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Running, queued, failed, late; who is alive; active runs, last failures, the next 24 hours, and 48 hours of outcomes."""
    user, now = request.user, timezone.now()
    runs = visible_runs(user)
    jobs = visible_jobs(user)
    active = list(runs.filter(state__in=ACTIVE).defer(*HEAVY).order_by("-pk")[:ACTIVE_SHOWN])
    context: dict[str, Any] = {
        "section": "home",
        "running": runs.filter(state=RunState.RUNNING).count(),
        "queued": runs.filter(state=RunState.QUEUED).count(),
        "failed": runs.filter(state=RunState.FAILED, finished_at__gte=now - DAY).count(),
        "late": visible_fires(user).filter(scheduled_at__gte=now - DAY, outcome=Outcome.LATE).count(),
        "health": health(),
        "active": _with_usual(user, active),
        "failures": page_of(user, Filters(states=(RunState.FAILED,)), FAILURES_SHOWN).runs,
        "upcoming": expected_fires(jobs, now, now + DAY, UPCOMING_SHOWN),
        "hours": hour_bars(_ended(runs, now), now),
        "live": 3 if active else 15,
    }
    return render(request, "runs/home.html", context)


def _with_usual(user: Any, active: list[Run]) -> list[tuple[Run, Any, bool]]:
    """(run, its job's usual duration or None, whether the person may cancel it)."""
    names = sorted({run.job_id for run in active})
    usual = usual_durations(names)
    cancellable = set(
        get_objects_for_user(user, "jobs.cancel_job", Job).filter(pk__in=names).values_list("pk", flat=True)
    )
    return [(run, usual.get(run.job_id), run.job_id in cancellable) for run in active]


def _ended(runs: QuerySet[Run], now: datetime.datetime) -> dict[tuple[datetime.datetime, str], int]:
    """How many runs ended, by (hour, state)."""
    since = now.replace(minute=0, second=0, microsecond=0) - datetime.timedelta(hours=HOURS - 1)
    ended = runs.filter(finished_at__gte=since, state__in=FINAL).order_by()
    hours = ended.annotate(hour=TruncHour("finished_at", tzinfo=datetime.UTC)).values_list("hour", "state")
    return {(hour, state): count for hour, state, count in hours.annotate(Count("pk"))}
