"""Connectors in the admin, with their named queries."""

import os
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html

from connectors.catalogue import save_connector
from connectors.endpointadmin import EndpointAdmin
from connectors.forms import ConnectorForm
from connectors.kinds import kinds
from connectors.models import Connector, NamedQuery
from connectors.trial import Outcome, try_connector

CODE = {"rows": 6, "class": "code", "spellcheck": "false"}


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
class ConnectorAdmin(EndpointAdmin):
    """Connectors."""

    endpoint_form = ConnectorForm
    shown = ("kind_label", "where", "warning")
    list_display = ("name", "kind_label", "where", "warning", "description")
    list_filter = ("kind",)
    search_fields = ("name", "description")
    change_form_template = "admin/connectors/connector/change_form.html"

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Named queries where the kind has them."""
        kind = kinds().get(self._kind(request, obj))
        return [NamedQueryInline] if kind and kind.has_queries else []

    def save_endpoint(self, obj: Connector, form: ConnectorForm) -> Connector:
        """Through the catalogue; the queries are saved by their own forms."""
        return save_connector(
            obj.name, form.kind.name, form.settings(), description=obj.description, forget=form.forgotten()
        )

    def try_endpoint(self, name: str) -> Outcome:
        """Connect."""
        return try_connector(name, os.environ, settings.NOMAFLOW_JOB_ENV, settings.NOMAFLOW_HOME)

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


def leads_to(config: Mapping[str, Any]) -> str:
    """Which system a connector's settings name, in words; empty where they don't."""
    place = config.get("base_url") or config.get("server") or config.get("host") or ""
    return " / ".join(str(part) for part in (place, config.get("database")) if part)
