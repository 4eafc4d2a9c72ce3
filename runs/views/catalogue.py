"""The catalogue of jobs: cards to look at, and what can be done with them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Prefetch, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST
from guardian.shortcuts import get_objects_for_user

from jobs.catalogue import switch_job
from jobs.models import Job, Step
from jobs.nextfire import next_fires
from jobs.permissions import visible_jobs
from jobs.upcoming import Expected
from runs.bulk import allowed_jobs
from runs.catalogue import attach_last_runs, tags_of, with_counts
from runs.charts import StripBar, strip
from runs.ledger import Described, described_schedules
from runs.models import Run
from runs.recent import Usual, newest_runs, usual_of
from runs.runform import asks_first
from runs.states import ACTIVE, RunState
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run
from runs.views.finding import job_or_404

CARDS_ON_A_PAGE = 50
MOST_AT_ONCE = 200
MOST_TOLD = 5
NEVER = "never"
EDIT = "jobs.change_job"


@dataclass(frozen=True)
class Card:
    """All that one card shows."""

    job: Any
    next: Expected | None
    schedules: Sequence[Described]
    bars: Sequence[StripBar]
    usual: Usual | None
    may_run: bool
    asks: bool

    @property
    def active(self) -> bool:
        """Whether a run of it is in flight."""
        return bool(self.job.last_run and self.job.last_run.state in ACTIVE)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def jobs(request: HttpRequest) -> HttpResponse:
    """The catalogue; a POST acts on the jobs that were ticked."""
    return act(request) if request.method == "POST" else job_list(request)


def job_list(request: HttpRequest) -> HttpResponse:
    """The jobs that the person sees, sorted by id, as the address filters them."""
    seen = visible_jobs(request.user)
    after = request.GET.get("after", "").replace("\0", "")
    chosen = _filtered(request, with_counts(seen)).filter(pk__gt=after).order_by("pk")
    jobs = list(_with_parts(chosen)[: CARDS_ON_A_PAGE + 1])
    more = len(jobs) > CARDS_ON_A_PAGE
    cards = cards_of(request.user, jobs[:CARDS_ON_A_PAGE])
    context = {
        "section": "jobs",
        "cards": cards,
        "after": after,
        "last": cards[-1].job.pk if more else "",
        "live": 3 if any(card.active for card in cards) else 15,
        "tags": tags_of(seen),
        "states": [*RunState.choices, (NEVER, "Never run")],
        "given": {name: request.GET.get(name, "") for name in ("q", "tag", "state", "enabled")},
        "may_edit": request.user.has_perm(EDIT),
        "may_run_any": any(card.may_run for card in cards),
    }
    return render(request, "jobs/list.html", context)


def cards_of(user: Any, jobs: Sequence[Any]) -> list[Card]:
    """A card for each of the jobs, which come from `with_counts`; the number of queries doesn't grow with them."""
    now = timezone.now()
    names = [job.pk for job in jobs]
    recent = newest_runs(names)
    fires = next_fires(jobs, now)
    runnable = set(get_objects_for_user(user, "jobs.run_job", Job).filter(pk__in=names).values_list("pk", flat=True))
    return [
        Card(
            job=job,
            next=fires.get(job.pk),
            schedules=described_schedules(job),
            bars=strip(recent.get(job.pk, [])),
            usual=usual_of(recent.get(job.pk, [])),
            may_run=job.pk in runnable,
            asks=asks_first(job),
        )
        for job in attach_last_runs(jobs)
    ]


def _with_parts(jobs: QuerySet[Any]) -> QuerySet[Any]:
    return jobs.prefetch_related(Prefetch("steps", Step.objects.only("job_id", "op_kwargs")), "presets")


def _filtered(request: HttpRequest, jobs: QuerySet[Any]) -> QuerySet[Any]:
    text, tag, state, enabled = (
        request.GET.get(name, "").replace("\0", "") for name in ("q", "tag", "state", "enabled")
    )
    # JSON is searched as text by one database and as a value by the other: the tags of all jobs are few, and read here.
    tagged = _tagged(request) if text or tag else []
    for word in text.split():
        by_tag = [job_id for job_id, tags in tagged if any(word.lower() in str(name).lower() for name in tags)]
        jobs = jobs.filter(Q(pk__icontains=word) | Q(description__icontains=word) | Q(pk__in=by_tag))
    if tag:
        jobs = jobs.filter(pk__in=[job_id for job_id, tags in tagged if tag in tags])
    if state in RunState.values:
        newest = Run.objects.filter(job=OuterRef("pk")).order_by("-pk").values("state")[:1]
        jobs = jobs.annotate(last_state=Subquery(newest)).filter(last_state=state)
    elif state == NEVER:
        jobs = jobs.filter(last_run_pk=None)
    return jobs.filter(enabled=enabled == "on") if enabled in ("on", "off") else jobs


def _tagged(request: HttpRequest) -> list[tuple[str, list[str]]]:
    return list(visible_jobs(request.user).values_list("pk", "tags"))


# What can be done


@login_required
@require_POST
def switch(request: HttpRequest, job_id: str) -> HttpResponse:
    """Turn a job's schedule on or off."""
    job = job_or_404(request.user, job_id)
    _may_edit(request)
    enabled = request.POST.get("enabled") == "on"
    switch_job(job, enabled, by=request.user.get_username(), user=request.user)
    messages.success(request, f"The schedule of {job.pk} is {'on' if enabled else 'off'}.")
    return _back(request)


def act(request: HttpRequest) -> HttpResponse:
    """Switch or run the jobs that were ticked."""
    names = [name for name in request.POST.getlist("job") if "\0" not in name][:MOST_AT_ONCE]
    jobs = list(visible_jobs(request.user).filter(pk__in=names).order_by("pk"))
    verb = VERBS.get(request.POST.get("act", ""))
    if verb is None:
        messages.error(request, "Nothing done: choose to run the jobs, or to switch their schedules on or off.")
    elif not jobs:
        messages.warning(request, "Nothing done: tick the jobs first.")
    else:
        verb(request, jobs)
    return _back(request)


def _switch_all(enabled: bool) -> Callable[[HttpRequest, list[Job]], None]:
    def switch_them(request: HttpRequest, jobs: list[Job]) -> None:
        _may_edit(request)
        for job in jobs:
            switch_job(job, enabled, by=request.user.get_username(), user=request.user)
        messages.success(
            request, f"Schedules switched {'on' if enabled else 'off'}: {_names([job.pk for job in jobs])}."
        )

    return switch_them


def _run_all(request: HttpRequest, jobs: list[Job]) -> None:
    started, refused = [], []
    name = request.user.get_username()
    user: Any = request.user
    may_run = allowed_jobs(user, "run_job", [job.pk for job in jobs])
    for job in jobs:
        if not may_run(job.pk):
            refused.append(f"You may not run {job.pk}.")
            continue
        try:
            trigger_run(job, triggered_by=f"user:{name}", requested_by=name, user=user)
            started.append(job.pk)
        except (RunInFlight, InvalidTrigger) as refusal:
            refused.append(str(refusal))
    if started:
        messages.success(request, f"Started: {_names(started)}.")
    for reason in refused[:MOST_TOLD]:
        messages.warning(request, f"Not started. {reason}")
    if len(refused) > MOST_TOLD:
        messages.warning(request, f"{len(refused) - MOST_TOLD} more were not started.")


VERBS: dict[str, Callable[[HttpRequest, list[Job]], None]] = {
    "run": _run_all,
    "on": _switch_all(True),
    "off": _switch_all(False),
}


def _may_edit(request: HttpRequest) -> None:
    if not request.user.has_perm(EDIT):
        raise PermissionDenied("Switching a schedule is a change of the job, which you may not make.")


def _names(names: Sequence[str]) -> str:
    rest = len(names) - MOST_TOLD
    return ", ".join(names[:MOST_TOLD]) + (f" and {rest} more" if rest > 0 else "")


def _back(request: HttpRequest) -> HttpResponse:
    """To the page that the form stands on."""
    where = request.POST.get("back", "")
    safe = where.startswith("/") and url_has_allowed_host_and_scheme(where, allowed_hosts=None)
    return redirect(where if safe else "runs:jobs")
