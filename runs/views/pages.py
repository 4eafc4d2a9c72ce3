"""The page of one run."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs.catalogue import diff_definitions, diff_kind
from jobs.permissions import may_run
from runs.api.log import chosen_lines, download
from runs.catalogue import HEAVY
from runs.control import request_cancel
from runs.ledger import zone_or_utc
from runs.models import Run, StepRun
from runs.recent import usual_durations
from runs.replay import failed_step
from runs.restore import kept_tables
from runs.sections import sections_of
from runs.states import RunState
from runs.timeline import differences, first_error, last_good_run, timeline_of
from runs.views.finding import run_or_404
from runs.views.log import log_context
from runs.visibility import job_of, may_cancel_run

# Runs that a run started, and runs that repeat it: the first of them.
MOST_RELATED = 20


@login_required
@require_GET
def run_page(request: HttpRequest, run_id: str) -> HttpResponse:
    """One run: how it stands, its timeline and steps, its log, and what it was given beside the last run that went well."""
    run = run_or_404(request.user, run_id)
    context = {**_standing(request, run), **log_context(request, run), **_given(run), "section": "runs"}
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
    job = job_of(run)
    may_replay = run.is_over and job is not None and may_run(request.user, job)
    return {
        "run": run,
        "attempts": attempts,
        "ahead": _ahead(run, attempts),
        "chart": timeline_of(run, attempts, timezone.now()),
        "error": first_error(attempts) if run.state == RunState.FAILED else None,
        "usual": usual_durations([run.job_id]).get(run.job_id),
        "zone": zone_or_utc(job.timezone if job else "UTC"),
        "children": list(run.children.defer(*HEAVY).order_by("pk")[:MOST_RELATED]),
        "replays": list(run.replays.defer(*HEAVY).order_by("pk")[:MOST_RELATED]),
        "may_cancel": not run.is_over and may_cancel_run(request.user, run),
        "may_replay": may_replay,
        "may_resume": may_replay and failed_step(attempts) is not None,
        "restorable": kept_tables(attempts, timezone.now()) if may_replay else [],
        "job_exists": job is not None,
        "sections": sections_of(request.user, run),
    }


def _given(run: Run) -> dict[str, Any]:
    """The run's parameters and definition beside those of the last run of its job that went well."""
    good = last_good_run(run)
    if good is None:
        return {"good": None}
    lines = diff_definitions(_whole(good), _whole(run), good.run_id, run.run_id)
    return {
        "good": good,
        "changed": differences(run, good),
        "definition_diff": [(diff_kind(line), line) for line in lines],
    }


def _whole(run: Run) -> dict[str, Any]:
    return {"steps": [], "presets": [], **run.snapshot}


def _ahead(run: Run, attempts: Sequence[StepRun]) -> list[tuple[int, str, str]]:
    """(number from 1, name, type) of the steps that an unfinished run hasn't reached."""
    if run.is_over:
        return []
    reached = {attempt.number for attempt in attempts}
    steps = enumerate(run.snapshot.get("steps", []))
    return [(number + 1, step["name"], step["type"]) for number, step in steps if number not in reached]
