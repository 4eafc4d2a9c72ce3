"""The steps and presets of a job as the admin posts them, checked together in the words of the import."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from django import forms
from django.forms.models import BaseInlineFormSet

from jobs.catalogue import connector_kinds
from jobs.models import Job
from jobs.stepform import StepForm
from jobs.steps import step_types
from jobs.validation import Fault, check_job


class StepFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Existing steps, then one blank form per step type that isn't internal; untouched blank ones are ignored.

    After it's been found valid, `definitions` are the steps in order and `renamed` maps new names to old ones.
    """

    def __init__(
        self,
        *args: Any,
        default_order_direction: str | None = None,
        default_order_field: str | None = None,
        **kwargs: Any,
    ) -> None:
        # What the sortable inline passes on: its presence makes the inline sortable.
        self.default_order_direction, self.default_order_field = default_order_direction, default_order_field
        self.definitions: list[dict[str, Any]] = []
        self.renamed: dict[str, str] = {}
        # One blank form each, whatever the admin counted.
        self.offered = [name for name, kind in step_types().items() if not kind.internal]
        self.extra = len(self.offered)
        super().__init__(*args, **kwargs)

    @cached_property
    def _shared(self) -> dict[str, Any]:
        # Asked of the database: the job at hand may hold what was just typed, the page showed what's stored.
        stored = Job.objects.filter(pk=self.instance.pk).values_list("step_defaults", flat=True).first()
        return {"step_defaults": stored or {}, "connectors": connector_kinds()}

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Each form's type: an existing step's own, else what was posted, else the next in the list of types."""
        number = 0 if index is None else index - self.initial_form_count()
        posted = self.data.get(f"{self.prefix}-{index}-type") if self.is_bound else None
        type_name = posted if posted in self.offered else self.offered[number % len(self.offered)]
        return {**super().get_form_kwargs(index), "type_name": type_name, **self._shared}

    def validate_unique(self) -> None:
        """Names are compared in the whole job's check."""

    def clean(self) -> None:
        """Check the steps as a job, once each can be read by itself."""
        if any(form.errors for form in self._kept()):
            return
        kept = sorted(self._kept(), key=_place)
        self.definitions = [form.definition() for form in kept]
        for form in kept:
            old = form.initial.get("name") if form.instance.pk else None
            if old and old != form.cleaned_data["name"]:
                self.renamed[form.cleaned_data["name"]] = old
        job = {"id": self.instance.id, "step_defaults": self.instance.step_defaults, "steps": self.definitions}
        faults = check_job(job, connectors=self._shared["connectors"])
        for fault in faults:
            if fault.step or fault.field == "steps":
                self._show(fault, kept)

    def _kept(self) -> list[StepForm]:
        """The forms that are steps after saving."""
        deleted = self.deleted_forms if self.can_delete else []
        forms: list[Any] = self.forms
        return [form for form in forms if form not in deleted and (form.instance.pk or form.has_changed())]

    def _show(self, fault: Fault, kept: Iterable[StepForm]) -> None:
        named = [form for form in kept if form.cleaned_data.get("name") == fault.step]
        if not named:
            raise forms.ValidationError(fault.message)
        # Two steps of one name: the fault is that of the one that has the field.
        form = next((form for form in named if form.place(fault.field)), named[0])
        form.add_error(form.place(fault.field), fault.message)


def _place(form: StepForm) -> float:
    position = form.cleaned_data.get("position")
    return float("inf") if position is None else position


class PresetFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """The presets of a job. After it's been found valid, `definitions` are all of them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.definitions: list[dict[str, Any]] = []
        # Set by the admin once the steps are known; None when they have faults of their own.
        self.steps: list[dict[str, Any]] | None = None
        super().__init__(*args, **kwargs)

    @cached_property
    def _connectors(self) -> dict[str, str]:
        return connector_kinds()

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """With the connectors that a parameter may pick."""
        return {**super().get_form_kwargs(index), "connectors": self._connectors}

    def validate_unique(self) -> None:
        """Names are compared in the whole job's check."""

    def clean(self) -> None:
        """Check the presets against the steps as they'll be."""
        forms: list[Any] = self.forms
        kept = [f for f in forms if f not in self.deleted_forms and (f.instance.pk or f.has_changed())]
        if self.steps is None or any(form.errors for form in kept):
            return
        self.definitions = [form.definition() for form in kept]
        job = {"id": self.instance.id, "timezone": self.instance.timezone}
        for fault in check_job({**job, "steps": self.steps, "presets": self.definitions}):
            form = next((form for form in kept if form.cleaned_data.get("name") == fault.preset), None)
            if form is not None:
                field = fault.field.partition(".")[0]
                form.add_error(field if field in form.fields else None, fault.message)
