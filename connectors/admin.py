"""Connectors in the admin: choose the kind, fill in its fields, test it."""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from connectors.catalogue import save_connector
from connectors.draft import kind_named, stored_names
from connectors.forms import FORGET, ConnectorForm, form_for
from connectors.kinds import kinds
from connectors.models import Connector, NamedQuery
from connectors.trial import try_connector
from nomaflow_site.lib.config import ConfigError

# A Test button is no port scanner.
TESTS_PER_MINUTE = 20
CODE = {"rows": 6, "class": "code", "spellcheck": "false"}


@dataclass(frozen=True)
class Use:
    """One place that names a connector, as a floor above knows it; `url` is empty where the person can't open it."""

    label: str
    place: str
    url: str = ""


# The uses of each of these connectors, as far as this person may know of them: none is left out, some have no name.
UsedBy = Callable[[Collection[str], Any], Mapping[str, list[Use]]]


class NamedQueryInline(admin.StackedInline):  # type: ignore[type-arg]
    """The SQL texts of a connector. Who may change the connector may change them."""

    model = NamedQuery
    extra = 0
    formfield_overrides = {models.TextField: {"widget": forms.Textarea(attrs=CODE)}}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for the connector."""
        return request.user.has_perm("connectors.change_connector") or request.user.has_perm("connectors.add_connector")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for the connector."""
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for the connector."""
        return self.has_add_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for the connector."""
        return request.user.has_perm("connectors.view_connector") or self.has_add_permission(request)


@admin.register(Connector)
class ConnectorAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Connectors. The kind is chosen first and locked then, as is the name; secrets are written and never shown."""

    list_display = ("name", "kind_label", "where", "warning", "description")
    list_filter = ("kind",)
    search_fields = ("name", "description")
    change_form_template = "admin/connectors/connector/change_form.html"
    # Asked before one is deleted; filled by floors above.
    used_by: list[UsedBy] = []

    @classmethod
    def contribute(cls, *, used_by: UsedBy) -> None:
        """Let a higher floor say who uses a connector: one that is used can't be deleted."""
        cls.used_by = [*cls.used_by, used_by]

    def _uses(self, names: Collection[str], user: Any) -> dict[str, list[Use]]:
        answers = [ask(names, user) for ask in self.used_by]
        return {name: [use for answer in answers for use in answer.get(name, [])] for name in names}

    # --- pages ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The usual pages and the Test button's."""
        test = path(
            "<int:pk>/test/", self.admin_site.admin_view(require_POST(self.test_view)), name="connectors_connector_test"
        )
        return [test, *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First which kind, then its fields."""
        if request.GET.get("kind") in kinds():
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Add connector: which kind?",
            "kinds": kinds().values(),
        }
        return TemplateResponse(request, "admin/connectors/connector/choose_kind.html", context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With who uses it."""
        obj = kwargs.get("obj")
        uses = self._uses([obj.name], request.user)[obj.name] if obj else []
        return super().render_change_form(request, {**context, "uses": uses}, *args, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A connector that is named anywhere is protected: what names it would fail at its next run."""
        deletable, counts, perms, protected = super().get_deleted_objects(objs, request)
        found = self._uses([obj.name for obj in objs], request.user)
        return deletable, counts, perms, [*protected, *(_line(name, use) for name in found for use in found[name])]

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Test the stored connector and come back with the answer."""
        connector = get_object_or_404(Connector, pk=pk)
        if not self.has_change_permission(request, connector):
            raise PermissionDenied
        if _too_often(request):
            messages.error(request, "Too many tests in a minute. Wait a moment and try again.")
        else:
            outcome = try_connector(connector.name, os.environ, settings.NOMAFLOW_JOB_ENV, settings.NOMAFLOW_HOME)
            level = messages.SUCCESS if outcome.ok else messages.ERROR
            messages.add_message(
                request, level, f"Test of {connector.name}: {outcome.message} ({outcome.elapsed_ms:,} ms)"
            )
        return redirect(reverse("admin:connectors_connector_change", args=[pk]))

    # --- form -----------------------------------------------------------------------------------------------------

    def _kind(self, request: HttpRequest, obj: Connector | None) -> str:
        return obj.kind if obj else request.GET.get("kind", "")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of the connector's kind."""
        try:
            return form_for(self._kind(request, obj))
        except ConfigError as error:
            raise Http404(str(error)) from error

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Identity, then the kind's own fields; a secret's "forget" right below it."""
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", "kind_label", "where", "warning", "description"]})]
        kind = kind_named(self._kind(request, obj))
        stored = stored_names(obj) if obj else []
        own: list[str] = []
        for name in kind.form.base_fields:
            own += [name, FORGET + name] if name in stored and name in kind.form.secret_names() else [name]
        identity = ["kind_label", "description"] if obj else ["name", "description"]
        return [(None, {"fields": identity}), (kind.label, {"fields": own})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The kind is locked after creation."""
        return ("kind_label", "where", "warning") if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Named queries where the kind has them."""
        kind = kinds().get(self._kind(request, obj))
        return [NamedQueryInline] if kind and kind.has_queries else []

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the secrets: the list opens none."""
        return super().get_queryset(request).defer("secrets")

    def save_model(self, request: HttpRequest, obj: Connector, form: Any, change: bool) -> None:
        """Through the one door."""
        filled = cast(ConnectorForm, form)
        saved = save_connector(
            obj.name, filled.kind.name, filled.settings(), description=obj.description, forget=filled.forgotten()
        )
        obj.pk, obj.kind, obj.config, obj.secrets = saved.pk, saved.kind, saved.config, saved.secrets
        obj._state.adding, obj._state.db = False, saved._state.db

    # --- columns --------------------------------------------------------------------------------------------------

    @admin.display(description="type", ordering="kind")
    def kind_label(self, obj: Connector) -> str:
        """The kind in words."""
        kind = kinds().get(obj.kind)
        return kind.label if kind else f"{obj.kind} (unknown)"

    @admin.display(description="where")
    def where(self, obj: Connector) -> str:
        """Which system it leads to."""
        return leads_to(obj.config)

    @admin.display(description="")
    def warning(self, obj: Connector) -> str:
        """Said in red where a certificate is not checked."""
        if obj.config.get("verify_tls") is False:
            return format_html('<strong class="connector-warning">{}</strong>', "certificate not checked")
        return ""

    class Media:
        css = {"all": ["nomaflow/connectors.css"]}


def _line(name: str, use: Use) -> str:
    job = format_html('<a href="{}">{}</a>', use.url, use.label) if use.url else use.label
    return format_html("{}: {}, {}", name, job, use.place) if use.place else format_html("{}: {}", name, job)


def leads_to(config: Mapping[str, Any]) -> str:
    """Which system a connector's settings name, in words; empty where they don't."""
    place = config.get("base_url") or config.get("server") or config.get("host") or ""
    return " / ".join(str(part) for part in (place, config.get("database")) if part)


def _too_often(request: HttpRequest) -> bool:
    key = f"connector-tests:{request.user.pk}"
    cache.add(key, 0, timeout=60)
    try:
        return cache.incr(key) > TESTS_PER_MINUTE
    except ValueError:  # it ran out between the two lines
        return False
