"""The page of one job."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from jobs.definition import definition_of
from jobs.models import Job, JobVersion
from jobs.permissions import visible_jobs
from jobs.tomltext import readable_toml
from jobs.upcoming import expected_fires
from jobs.words import sentences, step_line
from runs.catalogue import HEAVY, with_counts
from runs.charts import dot_plot
from runs.ledger import zone_or_utc
from runs.models import Fire, Run
from runs.progress import Progress, grid, last_attempts, progress_of
from runs.recent import Usual, newest_runs
from runs.states import Outcome
from runs.views.catalogue import EDIT, cards_of
from runs.views.finding import job_or_404

RUNS_SHOWN = 20
RUNS_DRAWN = 100
FIRES_SHOWN = 10
VERSIONS_SHOWN = 5
AHEAD = datetime.timedelta(days=366)
# Moments of a job that started nothing.
NOT_RUN = (Outcome.SKIPPED, Outcome.MISSED, Outcome.WAITING)


@dataclass(frozen=True)
class RunRow:
    """A run in the job's list."""

    run: Run
    progress: Progress
    usual: Usual | None

    @property
    def wait(self) -> float | None:
        """Seconds between asking for the run and its start."""
        return (self.run.started_at - self.run.created_at).total_seconds() if self.run.started_at else None

    @property
    def is_long(self) -> bool:
        """Whether it took, or takes, longer than 95 of a hundred."""
        if self.usual is None or self.run.started_at is None or self.usual.runs < RUNS_SHOWN // 2:
            return False
        return ((self.run.finished_at or timezone.now()) - self.run.started_at).total_seconds() > self.usual.p95


@login_required
@require_GET
def job_page(request: HttpRequest, job_id: str) -> HttpResponse:
    """One job: what it is, when it fires, and how its runs went."""
    job_or_404(request.user, job_id)
    job = with_counts(visible_jobs(request.user)).prefetch_related("steps", "presets").get(pk=job_id)
    (card,) = cards_of(request.user, [job])
    plot = dot_plot(newest_runs([job.pk], RUNS_DRAWN).get(job.pk, []))
    runs = list(Run.objects.filter(job=job).defer(*HEAVY).order_by("-pk")[:RUNS_SHOWN])
    attempts = last_attempts(runs)
    usual = plot.usual if plot else None
    now = timezone.now()
    context: dict[str, Any] = {
        "section": "jobs",
        "job": job,
        "card": card,
        "may_edit": request.user.has_perm(EDIT),
        "sentences": sentences(job),
        "steps": [(step, step_line(step)) for step in job.steps.all()],
        "definition": readable_toml(definition_of(job)),
        "zone": zone_or_utc(job.timezone),
        "upcoming": expected_fires(Job.objects.filter(pk=job.pk), now, now + AHEAD, FIRES_SHOWN),
        "fires": Fire.objects.filter(job=job, outcome__in=NOT_RUN).order_by("-scheduled_at")[:FIRES_SHOWN],
        "rows": _rows(runs, attempts, usual),
        "plot": plot,
        "grid_runs": runs[::-1],
        "grid": grid(runs[::-1], attempts),
        "versions": JobVersion.objects.filter(job_key=job.pk).defer("definition").order_by("-number")[:VERSIONS_SHOWN],
        "live": 3 if card.active else 15,
    }
    return render(request, "jobs/job.html", context)


def _rows(runs: Sequence[Run], attempts: dict[int, Any], usual: Usual | None) -> list[RunRow]:
    return [RunRow(run, progress_of(run.step_count, attempts.get(run.pk, [])), usual) for run in runs]
