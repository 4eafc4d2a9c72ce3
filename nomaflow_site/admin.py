"""The admin site: Django's own, with our name, our login and our order, and without pages that could run any task."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

# The groups of the menu in their order, under names that say what they are for; others follow by name.
GROUPS = {
    "jobs": "Jobs",
    "connectors": "Connectors",
    "runs": "Runs",
    "notifications": "Notifications",
    "auth": "Accounts",
    "knox": "Access to the API",
    "auditlog": "History",
}
NAMES = {"AuthToken": "API tokens", "LogEntry": "Audit log"}
# The model that comes first in its group.
FIRST = ("Job", "Connector", "Run", "Channel", "User")


class NomaflowAdminSite(AdminSite):
    """The stock admin under the product's name."""

    site_header = "Nomaflow"
    site_title = "Nomaflow"
    index_title = "Configuration"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leave django-celery-beat's pages out: their free task name and arguments mean "run anything"."""
        models: list[type[Model]] = (
            [model_or_iterable] if isinstance(model_or_iterable, type) else list(model_or_iterable)
        )
        kept = [model for model in models if model._meta.app_label != "django_celery_beat"]
        if kept:
            super().register(kept, admin_class, **options)

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one login, for the pages and for the admin. Who is in already and may not enter is told so."""
        if request.user.is_authenticated and not self.has_permission(request):
            raise PermissionDenied(f"You are logged in as {request.user}, who may not open the configuration.")
        wanted = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
        # The login itself refuses to lead to another host.
        return redirect(f"{reverse('login')}?{urlencode({REDIRECT_FIELD_NAME: wanted})}")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Django's list in our order and words."""
        groups = super().get_app_list(request, app_label)
        order = list(GROUPS)
        for group in groups:
            group["name"] = GROUPS.get(group["app_label"], group["name"])
            group["models"].sort(key=lambda model: model["object_name"] not in FIRST)
            for model in group["models"]:
                model["name"] = NAMES.get(model["object_name"], model["name"])
        return sorted(groups, key=lambda group: order.index(group["app_label"]) if group["app_label"] in order else 99)
