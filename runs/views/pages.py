"""The operator pages: jobs, runs, one run."""

import datetime
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from jobs.models import Job
from runs.api.log import chosen_lines, download
from runs.catalogue import HEAVY
from runs.control import request_cancel
from runs.models import Run, StepRun
from runs.states import Outcome, RunState
from runs.views.finding import run_or_404
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
    run = run_or_404(request.user, run_id)
    context = {**_standing(request, run), **log_context(request, run), "section": "runs"}
    return render(request, "runs/run.html", context)


@login_required
@require_GET
def run_standing(request: HttpRequest, run_id: str) -> HttpResponse:
    """The part of a run's page that changes: the same template, fetched again when the stream says so."""
    return render(request, "runs/_standing.html", _standing(request, run_or_404(request.user, run_id)))


@login_required
@require_GET
def run_log(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """The whole log as a text file."""
    run = run_or_404(request.user, run_id)
    return download(run, chosen_lines(run, None, None))


@login_required
@require_POST
def run_cancel(request: HttpRequest, run_id: str) -> HttpResponse:
    """Ask for the run's end."""
    run = run_or_404(request.user, run_id)
    if not may_cancel_run(request.user, run):
        raise PermissionDenied(f"You may not cancel run {run.run_id}.")
    if request_cancel(run, f"user:{request.user.get_username()}"):
        messages.info(request, "Cancelling. The run ends within seconds.")
    else:
        messages.warning(request, "Nothing to cancel: the run was over already.")
    return redirect(run)


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
