"""The admin's form of one step: what every step has, and the fields of its own type only."""

from copy import deepcopy
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jobs.definition import STEP_TIMEOUT_SECONDS
from jobs.forms import unmasked, unmasked_rows
from jobs.models import Backoff, Step
from jobs.paramwidget import ParamsField
from jobs.steps import step_types
from nomaflow_site.lib.config import ConfigForm, ConnectorField, SecretField
from nomaflow_site.lib.sealing import mask

# The type's fields stand on the form under this prefix: a type may well have a field called `job` or `name`.
OWN = "cfg_"
# Spelled here: inside the class `type` is a field.
OwnForm = type[ConfigForm]
EMPTY: tuple[Any, ...] = (None, "", {}, [])
COMMON = ("name", "enabled", "position")
MORE = ("op_kwargs", "timeout_seconds", "rerun_if_lost", "retry_attempts", "retry_backoff", "retry_base_seconds")


class StepForm(forms.ModelForm):  # type: ignore[type-arg]
    """One step. `type_name` is the type of a new one; an existing step's type is locked."""

    type = forms.CharField(widget=forms.HiddenInput, required=False)
    op_kwargs = ParamsField(required=False, label="Parameters", help_text="Of this step alone, over the job's.")
    retry_attempts = forms.IntegerField(
        required=False, min_value=1, max_value=100, label="Retry: attempts", help_text="Empty: as the job says."
    )
    retry_backoff = forms.ChoiceField(
        required=False, choices=[("", "as the job says"), *Backoff.choices], label="Retry: backoff"
    )
    retry_base_seconds = forms.IntegerField(required=False, min_value=0, label="Retry: base seconds")

    class Meta:
        model = Step
        fields = ["name", "enabled", "timeout_seconds", "rerun_if_lost", "position"]

    def __init__(
        self,
        *args: Any,
        type_name: str = "",
        step_defaults: dict[str, Any] | None = None,
        connectors: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.type_name = self.instance.type or type_name
        self.kind = step_types().get(self.type_name)
        self._stored = dict(self.instance.config)
        self._defaults = step_defaults or {}
        shown = {
            "type": self.type_name,
            "op_kwargs": mask(self.instance.op_kwargs),
            "timeout_seconds": self.instance.timeout_seconds,
            **{f"retry_{key}": value for key, value in (self.instance.retry or {}).items()},
        }
        self.initial.update(shown)
        order = self.fields["position"]
        # The class by which the drag and drop of adminsortable2 finds the number to write.
        order.widget = forms.NumberInput(attrs={"class": "_reorder_", "min": 0})
        order.required = False
        if not self.instance.pk:
            self.initial["position"] = None
        self.fields["op_kwargs"].widget.connectors = connectors or {}
        if self.kind is not None:
            self._add_own_fields(self.kind.form, connectors or {})

    def _add_own_fields(self, form: OwnForm, connectors: dict[str, str]) -> None:
        own = form.flatten(self._stored)
        for name, field in form.base_fields.items():
            shown = own.get(name, self._inherited(form, name))
            self.fields[OWN + name] = editable(field, shown, connectors)
            self.fields[OWN + name].label = str(field.label or form.spell(name))
            # A number stands in a text field, which compares texts.
            is_number = isinstance(shown, int | float) and not isinstance(shown, bool)
            self.initial[OWN + name] = str(shown) if is_number else mask(shown)

    def _inherited(self, form: OwnForm, name: str) -> Any:
        return form.flatten(self._defaults).get(name, form.base_fields[name].initial)

    @property
    def type_label(self) -> str:
        """The type in words."""
        return self.kind.label if self.kind else f"unknown type {self.type_name}"

    @property
    def own_fields(self) -> list[forms.BoundField]:
        """The fields of the step's type."""
        return [self[name] for name in self.fields if name.startswith(OWN)]

    @property
    def common_fields(self) -> list[forms.BoundField]:
        """What every step has; an existing one's position stands beside its heading."""
        return [self[name] for name in COMMON if name != "position" or not self.instance.pk]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """What every step has and few need."""
        return [self[name] for name in MORE]

    @property
    def is_open(self) -> bool:
        """Whether the form shows what was typed, or what is wrong."""
        return self.is_bound and (self.has_changed() or bool(self.errors))

    @property
    def gist(self) -> str:
        """What the step is about, in the first words of its fields."""
        shown = [self.initial.get(name) for name in self.fields if name.startswith(OWN)]
        lines = [value.strip().splitlines()[0] for value in shown if isinstance(value, str) and value.strip()]
        return " · ".join(lines[:3])

    def clean_op_kwargs(self) -> Any:
        """The parameters, untouched secrets as they were."""
        return unmasked_rows(self.cleaned_data["op_kwargs"], self.instance.op_kwargs)

    def clean(self) -> dict[str, Any]:
        """The type's values as they were typed, secrets put back. What they may be is checked with the whole job."""
        cleaned = super().clean() or self.cleaned_data
        self.own: dict[str, Any] = {}
        if self.kind is None:
            raise ValidationError(f"There is no step type {self.type_name!r} any more; delete the step or install it.")
        for name in self.kind.form.base_fields:
            try:
                self._read_own(self.kind.form, name, cleaned.get(OWN + name))
            except ValidationError as error:
                self.add_error(OWN + name, error)
        return cleaned

    def _read_own(self, form: OwnForm, name: str, typed: Any) -> None:
        own = form.flatten(self._stored)
        stored, inherited = own.get(name), self._inherited(form, name)
        value = _as_before(unmasked(typed, stored), stored)
        if isinstance(form.base_fields[name], SecretField) and not value:
            value = stored
        # What holds anyway isn't a choice of this step: left unsaid, it follows the job's step_defaults.
        if value in EMPTY or (name not in own and str(value) == str(self.initial[OWN + name]) == str(mask(inherited))):
            return
        self.own[name] = value

    def config(self) -> dict[str, Any]:
        """The type's fields shaped as in TOML."""
        assert self.kind is not None
        config: dict[str, Any] = {}
        for name, value in self.own.items():
            table, _, inner = name.partition("__")
            if inner and table in self.kind.form.nested:
                config.setdefault(table, {})[inner] = value
            else:
                config[name] = value
        return config

    def definition(self) -> dict[str, Any]:
        """The step shaped as in TOML."""
        given = self.cleaned_data
        step: dict[str, Any] = {"name": given["name"], "type": self.type_name, "enabled": given["enabled"]}
        if given["timeout_seconds"] != STEP_TIMEOUT_SECONDS:
            step["timeout_seconds"] = given["timeout_seconds"]
        if given["rerun_if_lost"]:
            step["rerun_if_lost"] = True
        retry = {key: given[f"retry_{key}"] for key in ("attempts", "backoff", "base_seconds")}
        step["retry"] = {key: value for key, value in retry.items() if value not in EMPTY}
        return {**step, "op_kwargs": given["op_kwargs"], **self.config()}

    def place(self, field: str) -> str | None:
        """The form's field for a field as a fault names it: `source.table`, `retry.attempts`, `headers.X`."""
        if field.startswith("retry."):
            field = field.replace("retry.", "retry_")
        for name in (OWN + field.replace(".", "__"), OWN + field.partition(".")[0], field, field.partition(".")[0]):
            if name in self.fields:
                return name
        return None

    def validate_unique(self) -> None:
        """Left to the whole job's check, which sees what all names will be."""

    def validate_constraints(self) -> None:
        """Likewise."""


def _as_before(value: Any, stored: Any) -> Any:
    """Browsers send two characters for the end of a line; what only differs in that is what was stored."""
    if not isinstance(value, str):
        return value
    value = value.replace("\r\n", "\n")
    return stored if isinstance(stored, str) and stored.replace("\r\n", "\n") == value else value


def editable(field: forms.Field, shown: Any, connectors: dict[str, str]) -> forms.Field:
    """A field in which a value or a `${...}` token can be typed; what the value may be is checked with the whole job."""
    is_token = isinstance(shown, str) and "${" in shown
    if isinstance(field, ConnectorField):
        names = [name for name, kind in connectors.items() if kind == field.kind]
        return _select([("", "---------")] + [(name, name) for name in sorted(names)], shown, field)
    if isinstance(field, forms.ChoiceField):
        return _select(list(field.choices), shown, field)  # type: ignore[arg-type]
    one_line = isinstance(field, forms.CharField | forms.IntegerField) and not isinstance(field, SecretField)
    if one_line or (is_token and isinstance(field, forms.BooleanField)):
        widget = deepcopy(field.widget) if isinstance(field.widget, forms.Textarea) else forms.TextInput()
        strip = getattr(field, "strip", True)
        return forms.CharField(required=False, strip=strip, widget=widget, help_text=field.help_text)
    same = deepcopy(field)
    same.required = False
    return same


def _select(choices: list[Any], shown: Any, field: forms.Field) -> forms.Field:
    # A token, or a connector that's gone, stays selectable: opening and saving a job must not change it.
    if shown and shown not in [value for value, _ in choices]:
        choices = [*choices, (shown, shown)]
    return forms.CharField(required=False, widget=forms.Select(choices=choices), help_text=field.help_text)
