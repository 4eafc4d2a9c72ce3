"""Endpoints in the admin: choose the kind, fill in its fields, test it. Connectors and channels have their pages from here."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from connectors.draft import kind_named, stored_names
from connectors.forms import FORGET, EndpointForm, form_for
from connectors.kind import Kind
from connectors.models import Endpoint
from connectors.trial import Outcome
from nomaflow_site.lib.config import ConfigError

# A Test button is no port scanner.
TESTS_PER_MINUTE = 20


@dataclass(frozen=True)
class Use:
    """One place that names an endpoint; `url` is empty where the person can't open it."""

    label: str
    place: str
    url: str = ""


# The uses of each of these endpoints, as far as this person may know of them: none is left out, some have no name.
UsedBy = Callable[[Collection[str], Any], Mapping[str, list[Use]]]


class EndpointAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """The kind is chosen first and locked then, as is the name; secrets are written and never shown.

    A model's own admin says its `endpoint_form`, its own fields beside the kind's, how one is saved, tried and where it leads.
    """

    endpoint_form: ClassVar[type[EndpointForm]]
    # Fields of the model that the form has beside the name; what of it can't be typed, and of that what editors see too.
    own_fields: ClassVar[tuple[str, ...]] = ("description",)
    shown: ClassVar[tuple[str, ...]] = ("kind_label", "where")
    shown_to_editors: ClassVar[tuple[str, ...]] = ()
    # Asked before one is deleted; filled by floors above.
    used_by: list[UsedBy] = []

    @classmethod
    def contribute(cls, *, used_by: UsedBy) -> None:
        """Let a higher floor say who uses an endpoint: one that is used can't be deleted."""
        cls.used_by = [*cls.used_by, used_by]

    def _uses(self, names: Collection[str], user: Any) -> dict[str, list[Use]]:
        answers = [ask(names, user) for ask in self.used_by]
        return {name: [use for answer in answers for use in answer.get(name, [])] for name in names}

    # What a model's own admin says

    def save_endpoint(self, obj: Any, form: Any) -> Endpoint:
        """Save what was typed through the model's one door."""
        # Abstract: connectors and channels are saved through different doors; both of their admins say which.
        raise NotImplementedError(f"{type(self).__name__} does not say how one is saved")

    def try_endpoint(self, name: str) -> Outcome:
        """Use the stored one for real."""
        # Abstract: a connector is connected to, a channel sends a message; both of their admins say it.
        raise NotImplementedError(f"{type(self).__name__} does not say how one is tried")

    # Pages

    def _url_name(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"

    def get_urls(self) -> list[URLPattern]:
        """The usual pages and the Test button's."""
        view = self.admin_site.admin_view(require_POST(self.test_view))
        return [path("<int:pk>/test/", view, name=self._url_name("test")), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """First which kind, then its fields."""
        kinds = self.model.kinds()
        if request.GET.get("kind") in kinds:
            return super().add_view(request, form_url, extra_context)
        if not self.has_add_permission(request):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Add {self.model.noun()}: which kind?",
            "kinds": kinds.values(),
        }
        return TemplateResponse(request, "admin/connectors/endpoint/choose_kind.html", context)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """With who uses it."""
        obj = kwargs.get("obj")
        uses = self._uses([obj.name], request.user)[obj.name] if obj else []
        return super().render_change_form(request, {**context, "uses": uses}, *args, **kwargs)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """One that is named anywhere is protected: what names it would fail."""
        deletable, counts, perms, protected = super().get_deleted_objects(objs, request)
        found = self._uses([obj.name for obj in objs], request.user)
        return deletable, counts, perms, [*protected, *(_line(name, use) for name in found for use in found[name])]

    def test_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Test the stored endpoint and come back with the answer."""
        endpoint: Any = get_object_or_404(self.model, pk=pk)
        if not self.has_change_permission(request, endpoint):
            raise PermissionDenied
        if too_many_tests(request.user):
            messages.error(request, "Too many tests in a minute. Wait a moment and try again.")
        else:
            outcome = self.try_endpoint(endpoint.name)
            level = messages.SUCCESS if outcome.ok else messages.ERROR
            text = f"Test of {endpoint.name}: {outcome.message} ({outcome.elapsed_ms:,} ms)"
            messages.add_message(request, level, text)
        return redirect(reverse(f"admin:{self._url_name('change')}", args=[pk]))

    # Form

    def _kind(self, request: HttpRequest, obj: Any) -> str:
        return obj.kind if obj else request.GET.get("kind", "")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of the endpoint's kind."""
        try:
            return form_for(self.endpoint_form, self._kind(request, obj))
        except ConfigError as error:
            raise Http404(str(error)) from error

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Identity, then the kind's own fields; a secret's "forget" right below it."""
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ["name", *self.shown, *self.own_fields]})]
        kind = kind_named(self.model, self._kind(request, obj))
        stored = stored_names(obj) if obj else []
        own: list[str] = []
        for name in kind.form.base_fields:
            own += [name, FORGET + name] if name in stored and name in kind.form.secret_names() else [name]
        identity = ["kind_label", *self.own_fields, *self.shown_to_editors] if obj else ["name", *self.own_fields]
        return [(None, {"fields": identity}), (kind.label, {"fields": own})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """The kind is locked after creation."""
        return self.shown if obj else ()

    def get_queryset(self, request: HttpRequest) -> Any:
        """Without the secrets: the list opens none."""
        return super().get_queryset(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Through the one door."""
        saved = self.save_endpoint(obj, form)
        obj.pk, obj.kind, obj.config, obj.secrets = saved.pk, saved.kind, saved.config, saved.secrets
        obj._state.adding, obj._state.db = False, saved._state.db

    # Columns

    @admin.display(description="type", ordering="kind")
    def kind_label(self, obj: Any) -> str:
        """The kind in words."""
        kind: Kind | None = self.model.kinds().get(obj.kind)
        return kind.label if kind else f"{obj.kind} (unknown)"

    class Media:
        css = {"all": ["nomaflow/connectors.css"]}


def _line(name: str, use: Use) -> str:
    user = format_html('<a href="{}">{}</a>', use.url, use.label) if use.url else use.label
    return format_html("{}: {}, {}", name, user, use.place) if use.place else format_html("{}: {}", name, user)


def too_many_tests(user: Any) -> bool:
    """Whether the person has tested endpoints so often in the last minute that the next test has to wait. Counts this one."""
    key = f"endpoint-tests:{user.pk}"
    cache.add(key, 0, timeout=60)
    try:
        return cache.incr(key) > TESTS_PER_MINUTE
    except ValueError:  # it ran out between the two lines
        return False
