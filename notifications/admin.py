"""Channels and routing rules in the admin."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timezone import localtime

from connectors.endpointadmin import EndpointAdmin, Use
from connectors.trial import Outcome
from jobs.models import Job
from jobs.permissions import visible_jobs
from notifications.catalogue import delete_channel, delete_rule, save_channel, save_rule, try_channel
from notifications.channelhealth import health_of, place_of
from notifications.forms import ChannelForm, RuleForm
from notifications.models import Channel, RoutingRule
from notifications.usage import Use as ChannelUse
from notifications.usage import uses_by_channel


class _PicksChannels:
    """A channel is chosen here; it's made, changed and deleted on its own page."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
            field.widget = field.widget.widget
        return field


@admin.register(Channel)
class ChannelAdmin(EndpointAdmin):
    """Channels: what they are, how they fare, and who uses them."""

    endpoint_form = ChannelForm
    own_fields = ("description", "enabled", "is_default", "fallback")
    shown = ("kind_label", "where", "health", "last_answer")
    shown_to_editors = ("health", "last_answer")
    list_display = ("name", "kind_label", "where", "is_default", "enabled", "health", "answer")
    search_fields = ("name", "description")
    change_form_template = "admin/notifications/channel/change_form.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without secrets, the fallback's neither."""
        return super().get_queryset(request).select_related("fallback").defer("secrets", "fallback__secrets")

    def save_endpoint(self, obj: Channel, form: ChannelForm) -> Channel:
        """Through the catalogue."""
        return save_channel(
            obj.name,
            form.kind.name,
            form.settings(),
            description=obj.description,
            enabled=obj.enabled,
            is_default=obj.is_default,
            fallback=obj.fallback.name if obj.fallback else "",
            forget=form.forgotten(),
        )

    def try_endpoint(self, name: str) -> Outcome:
        """Send a test message to the channel's own recipients."""
        return try_channel(name)

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        """Through the catalogue; what is in use has been refused before."""
        delete_channel(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        """One by one; who stands in for others goes after them."""
        for channel in _users_first(queryset):
            delete_channel(channel)

    @admin.display(description="where")
    def where(self, obj: Channel) -> str:
        """Which system it leads to, and whom it tells by itself."""
        place = place_of(obj)
        if place.fault:
            return format_html('<strong class="connector-warning">{}</strong>', place.fault)
        return ": ".join(part for part in (place.where, ", ".join(place.recipients)) if part)

    @admin.display(description="health")
    def health(self, obj: Channel) -> str:
        """How it fares, in words."""
        health = health_of(obj, timezone.now())
        moment = f" {localtime(health.moment):%Y-%m-%d %H:%M}" if health.moment else ""
        return f"{health.icon} {health.word}{moment}"

    @admin.display(description="last answer")
    def answer(self, obj: Channel) -> str:
        """What the server said last, the beginning of it."""
        return obj.last_answer if len(obj.last_answer) <= 80 else f"{obj.last_answer[:79]}…"


def _users_first(channels: Iterable[Channel]) -> list[Channel]:
    left = list(channels)
    order: list[Channel] = []
    while left:
        needed = {channel.fallback_id for channel in left}
        free = [channel for channel in left if channel.pk not in needed] or left
        order += free
        left = [channel for channel in left if channel not in free]
    return order


def channel_uses(names: Collection[str], user: Any) -> dict[str, list[Use]]:
    """Who uses these channels: jobs that the person sees by name, the others as a number."""
    seen = set(visible_jobs(user).values_list("pk", flat=True))
    return {name: _shown(uses, seen, user) for name, uses in uses_by_channel(names).items()}


def _shown(uses: Iterable[ChannelUse], seen: Collection[str], user: Any) -> list[Use]:
    hidden = {use.key for use in uses if use.what == "job" and use.key not in seen}
    shown = [Use(use.label, use.place, _url(use, user)) for use in uses if use.what != "job" or use.key in seen]
    if hidden:
        shown.append(Use(f"{len(hidden)} job{'s' if len(hidden) > 1 else ''} that you may not see", ""))
    return shown


PAGES = {"job": ("jobs", "job"), "rule": ("notifications", "routingrule"), "channel": ("notifications", "channel")}


def _url(use: ChannelUse, user: Any) -> str:
    app, model = PAGES[use.what]
    may_open = user.has_perm(f"{app}.view_{model}") or user.has_perm(f"{app}.change_{model}")
    return reverse(f"admin:{app}_{model}_change", args=[use.key]) if may_open else ""


ChannelAdmin.contribute(used_by=channel_uses)


class _ByChannel(admin.RelatedFieldListFilter):
    """By channel, without opening secrets."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        return [(str(pk), name) for pk, name in Channel.objects.order_by("name").values_list("pk", "name")]


@admin.register(RoutingRule)
class RoutingRuleAdmin(_PicksChannels, admin.ModelAdmin):  # type: ignore[type-arg]
    """Rules: jobs with a tag also tell somebody."""

    form = RuleForm
    list_display = ("tag", "channel", "whom", "job_count")
    list_display_links = ("tag",)
    list_filter = (("channel", _ByChannel), "tag")
    list_select_related = ("channel",)
    search_fields = ("tag", "recipient", "channel__name")
    change_form_template = "admin/notifications/routingrule/change_form.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the channels' secrets."""
        return super().get_queryset(request).select_related("channel").defer("channel__secrets")

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """With the tags that jobs have."""
        tags = sorted({str(tag) for tags in visible_jobs(request.user).values_list("tags", flat=True) for tag in tags})
        return super().render_change_form(request, {**context, "tags": tags[:100]}, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: RoutingRule, form: Any, change: bool) -> None:
        """Through the one door."""
        saved = save_rule(obj.tag, obj.channel.name, obj.recipient, rule=obj if change else None)
        obj.pk, obj._state.adding, obj._state.db = saved.pk, False, saved._state.db

    def delete_model(self, request: HttpRequest, obj: RoutingRule) -> None:
        """Through the catalogue."""
        delete_rule(obj)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Tags of all jobs are counted once for the page."""
        changelist = super().get_changelist_instance(request)
        jobs = Counter(tag for tags in Job.objects.values_list("tags", flat=True) for tag in set(map(str, tags)))
        for rule in changelist.result_list:
            rule.jobs = jobs[rule.tag]
        return changelist

    @admin.display(description="recipient", ordering="recipient")
    def whom(self, obj: RoutingRule) -> str:
        """Whom it tells."""
        return obj.recipient or "the channel's own recipients"

    @admin.display(description="jobs")
    def job_count(self, obj: RoutingRule) -> int:
        """How many jobs have the tag."""
        return int(obj.jobs)  # type: ignore[attr-defined]
