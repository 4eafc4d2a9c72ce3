"""The job's own pages in the admin: check, versions with diff and restore, duplicate, and the preview of a schedule."""

import os
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from connectors.admin import leads_to
from connectors.models import Connector
from jobs.catalogue import calendar_names, diff_kind, diff_versions, duplicate_job, restore_version
from jobs.check import Place, World, check_run
from jobs.definition import definition_of
from jobs.examine import examine
from jobs.forms import DuplicateForm
from jobs.models import Job, JobVersion, Preset
from jobs.parameters import Overrides
from jobs.preview import preview_of
from jobs.recipients import recipient_check
from jobs.validation import InvalidJob

CALENDAR_PARAMETERS = ("include", "exclude", "on_excluded")
View = Callable[..., HttpResponse]


def pages(model_admin: "ModelAdmin[Job]") -> list[tuple[str, str, View]]:
    """(route, name, view) of each page."""

    def cron_preview(request: HttpRequest) -> HttpResponse:
        """The next fires of what is being typed."""
        if not (model_admin.has_change_permission(request) or model_admin.has_add_permission(request)):
            raise PermissionDenied
        cron, zone, *calendars = (request.GET.get(key, "") for key in ("cron", "tz", *CALENDAR_PARAMETERS))
        return JsonResponse({"fires": preview_of(cron, zone, calendars)})

    def check(request: HttpRequest, object_id: str) -> HttpResponse:
        """What would run, of what is stored: nothing is executed. A POST for one `step` connects, and finds out more."""
        job = get_object_or_404(Job.objects.prefetch_related("steps", "presets"), pk=unquote(object_id))
        if not model_admin.has_view_or_change_permission(request, job):
            raise PermissionDenied
        if request.method == "POST" and not model_admin.has_change_permission(request, job):
            raise PermissionDenied
        name = request.GET.get("preset", "")
        preset = next((preset for preset in job.presets.all() if preset.name == name), None)
        if name and preset is None:
            names = ", ".join(preset.name for preset in job.presets.all()) or "none"
            raise Http404(f"The job has no preset {name!r}; there are: {names}.")
        checked = check_run(definition_of(job), _fire(preset), _world())
        asked = next((step for step in checked.steps if str(step.number) == request.POST.get("step")), None)
        found = examine(asked, job.id, os.environ, settings.NOMAFLOW_JOB_ENV, settings.NOMAFLOW_HOME) if asked else None
        faults = [*checked.all_faults]
        if asked is not None and found is not None:
            faults += [f"{asked.name}: {fault}" for fault in found.faults]
        more = {
            "faults": faults,
            "asked": asked,
            "found": found,
            "may_connect": model_admin.has_change_permission(request, job),
        }
        return _page(request, "check", job.id, f"Check {job.id}", job=job, check=checked, preset=preset, **more)

    def duplicate(request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for the new id first, then copy."""
        job = get_object_or_404(Job, pk=unquote(object_id))
        if not (model_admin.has_add_permission(request) and model_admin.has_change_permission(request, job)):
            raise PermissionDenied
        form = DuplicateForm(request.POST or None, initial={"new_id": f"{job.id}-copy"})
        if request.method == "POST" and form.is_valid():
            try:
                copy = duplicate_job(job, form.cleaned_data["new_id"], by=_name(request), user=_user(request))
            except InvalidJob as error:
                form.add_error(None, [str(fault) for fault in error.faults])
            else:
                message = f"{copy.id} is a copy of {job.id}. Its schedules are switched off until you switch them on."
                messages.success(request, message)
                return redirect("admin:jobs_job_change", copy.id)
        return _page(request, "duplicate", job.id, f"Duplicate {job.id}", form=form)

    def versions(request: HttpRequest, object_id: str) -> HttpResponse:
        """All versions, and the difference of two; also of a deleted job."""
        key = unquote(object_id)
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        found = list(JobVersion.objects.filter(job_key=key))
        if not found:
            raise Http404(f"No versions of a job {key!r}.")
        new = _chosen(found, request.GET.get("new")) or found[0]
        older = [version for version in found if version.number < new.number]
        old = _chosen(found, request.GET.get("old")) or (older[0] if older else None)
        return _page(
            request,
            "versions",
            key,
            f"Versions of {key}",
            versions=found,
            old=old,
            new=new,
            diff=[(diff_kind(line), line) for line in diff_versions(old, new)],
            # What the job is already can't be restored; what a deleted one was last, can.
            may_restore=_may_restore(model_admin, request) and (new != found[0] or new.comment == "deleted"),
        )

    @require_POST
    def restore(request: HttpRequest, object_id: str, number: int) -> HttpResponse:
        """Make the job what it was."""
        version = get_object_or_404(JobVersion, job_key=unquote(object_id), number=number)
        if not _may_restore(model_admin, request):
            raise PermissionDenied
        try:
            job = restore_version(version, by=_name(request), user=_user(request))
        except InvalidJob as error:
            for fault in error.faults:
                messages.error(request, str(fault))
            return redirect("admin:jobs_job_versions", version.job_key)
        messages.success(request, f"{job.id} is what it was at version {number}; that is version {job.version} now.")
        return redirect("admin:jobs_job_change", job.id)

    return [
        ("cron-preview/", "cron_preview", cron_preview),
        ("<path:object_id>/check/", "check", check),
        ("<path:object_id>/duplicate/", "duplicate", duplicate),
        ("<path:object_id>/versions/", "versions", versions),
        ("<path:object_id>/versions/<int:number>/restore/", "restore", restore),
    ]


def _fire(preset: Preset | None) -> Overrides:
    if preset is None:
        return Overrides()
    return Overrides(preset.params, preset.op_kwargs, preset.step_enabled, preset.log_level or None)


def _world() -> World:
    connectors = Connector.objects.values_list("name", "kind", "config")
    places = {name: Place(kind, leads_to(config)) for name, kind, config in connectors}
    return World(places, calendar_names(), os.environ, settings.NOMAFLOW_JOB_ENV, recipient_check())


def _page(request: HttpRequest, name: str, job_id: str, title: str, **context: Any) -> HttpResponse:
    from django.contrib.admin import site

    exists = Job.objects.filter(pk=job_id).exists()
    job_url = reverse("admin:jobs_job_change", args=[job_id]) if exists else ""
    shared = {**site.each_context(request), "opts": Job._meta, "job_id": job_id, "job_url": job_url, "title": title}
    return TemplateResponse(request, f"admin/jobs/{name}.html", {**shared, **context})


def _chosen(versions: list[JobVersion], number: str | None) -> JobVersion | None:
    return next((version for version in versions if str(version.number) == number), None)


def _may_restore(model_admin: "ModelAdmin[Job]", request: HttpRequest) -> bool:
    return model_admin.has_change_permission(request) and model_admin.has_add_permission(request)


def _name(request: HttpRequest) -> str:
    return request.user.get_username()


def _user(request: HttpRequest) -> Any:
    return request.user
