"""Freezes in the admin: before one is saved, or its end changed, the fires that it holds are listed. Nothing is deleted."""

import datetime
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from jobs.cron import BadCron, zone_of
from jobs.freezing import LONGEST_REASON, BadFreeze, change_end, draft_end, draft_freeze, end_freeze, freeze, state
from jobs.models import Freeze, FreezeScope, Job, Preset
from jobs.permissions import visible_jobs
from jobs.upcoming import Expected, affected_fires

MOST_LISTED = 200
DRAFTED = ("scope", "target", "reason", "starts_at", "ends_at")


def _moment_field(**kwargs: Any) -> forms.DateTimeField:
    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
    return forms.DateTimeField(widget=widget, **kwargs)


class FreezeForm(forms.Form):
    """What a new freeze is; the verb checks it."""

    scope = forms.ChoiceField(choices=FreezeScope.choices, label="Hold back")
    target = forms.CharField(
        required=False, max_length=100, label="Name", help_text="Of the tag, job or connector; empty for every job."
    )
    reason = forms.CharField(
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Stands in the banner, and in the ledger at every fire that is held back.",
    )
    starts_at = _moment_field(required=False, label="From", help_text="UTC; empty: now.")
    ends_at = _moment_field(label="Until", help_text="UTC. The freeze ends by itself then.")


class EndForm(forms.Form):
    """Another end for a freeze."""

    ends_at = _moment_field(label="Until", help_text="UTC. The freeze ends by itself then.")


@admin.register(Freeze)
class FreezeAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Freezes: set and changed in two steps, ended at once, kept for ever."""

    list_display = ["what", "standing", "begins", "ends", "owner", "short_reason", "ended_by"]
    search_fields = ["target", "reason", "owner"]
    actions = ["end_now"]

    class Media:
        css = {"all": ["nomaflow/admin-schedules.css"]}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What was frozen stays known: the ledger names it."""
        return False

    # The list

    @admin.display(description="freeze", ordering="scope")
    def what(self, obj: Freeze) -> str:
        """Whose schedules."""
        return _what(obj)

    @admin.display(description="state")
    def standing(self, obj: Freeze) -> str:
        """Planned, active, over or cancelled."""
        return state(obj, timezone.now())

    @admin.display(description="from (UTC)", ordering="starts_at")
    def begins(self, obj: Freeze) -> str:
        """When it begins."""
        return f"{obj.starts_at:%Y-%m-%d %H:%M}"

    @admin.display(description="until (UTC)", ordering="ends_at")
    def ends(self, obj: Freeze) -> str:
        """When it ends."""
        return f"{obj.ends_at:%Y-%m-%d %H:%M}"

    @admin.display(description="reason")
    def short_reason(self, obj: Freeze) -> str:
        """Its beginning."""
        return obj.reason if len(obj.reason) <= 80 else f"{obj.reason[:79]}…"

    @admin.action(description="End now", permissions=["change"])
    def end_now(self, request: HttpRequest, queryset: QuerySet[Freeze]) -> None:
        """End the chosen ones; those that are over are named."""
        for obj in queryset:
            self._end(request, obj)

    # The pages

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form, then what it would hold, then the freeze."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = FreezeForm(request.POST or None)
        if request.method != "POST" or "change" in request.POST or not form.is_valid():
            return self._page(request, "freeze_form", "Freeze schedules", form=form)
        values = {key: form.cleaned_data[key] for key in DRAFTED}
        try:
            if "confirmed" in request.POST:
                obj = freeze(**values, by=request.user.get_username(), user=request.user)
                self.log_addition(request, obj, [{"added": {}}])
                return self._done(request, f"Frozen: {obj}.")
            draft, oddities = draft_freeze(**values, by=request.user.get_username())
        except BadFreeze as error:
            return self._page(request, "freeze_form", "Freeze schedules", form=_with(form, error))
        return self._confirm(request, form, draft, oddities, "Freeze")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """What it is; its end can be changed the same way, or brought about now."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404(f"There is no freeze {object_id!r}.")
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        if request.method == "POST" and not self.has_change_permission(request, obj):
            raise PermissionDenied
        if "end" in request.POST:
            self._end(request, obj)
            return redirect("admin:jobs_freeze_changelist")
        form = EndForm(request.POST or None, initial={"ends_at": obj.ends_at})
        if request.method == "POST" and "change" not in request.POST and form.is_valid():
            return self._change_end(request, obj, form)
        return self._show(request, obj, form)

    def _change_end(self, request: HttpRequest, obj: Freeze, form: EndForm) -> HttpResponse:
        now, ends_at = timezone.now(), form.cleaned_data["ends_at"]
        try:
            if "confirmed" in request.POST:
                changed = change_end(obj, ends_at, by=request.user.get_username())
                self.log_change(request, changed, [{"changed": {"fields": ["ends_at"]}}])
                return self._done(request, f"Frozen: {changed}.")
            draft = draft_end(obj, ends_at, now)
        except BadFreeze as error:
            return self._show(request, obj, _with(form, error))
        return self._confirm(request, form, draft, [], "Change the end")

    def _end(self, request: HttpRequest, obj: Freeze) -> None:
        try:
            ended = end_freeze(obj, by=request.user.get_username())
        except BadFreeze as error:
            messages.error(request, f"{_what(obj)}: {error}")
            return
        self.log_change(request, ended, "Ended.")
        messages.success(request, f"Not frozen any more: {_what(ended)}.")

    def _done(self, request: HttpRequest, message: str) -> HttpResponse:
        messages.success(request, message)
        return redirect("admin:jobs_freeze_changelist")

    def _show(self, request: HttpRequest, obj: Freeze, form: EndForm) -> HttpResponse:
        standing = state(obj, timezone.now())
        may_change = standing in ("planned", "active") and self.has_change_permission(request, obj)
        shown = {"freeze": obj, "what": _what(obj), "standing": standing, "may_change": may_change}
        return self._page(request, "freeze", f"Freeze: {_what(obj)}", form=form, **shown)

    def _confirm(
        self, request: HttpRequest, form: forms.Form, draft: Freeze, oddities: list[str], button: str
    ) -> HttpResponse:
        affected = affected_fires(draft, Job.objects.all(), MOST_LISTED)
        # Counted over all jobs; named are those that the person sees.
        seen = set(visible_jobs(request.user).values_list("pk", flat=True))
        fires = [fire for fire in affected.fires if fire.job_id in seen]
        return self._page(
            request,
            "freeze_confirm",
            f"{button}: {_what(draft)}",
            form=form,
            draft=draft,
            what=_what(draft),
            oddities=oddities,
            affected=affected,
            rows=_rows(fires),
            more=affected.total - sum(fire.count for fire in fires),
            button=button,
        )

    def _page(self, request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "title": title}
        return TemplateResponse(request, f"admin/jobs/{name}.html", {**shared, **context})


def _what(obj: Freeze) -> str:
    words = {
        FreezeScope.ALL: "every job",
        FreezeScope.TAG: f"jobs tagged {obj.target}",
        FreezeScope.JOB: f"job {obj.target}",
        FreezeScope.CONNECTOR: f"jobs that use connector {obj.target}",
    }
    return words[FreezeScope(obj.scope)]


def _with(form: Any, error: BadFreeze) -> Any:
    for field, message in error.errors.items():
        form.add_error(field if field in form.fields else None, message)
    return form


def _rows(fires: list[Expected]) -> list[dict[str, Any]]:
    """The fires with their times in words, in UTC and in the schedule's zone."""
    ids = {fire.job_id for fire in fires}
    zones = {(job, ""): zone for job, zone in Job.objects.filter(pk__in=ids).values_list("pk", "timezone")}
    presets = Preset.objects.filter(job__in=ids).values_list("job_id", "name", "timezone")
    zones |= {(job, preset): zone for job, preset, zone in presets}
    return [
        {
            "fire": fire,
            "utc": _span(fire, lambda at: _clock(f"{at:%a %Y-%m-%d %H:%M:%S}")),
            "local": _span(fire, _local(zones.get((fire.job_id, fire.preset), "UTC"))),
        }
        for fire in fires
    ]


def _span(fire: Expected, words: Callable[[datetime.datetime], str]) -> str:
    return f"{words(fire.scheduled_at)} to {words(fire.until)}" if fire.until else words(fire.scheduled_at)


def _local(zone: str) -> Callable[[datetime.datetime], str]:
    try:
        known = zone_of(zone)
    except BadCron:
        return lambda at: ""
    return lambda at: f"{_clock(f'{at.astimezone(known):%a %H:%M:%S}')} {zone}"


def _clock(text: str) -> str:
    """Without seconds that say nothing."""
    return text.removesuffix(":00")
