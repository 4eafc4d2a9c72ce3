"""The operator pages: jobs, runs, one run."""

import datetime
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST
from guardian.shortcuts import get_objects_for_user

from jobs.models import Job
from jobs.permissions import may_run, visible_jobs
from jobs.upcoming import expected_fires
from runs.api.log import chosen_lines, download
from runs.catalogue import HEAVY, attach_last_runs, with_counts
from runs.control import request_cancel
from runs.ledger import described_schedules, zone_or_utc
from runs.models import Fire, Run, StepRun
from runs.states import Outcome, RunState
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run
from runs.views.log import log_context
from runs.visibility import may_cancel_run, visible_runs

RUNS_ON_A_PAGE = 50
RUNS_OF_A_JOB = 20
FIRES_OF_A_JOB = 10
AHEAD = datetime.timedelta(days=366)
# Moments of a job that started nothing.
NOT_RUN = (Outcome.SKIPPED, Outcome.MISSED, Outcome.WAITING)


@login_required
@require_GET
def job_list(request: HttpRequest) -> HttpResponse:
    """The jobs that the person sees, each with its last run."""
    jobs = attach_last_runs(with_counts(visible_jobs(request.user).order_by("pk")))
    return render(
        request, "jobs/list.html", {"section": "jobs", "jobs": jobs, "runnable": _runnable(request.user, jobs)}
    )


@login_required
@require_GET
def job_page(request: HttpRequest, job_id: str) -> HttpResponse:
    """One job: its definition in short, and its newest runs."""
    job = _job(request, job_id)
    newest = Run.objects.filter(job=job).defer(*HEAVY).order_by("-pk")[:RUNS_OF_A_JOB]
    now = timezone.now()
    ahead = expected_fires(Job.objects.filter(pk=job.pk), now, now + AHEAD, FIRES_OF_A_JOB)
    context = {
        "section": "jobs",
        "job": job,
        "zone": zone_or_utc(job.timezone),
        "schedules": described_schedules(job),
        "upcoming": ahead,
        "fires": Fire.objects.filter(job=job, outcome__in=NOT_RUN).order_by("-scheduled_at")[:FIRES_OF_A_JOB],
        "steps": job.steps.all(),
        "runs": newest,
        "runnable": _runnable(request.user, [job]),
    }
    return render(request, "jobs/job.html", context)


@login_required
@require_POST
def run_now(request: HttpRequest, job_id: str) -> HttpResponse:
    """Start the job as it's defined and go to its run; to the run in flight where there may be only one."""
    job = _job(request, job_id)
    if not may_run(request.user, job):
        raise PermissionDenied(f"You may not run job {job.pk!r}.")
    name = request.user.get_username()
    try:
        return redirect(trigger_run(job, triggered_by=f"user:{name}", requested_by=name, user=request.user))  # type: ignore[arg-type]
    except RunInFlight as error:
        messages.warning(request, f"Not started. {error}")
        return redirect(error.run)
    except InvalidTrigger as error:
        messages.error(request, f"Not started. {error}")
        return redirect("runs:job", job.pk)


@login_required
@require_GET
def run_list(request: HttpRequest) -> HttpResponse:
    """The newest runs, by job and state if asked; older ones page by page."""
    job, state, before = (request.GET.get(name, "") for name in ("job", "state", "before"))
    runs = visible_runs(request.user).defer(*HEAVY).order_by("-pk")
    if job:
        runs = runs.none() if "\0" in job else runs.filter(job_id=job)
    if state in RunState.values:
        runs = runs.filter(state=state)
    if (last := _number(before)) is not None:
        runs = runs.filter(pk__lt=last)
    found = list(runs[: RUNS_ON_A_PAGE + 1])
    context = {
        "section": "runs",
        "runs": found[:RUNS_ON_A_PAGE],
        "older": found[RUNS_ON_A_PAGE - 1].pk if len(found) > RUNS_ON_A_PAGE else None,
        "before": before,
        "job": job,
        "state": state,
        "states": RunState.choices,
    }
    return render(request, "runs/list.html", context)


@login_required
@require_GET
def run_page(request: HttpRequest, run_id: str) -> HttpResponse:
    """One run: how it stands, its steps, what it was given, and the end of its log, or an earlier piece of it."""
    run = _run(request, run_id)
    context = {**_standing(request, run), **log_context(request, run), "section": "runs"}
    return render(request, "runs/run.html", context)


@login_required
@require_GET
def run_standing(request: HttpRequest, run_id: str) -> HttpResponse:
    """The part of a run's page that changes: the same template, fetched again when the stream says so."""
    return render(request, "runs/_standing.html", _standing(request, _run(request, run_id)))


@login_required
@require_GET
def run_log(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """The whole log as a text file."""
    run = _run(request, run_id)
    return download(run, chosen_lines(run, None, None))


@login_required
@require_POST
def run_cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    """Ask for the run's end."""
    run = _run(request, run_id)
    if not may_cancel_run(request.user, run):
        raise PermissionDenied(f"You may not cancel run {run.run_id}.")
    if request_cancel(run, f"user:{request.user.get_username()}"):
        messages.info(request, "Cancelling. The run ends within seconds.")
    else:
        messages.warning(request, "Nothing to cancel: the run was over already.")
    return redirect(run)


def _job(request: HttpRequest, job_id: str) -> Job:
    job = None if "\0" in job_id else visible_jobs(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404("There is no such job.")
    return job


def _run(request: HttpRequest, run_id: str) -> Run:
    run = None if "\0" in run_id else visible_runs(request.user).filter(run_id=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    return run


def _runnable(user: Any, jobs: Sequence[Job]) -> set[str]:
    """The ids of those that the person may run, in a constant number of queries."""
    allowed = get_objects_for_user(user, "jobs.run_job", Job).filter(pk__in=[job.pk for job in jobs])
    return set(allowed.values_list("pk", flat=True))


def _standing(request: HttpRequest, run: Run) -> dict[str, Any]:
    attempts = list(run.step_runs.select_related("child").defer(*(f"child__{name}" for name in HEAVY)))
    return {
        "run": run,
        "attempts": attempts,
        "ahead": _ahead(run, attempts),
        "may_cancel": not run.is_over and may_cancel_run(request.user, run),
        "job_exists": Job.objects.filter(pk=run.job_id).exists(),
    }


def _ahead(run: Run, attempts: Sequence[StepRun]) -> list[tuple[int, str, str]]:
    """(number from 1, name, type) of the steps that an unfinished run hasn't reached."""
    if run.is_over:
        return []
    reached = {attempt.number for attempt in attempts}
    steps = enumerate(run.snapshot.get("steps", []))
    return [(number + 1, step["name"], step["type"]) for number, step in steps if number not in reached]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
