"""The job's page in the admin. Floors above add to it through `JobAdmin.contribute`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from adminsortable2.admin import SortableAdminBase, SortableStackedInline
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import Count, Prefetch, QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join

from jobs import adminpages, calendaradmin, connectoradmin, freezeadmin  # noqa: F401  (they register their pages)
from jobs.catalogue import delete_job, save_job, switch_job
from jobs.definition import definition_of
from jobs.forms import CALENDAR_FIELDS, MISFIRE_FIELDS, JobForm, PresetForm
from jobs.formsets import PresetFormSet, StepFormSet
from jobs.models import Job, Preset, Step
from jobs.paramwidget import input_of_each_kind
from jobs.preview import BY_HAND, preview_of
from jobs.stepform import StepForm
from jobs.steps import step_types
from jobs.tomlfile import connectors_of, export_file
from jobs.tomltext import readable_toml
from jobs.validation import InvalidJob


class _PicksCalendars:
    """A calendar is chosen here, and made in a window of its own; it's changed and deleted on its own page."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget.can_change_related = field.widget.can_delete_related = field.widget.can_view_related = False
        return field


class _PartOfTheJob:
    """Whoever may change the job may change its parts."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    has_add_permission = has_change_permission = has_delete_permission = has_view_permission


class StepInline(_PartOfTheJob, SortableStackedInline):  # type: ignore[misc]
    """The steps in their order, each with the fields of its type only."""

    model = Step
    form = StepForm
    formset = StepFormSet
    fields = ["name", "enabled", "timeout_seconds", "rerun_if_lost", "position"]
    template = "admin/jobs/edit_steps.html"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """One blank form per step type."""
        return len(step_types())


class PresetInline(_PicksCalendars, _PartOfTheJob, admin.StackedInline):  # type: ignore[type-arg]
    """Saved sets of per-fire values."""

    model = Preset
    form = PresetForm
    formset = PresetFormSet
    extra = 1
    template = "admin/jobs/edit_presets.html"


@admin.register(Job)
class JobAdmin(_PicksCalendars, SortableAdminBase, admin.ModelAdmin):  # type: ignore[misc, type-arg]
    """Jobs are written through `jobs.catalogue` here too: one version per save, steps and presets included."""

    form = JobForm
    inlines = [StepInline, PresetInline]
    list_display = ["id", "enabled", "when", "tag_list", "step_count", "version"]
    list_filter = ["enabled", "log_level"]
    search_fields = ["id", "description", "tags"]
    actions = ["export_selected", "switch_on", "switch_off"]
    # Links beside the job's name: (label, URL name that takes the job's id).
    links: list[tuple[str, str]] = [
        ("Check", "admin:jobs_job_check"),
        ("Versions", "admin:jobs_job_versions"),
        ("Duplicate", "admin:jobs_job_duplicate"),
    ]
    annotations: dict[str, Any] = {}
    fieldsets = [
        (None, {"fields": ["id", "description", ("tags", "enabled"), "seen_version"]}),
        ("Schedule", {"fields": [("schedule", "timezone"), "next_fires"]}),
        ("Calendars and outages", {"fields": [CALENDAR_FIELDS, MISFIRE_FIELDS], "classes": ["collapse"]}),
        ("Parameters", {"fields": ["params"]}),
        ("Defaults of every step", {"fields": ["step_defaults"], "classes": ["collapse"]}),
        (
            "Runs and retry",
            {
                "fields": [
                    ("overlap", "timeout_seconds", "log_level"),
                    ("retry_attempts", "retry_backoff", "retry_base_seconds"),
                ]
            },
        ),
        (
            "Alerts",
            {
                "fields": [
                    "alerts_declared",
                    ("alerts_on_failure", "alerts_on_success", "alerts_on_long_run_minutes"),
                    "alerts_recipients",
                ]
            },
        ),
        (
            "More about alerts",
            {
                "fields": [
                    ("alerts_on_missed", "alerts_on_guard"),
                    ("alerts_on_cancel", "alerts_on_skipped"),
                    ("alerts_on_switch", "alerts_on_recovery"),
                    ("alerts_after_failures", "alerts_repeat_minutes"),
                ],
                "classes": ["collapse"],
            },
        ),
    ]

    class Media:
        css = {"all": ["nomaflow/admin-jobs.css"]}
        js = [Script("nomaflow/admin-jobs.js", type="module")]

    @classmethod
    def contribute(
        cls,
        *,
        inlines: Iterable[type[Any]] = (),
        actions: Iterable[Callable[..., Any]] = (),
        annotations: Mapping[str, Any] | None = None,
        columns: Iterable[Callable[[Job], Any]] = (),
        links: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Let a higher floor add inlines, actions and columns, what the columns read of every row (annotations of the
        query), and links to pages about one job (label, URL name), which come first.
        """
        cls.annotations = {**cls.annotations, **(annotations or {})}
        cls.inlines = [*cls.inlines, *inlines]
        cls.actions = [*cls.actions, *actions]
        cls.list_display = [*cls.list_display, *columns]
        cls.links = [*links, *cls.links]

    # What is shown

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Jobs with their number of steps, and what higher floors want to know of each."""
        steps = Prefetch("steps", Step.objects.order_by("position", "pk"))
        jobs: QuerySet[Job] = super().get_queryset(request).annotate(count_of_steps=Count("steps"), **self.annotations)
        return jobs.prefetch_related(steps, "presets")

    @admin.display(description="schedule", ordering="schedule")
    def when(self, job: Job) -> str:
        """The schedule as it's written, and its zone."""
        return format_html("<code>{}</code> {}", job.schedule, job.timezone) if job.schedule else "by hand"

    @admin.display(description="tags")
    def tag_list(self, job: Job) -> str:
        """The tags in one line."""
        return ", ".join(map(str, job.tags))

    @admin.display(description="steps", ordering="count_of_steps")
    def step_count(self, job: Job) -> int:
        """How many steps it has."""
        return int(job.count_of_steps)  # type: ignore[attr-defined]

    @admin.display(description="next fires")
    def next_fires(self, job: Job) -> str:
        """The next three, in the job's zone; the page's script keeps them true to what is typed."""
        calendars = (job.include_calendar_id or "", job.exclude_calendar_id or "", job.on_excluded)
        lines = preview_of(job.schedule, job.timezone, calendars) if job.pk else [BY_HAND]
        shown = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
        return format_html('<ul class="next-fires" data-preview="">{}</ul>', shown)

    @admin.display(description="definition")
    def definition(self, job: Job) -> str:
        """The whole job for whoever may look but not change."""
        return format_html('<pre class="code">{}</pre>', readable_toml(definition_of(job)))

    def get_readonly_fields(self, request: HttpRequest, obj: Job | None = None) -> list[str]:
        """The id of an existing job is locked."""
        return ["next_fires", "definition", *(["id"] if obj else [])]

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """Fields for editors, one text for everybody else."""
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["id", "definition"]})]
        return self.fieldsets

    def get_inline_instances(self, request: HttpRequest, obj: Job | None = None) -> Any:
        """None for whoever may only look: the text has the steps."""
        if obj and not self.has_change_permission(request, obj):
            return []
        return super().get_inline_instances(request, obj)

    # What is written

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show the form; a job that became impossible between check and save is refused with its faults."""
        extra = {
            **(extra_context or {}),
            "job_links": self._links(object_id),
            "param_kinds": input_of_each_kind(),
            "show_save_and_add_another": False,
        }
        try:
            return super().changeform_view(request, object_id, form_url, extra)
        except InvalidJob as error:
            for fault in error.faults:
                self.message_user(request, str(fault), messages.ERROR)
            return redirect(request.get_full_path())

    def _links(self, object_id: Any) -> list[dict[str, str]]:
        if object_id is None:
            return []
        return [{"label": label, "url": reverse(name, args=[unquote(object_id)])} for label, name in self.links]

    def _create_formsets(self, request: HttpRequest, obj: Any, change: bool) -> Any:
        formsets, instances = super()._create_formsets(request, obj, change)  # type: ignore[misc]
        steps = next((item for item in formsets if isinstance(item, StepFormSet)), None)
        presets = next((item for item in formsets if isinstance(item, PresetFormSet)), None)
        # A preset names steps: it's checked against those that were typed.
        if steps is not None and presets is not None and steps.is_bound and steps.is_valid():
            presets.steps = steps.definitions
        return formsets, instances

    def save_model(self, request: HttpRequest, obj: Job, form: Any, change: bool) -> None:
        """Nothing yet: a job is saved whole, in `save_related`."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The job with its steps and presets through the one door, then what higher floors have added."""
        steps = next(item for item in formsets if isinstance(item, StepFormSet))
        presets = next(item for item in formsets if isinstance(item, PresetFormSet))
        definition = {**form.definition(), "steps": steps.definitions, "presets": presets.definitions}
        job = save_job(definition, by=request.user.get_username(), user=_person(request), renamed=steps.renamed)
        for formset in formsets:
            if formset in (steps, presets):
                _tell_what_changed(formset)
            else:
                formset.instance = job
                self.save_formset(request, form, formset, change=change)

    def delete_model(self, request: HttpRequest, obj: Job) -> None:
        """Runs and versions stay."""
        delete_job(obj, by=request.user.get_username(), user=_person(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """One by one, so that each leaves its last version."""
        for job in queryset:
            self.delete_model(request, job)

    # Actions and pages

    @admin.action(description="Export as TOML", permissions=["view"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Job]) -> HttpResponse:
        """A file with the jobs and the connectors that they use, secrets as placeholders."""
        jobs = list(queryset)
        text = export_file(jobs, connectors_of(jobs), sections=False)
        headers = {"Content-Disposition": 'attachment; filename="jobs.toml"'}
        return HttpResponse(text, content_type="application/toml; charset=utf-8", headers=headers)

    @admin.action(description="Switch the schedule on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Enable the jobs."""
        self._switch(request, queryset, True)

    @admin.action(description="Switch the schedule off", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Disable the jobs; by hand they still run."""
        self._switch(request, queryset, False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Job], enabled: bool) -> None:
        for job in queryset:
            switch_job(job, enabled, by=request.user.get_username(), user=_person(request))
        self.message_user(request, f"Switched {'on' if enabled else 'off'}: {', '.join(job.id for job in queryset)}.")

    def get_urls(self) -> list[URLPattern]:
        """Versions, duplicate and the preview of a schedule, before Django's own addresses."""
        pages = adminpages.pages(self)
        own = [path(route, self.admin_site.admin_view(view), name=f"jobs_job_{name}") for route, name, view in pages]
        return own + super().get_urls()


def _person(request: HttpRequest) -> Any:
    return request.user


def _tell_what_changed(formset: Any) -> None:
    """What Django's own log of the admin reads from a saved formset."""
    deleted = formset.deleted_forms
    kept = [form for form in formset.forms if form not in deleted]
    formset.new_objects = [form.instance for form in kept if not form.instance.pk and form.has_changed()]
    changed = [form for form in kept if form.instance.pk and form.has_changed()]
    formset.changed_objects = [(form.instance, form.changed_data) for form in changed]
    formset.deleted_objects = [form.instance for form in deleted if form.instance.pk]
