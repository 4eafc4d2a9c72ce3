"""Starting runs from the pages: at once, or through the form; a replay is the form filled with an old run's values."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from jobs.catalogue import connector_kinds
from jobs.definition import definition_of
from jobs.models import Job
from jobs.parameters import Overrides
from jobs.permissions import may_run
from jobs.plan import Plan, plan_of
from runs.models import Run
from runs.replay import NothingFailed, replay_overrides
from runs.restore import NothingKept, restoring
from runs.runform import RunForm, Values, values_of
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run
from runs.views.finding import job_or_404, run_or_404
from runs.visibility import job_of


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def run_now(request: HttpRequest, job_id: str) -> HttpResponse:
    """The form; a POST without its fields starts the job as it's defined."""
    job = _runnable(request, job_or_404(request.user, job_id))
    if request.method == "POST" and "seen_version" not in request.POST:
        return _start_at_once(request, job)
    plan = plan_of(definition_of(job))
    preset, base = _preset(request, job, values_of(plan, job.log_level))
    address = reverse("runs:run-now", args=[job.pk])

    def start(overrides: Overrides) -> Run:
        return trigger_run(job, overrides=overrides, preset=preset, **_by(request))

    context = {"job": job, "presets": list(job.presets.all()), "preset": preset, "address": address}
    return _form(request, job, base, base, start, {**context, "heading": f"Run {job.pk}", "verb": "▶ Run now"})


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def replay(request: HttpRequest, run_id: str) -> HttpResponse:
    """The form with an old run's values; `?from=failed` switches the steps before the failed one off."""
    run = run_or_404(request.user, run_id)
    job = job_of(run)
    if job is None:
        messages.error(request, f"Job {run.job_id!r} has been deleted; there is nothing to run again.")
        return redirect(run)
    _runnable(request, job)
    from_failed = request.GET.get("from") == "failed"
    try:
        given = replay_overrides(run, from_failed_step=from_failed)
    except NothingFailed as error:
        messages.error(request, str(error))
        return redirect(run)
    base = values_of(plan_of(definition_of(job)), job.log_level)
    shown = base.under(_values_then(run, base)).under(given)

    def start(overrides: Overrides) -> Run:
        return trigger_run(job, overrides=overrides, replay_of=run, **_by(request))

    where = " from the failed step" if from_failed else ""
    address = reverse("runs:replay", args=[run.run_id]) + ("?from=failed" if from_failed else "")
    context = {"job": job, "replayed": run, "address": address, "heading": f"Replay {run.run_id}{where}"}
    return _form(request, job, base, shown, start, {**context, "verb": "↻ Replay"})


@login_required
@require_POST
def restore(request: HttpRequest, run_id: str, step: str) -> HttpResponse:
    """Start the run that puts back what a copy has replaced."""
    run = run_or_404(request.user, run_id)
    job = job_of(run)
    if job is None:
        messages.error(request, f"Job {run.job_id!r} has been deleted; a run needs its job.")
        return redirect(run)
    _runnable(request, job)
    try:
        definition, overrides = restoring(run, step, timezone.now())
    except NothingKept as error:
        messages.error(request, str(error))
        return redirect(run)
    return _start_at_once(request, job, definition=definition, overrides=overrides, replay_of=run)


def _values_then(run: Run, base: Values) -> Overrides:
    """The job's own values at the time of the run, of the parameters and steps that there still are."""
    then = values_of(_plan_then(run), run.log_level)
    kept = {place: value for place, value in then.parameters.items() if place in base.parameters}
    steps: dict[str, dict[str, Any]] = {}
    for place, value in kept.items():
        if place.step:
            steps.setdefault(place.step, {})[place.key] = value
    params = {place.key: value for place, value in kept.items() if not place.step}
    return Overrides(params, steps, then.steps, run.log_level)


def _plan_then(run: Run) -> Plan:
    return plan_of({"id": run.job_id, "steps": [], **run.snapshot})


def _form(
    request: HttpRequest,
    job: Job,
    base: Values,
    shown: Values,
    start: Callable[[Overrides], Run],
    context: dict[str, Any],
) -> HttpResponse:
    """Show the form, or start what it says and go there; with its faults beside the fields where it can't be started."""
    status, refusal = 200, None
    form = RunForm(job, base, shown, connector_kinds(), request.POST if request.method == "POST" else None)
    if form.is_bound:
        status = 400
        if form.is_valid():
            try:
                return redirect(start(form.overrides))
            except RunInFlight as error:
                status, refusal = 409, error
            except InvalidTrigger as error:
                for name, problems in error.errors.items():
                    form.add_error(name if name in form.fields else None, problems)
        form.data = {**form.data.dict(), "seen_version": str(job.version)}  # type: ignore[attr-defined]
    return render(
        request, "runs/start.html", {"section": "jobs", "form": form, "refusal": refusal, **context}, status=status
    )


def _preset(request: HttpRequest, job: Job, base: Values) -> tuple[str, Values]:
    """The chosen preset's name and the values with it. An unknown one counts as none on the form; starting refuses it."""
    posted = request.POST.get("preset", "")
    name = posted if request.method == "POST" else request.GET.get("preset", "")
    for preset in job.presets.all():
        if preset.name == name:
            upper = Overrides(preset.params, preset.op_kwargs, preset.step_enabled, preset.log_level or None)
            return name, base.under(upper)
    return posted, base


def _start_at_once(request: HttpRequest, job: Job, **values: Any) -> HttpResponse:
    """Start the job and go to its run; to the run in flight where there may be only one."""
    try:
        return redirect(trigger_run(job, **values, **_by(request)))
    except RunInFlight as error:
        messages.warning(request, f"Not started. {error}")
        return redirect(error.run)
    except InvalidTrigger as error:
        messages.error(request, f"Not started. {error}")
        return redirect("runs:job", job.pk)


def _by(request: HttpRequest) -> dict[str, Any]:
    name = request.user.get_username()
    return {"triggered_by": f"user:{name}", "requested_by": name, "user": request.user}


def _runnable(request: HttpRequest, job: Job) -> Job:
    if not may_run(request.user, job):
        raise PermissionDenied(f"You may not run job {job.pk!r}.")
    return job
