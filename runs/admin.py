"""Runs in the admin: history is read here, never edited; a job's page gets Run now and its last run."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from jobs.admin import JobAdmin
from jobs.models import Job
from jobs.permissions import may_cancel, may_run, visible_jobs
from runs.catalogue import HEAVY
from runs.control import request_cancel
from runs.models import Fire, Run, WorkerNode
from runs.states import ICONS
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run
from runs.visibility import sees_a_job, visible_fires


@admin.action(description="Run now")
def run_now(model_admin: JobAdmin, request: HttpRequest, jobs: QuerySet[Job]) -> None:
    """Trigger each chosen job as this user; what can't run says why."""
    for job in jobs:
        if not may_run(request.user, job):
            model_admin.message_user(request, f"You may not run {job.id}.", messages.ERROR)
            continue
        try:
            name = request.user.get_username()
            run = trigger_run(job, triggered_by=f"user:{name}", requested_by=name, user=request.user)  # type: ignore[arg-type]
        except (RunInFlight, InvalidTrigger) as refusal:
            model_admin.message_user(request, str(refusal), messages.WARNING)
        else:
            link = format_html('{}: started <a href="{}">{}</a>.', job.id, run.get_absolute_url(), run.run_id)
            model_admin.message_user(request, link, messages.SUCCESS)


NEWEST = Run.objects.filter(job_id=OuterRef("pk")).order_by("-pk")


@admin.display(description="last run")
def last_run(job: Any) -> str:
    """The newest run's state, linked to its page."""
    if not job.last_run_id:
        return "–"
    url, state = reverse("runs:run", args=[job.last_run_id]), job.last_run_state
    icon = format_html('<span aria-hidden="true">{}</span>', ICONS.get(state, ""))
    return format_html('<a href="{}" class="badge {}">{} {}</a>', url, state.lower(), icon, state)


@admin.display(description="page")
def page(job: Job) -> str:
    """A link to the operator's page of the job."""
    return format_html('<a href="{}">Open<span class="unseen"> {}</span></a>', reverse("runs:job", args=[job.pk]), job)


JobAdmin.contribute(
    actions=[run_now],
    annotations={
        "last_run_id": Subquery(NEWEST.values("run_id")[:1]),
        "last_run_state": Subquery(NEWEST.values("state")[:1]),
    },
    columns=[last_run, page],
    links=[("Open", "runs:job"), ("Run now", "runs:run-now")],
)


class History(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that the engine writes: looked at, never changed."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody writes history by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes history."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody removes history by hand; retention does."""
        return False


class HistoryOfJobs(History):
    """History that belongs to jobs: a list narrows it to those that one sees."""

    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees any job sees this list."""
        return sees_a_job(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The menu shows only what can be opened."""
        return self.has_view_permission(request)


@admin.register(Run)
class RunAdmin(HistoryOfJobs):
    """The runs, with Cancel as the only verb; the run's own page shows the rest."""

    list_display = ["page", "job_id", "state", "triggered_by", "requested_by", "created_at", "finished_at", "reason"]
    list_filter = ["state", "log_level"]
    search_fields = ["run_id__exact", "job__id__exact"]
    actions = ["cancel"]
    list_display_links = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """Runs of the jobs that this user sees, without their bulky JSON."""
        runs = super().get_queryset(request).defer("snapshot", "overrides", "parameters")
        if getattr(request.user, "is_superuser", False):
            return runs
        return runs.filter(job_id__in=visible_jobs(request.user).values("pk"))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Run], search_term: str) -> Any:
        """By the whole id of a run or a job; asked for one of them only, an index finds and counts them among a million."""
        wanted = Q(job=search_term)
        if search_term.startswith("run_"):
            wanted |= Q(run_id=search_term)
        return queryset.filter(wanted) if search_term else queryset, False

    @admin.display(description="run", ordering="pk")
    def page(self, run: Run) -> str:
        """The run's id, linked to its page."""
        return format_html('<a href="{}">{}</a>', run.get_absolute_url(), run.run_id)

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, runs: QuerySet[Run]) -> None:
        """Ask for the end of each run that isn't over."""
        asked = 0
        for run in runs.select_related("job"):
            if may_cancel(request.user, run.job):
                asked += request_cancel(run, by=f"user:{request.user.get_username()}")
        self.message_user(request, f"{asked} run(s) asked to stop.", messages.SUCCESS if asked else messages.WARNING)


@admin.register(WorkerNode)
class WorkerNodeAdmin(History):
    """Workers and beats that are alive, or were within the last day."""

    list_display = ["id", "role", "host", "pid", "slots", "started_at", "seen_at"]
    list_filter = ["role"]


@admin.register(Fire)
class FireAdmin(HistoryOfJobs):
    """Scheduled moments and what became of them."""

    list_display = ["scheduled_at", "job_id", "preset", "outcome", "cause", "reason", "run", "settled_by"]
    list_filter = ["outcome", "cause"]
    search_fields = ["job__id__exact"]
    list_select_related = ["run"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fire]:
        """Moments of the jobs that this user sees, without the bulky JSON of their runs."""
        return visible_fires(request.user).defer(*(f"run__{name}" for name in HEAVY)).order_by("-scheduled_at", "-pk")
