"""The form that starts a run: every parameter with an input of its type, and only what was changed is sent."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django import forms
from django.core.exceptions import ValidationError

from jobs.models import Job, LogLevel
from jobs.parameters import Overrides
from jobs.plainvalues import same, value_faults
from jobs.plan import Plan
from nomaflow_site.lib.config import SecretField, TableField
from nomaflow_site.lib.sealing import is_sealed, mask, restore_masked, sealed_paths

LARGEST = 2**63 - 1
LONG_TEXT = 80


@dataclass(frozen=True)
class Place:
    """Where a parameter stands: in the job's parameters (`step` is empty) or in those of one step."""

    step: str
    key: str

    @property
    def name(self) -> str:
        """The input's name: as the API spells it, without spaces, which an id can't have."""
        return f"op_kwargs.{quote(self.step)}.{quote(self.key)}" if self.step else f"params.{quote(self.key)}"


def switch_name(step: str) -> str:
    """The name of a step's checkbox."""
    return f"step_enabled.{quote(step)}"


@dataclass(frozen=True)
class Values:
    """All that can be changed for one run."""

    parameters: Mapping[Place, Any]
    steps: Mapping[str, bool]
    log_level: str
    # Parameters that the job doesn't know: asked for by a `${kw:...}` alone.
    extra: Mapping[str, Any] = field(default_factory=dict)

    def under(self, upper: Overrides) -> "Values":
        """These values with per-fire ones on top; unknown job parameters among them become known."""
        parameters = dict(self.parameters)
        extra = {**self.extra}
        for key, value in upper.params.items():
            if Place("", key) in parameters:
                parameters[Place("", key)] = value
            else:
                extra[key] = value
        for step, kwargs in upper.op_kwargs.items():
            if step in self.steps:
                parameters |= {Place(step, key): value for key, value in kwargs.items()}
        steps = {**self.steps, **{step: on for step, on in upper.step_enabled.items() if step in self.steps}}
        return Values(parameters, steps, upper.log_level or self.log_level, extra)


def values_of(plan: Plan, log_level: str) -> Values:
    """A job's own values, as its definition says them."""
    parameters = {Place("", key): value for key, value in plan.params.items()}
    for step in plan.steps:
        parameters |= {Place(step.name, key): value for key, value in step.op_kwargs.items()}
    return Values(parameters, {step.name: step.enabled for step in plan.steps}, log_level)


def asks_first(job: Job) -> bool:
    """Whether there is anything to choose before a run: parameters, several steps, or presets. Steps and presets prefetched."""
    steps = list(job.steps.all())
    own = any(step.op_kwargs for step in steps) or bool(job.step_defaults.get("op_kwargs"))
    return bool(job.params) or own or len(steps) > 1 or bool(job.presets.all())


class RunForm(forms.Form):
    """`base` is what holds anyway, a chosen preset included; `shown` is what the inputs begin with: the same, or an old run's.

    After `is_valid`, `overrides` has what differs from `base`.
    """

    log_level = forms.ChoiceField(choices=LogLevel.choices)
    extra = TableField(
        required=False,
        label="Other parameters",
        help_text="For a ${kw:name} that the job has no parameter for. One `name = value` a line, texts in quotes.",
    )
    seen_version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, job: Job, base: Values, shown: Values, connectors: Mapping[str, str], data: Any = None) -> None:
        super().__init__(data)
        self.use_required_attribute = False
        self._job, self._base, self._shown = job, base, shown
        self.initial = {"log_level": shown.log_level, "extra": mask(shown.extra), "seen_version": job.version}
        for step, enabled in shown.steps.items():
            self.fields[switch_name(step)] = forms.BooleanField(required=False, label=step, initial=enabled)
        for place, value in shown.parameters.items():
            self.fields[place.name] = field_for(place.key, value, connectors)

    def clean(self) -> dict[str, Any]:
        """Secrets that were left alone put back; refused where the job was changed since the form was shown."""
        cleaned = super().clean() or self.cleaned_data
        for place, shown in self._shown.parameters.items():
            if place.name in cleaned:
                cleaned[place.name] = self._unmasked(place.name, cleaned[place.name], shown)
        if "extra" in cleaned:
            cleaned["extra"] = self._unmasked("extra", cleaned["extra"], self._shown.extra)
        if self.data.get("seen_version") not in (None, "", str(self._job.version)):
            raise ValidationError(
                "The job was changed after this form was opened. The form now shows the job as it is: look again, then start."
            )
        return cleaned

    def _unmasked(self, name: str, typed: Any, shown: Any) -> Any:
        if is_sealed(shown) and typed == "":
            return shown
        if list(sealed_paths(typed)):
            self.add_error(name, "Sealed values can't be typed in; write the value itself.")
        value = restore_masked(typed, shown)
        for where, problem in value_faults(value):
            self.add_error(name, f"{where}: {problem}" if where else problem)
        return value

    @property
    def overrides(self) -> Overrides:
        """What was chosen for this run only."""
        cleaned = self.cleaned_data
        params: dict[str, Any] = dict(cleaned["extra"])
        op_kwargs: dict[str, dict[str, Any]] = {}
        for place in self._shown.parameters:
            if not same(cleaned[place.name], self._base.parameters.get(place, same)):
                (op_kwargs.setdefault(place.step, {}) if place.step else params)[place.key] = cleaned[place.name]
        steps = {step: cleaned[switch_name(step)] for step in self._base.steps}
        params = {key: value for key, value in params.items() if not same(value, self._base.extra.get(key, same))}
        return Overrides(
            params=params,
            op_kwargs=op_kwargs,
            step_enabled={step: on for step, on in steps.items() if on != self._base.steps[step]},
            log_level=None if cleaned["log_level"] == self._base.log_level else cleaned["log_level"],
        )

    # What the template shows

    def job_fields(self) -> list[forms.BoundField]:
        """The job's parameters."""
        return [self[place.name] for place in self._shown.parameters if not place.step]

    def step_groups(self) -> Iterator[tuple[forms.BoundField, list[forms.BoundField]]]:
        """Each step's switch with the inputs of its parameters."""
        for step in self._shown.steps:
            fields = [self[place.name] for place in self._shown.parameters if place.step == step]
            yield self[switch_name(step)], fields

    def has_switches(self) -> bool:
        """Whether leaving a step out leaves anything to run."""
        return len(self._shown.steps) > 1


def field_for(key: str, value: Any, connectors: Mapping[str, str]) -> forms.Field:
    """The input for a parameter, by its name and the type of its value."""
    made = _field_for(key, value, connectors)
    made.label = key
    return made


def _field_for(key: str, value: Any, connectors: Mapping[str, str]) -> forms.Field:
    if is_sealed(value):
        return SecretField(required=False, help_text="A value is stored. Leave empty to use it.")
    if isinstance(value, bool):
        return forms.BooleanField(required=False, initial=value)
    if isinstance(value, int):
        return forms.IntegerField(initial=value, min_value=-LARGEST - 1, max_value=LARGEST)
    if isinstance(value, float):
        return DecimalPointField(initial=value)
    if isinstance(value, Mapping | list):
        return JSONText(type(value), initial=json.dumps(mask(value), indent=2, ensure_ascii=False))
    text = "" if value is None else str(value)
    if key == "connector" or key.endswith("connector"):
        return forms.ChoiceField(required=False, choices=_connector_choices(text, connectors), initial=text)
    long = len(text) > LONG_TEXT or "\n" in text
    widget = forms.Textarea(attrs={"rows": 4, "class": "code", "spellcheck": "false"}) if long else forms.TextInput()
    return PlainText(required=False, strip=False, initial=mask({key: text})[key], widget=widget)


def _connector_choices(current: str, connectors: Mapping[str, str]) -> list[tuple[str, str]]:
    known = [(name, f"{name} ({kind})") for name, kind in sorted(connectors.items())]
    if current in connectors:
        return known
    # A token, or one that isn't there: it stays what it was until somebody chooses another.
    return [
        (current, f"{current} (no such connector)" if current and "${" not in current else current or "none"),
        *known,
    ]


class PlainText(forms.CharField):
    """A text to the letter; browsers send two characters for the end of a line."""

    def to_python(self, value: Any) -> str:
        """The text with plain line ends."""
        return (super().to_python(value) or "").replace("\r\n", "\n")


class DecimalPointField(forms.FloatField):
    """A finite number that stays a number with a decimal point: `any` step, so that browsers take it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.NumberInput(attrs={"step": "any"}), **kwargs)

    def to_python(self, value: Any) -> Any:
        """The number; ValidationError for nan and infinities."""
        number = super().to_python(value)
        if number is not None and not math.isfinite(number):
            raise ValidationError("Enter a finite number.")
        return number


class JSONText(forms.CharField):
    """A list or a table, typed as JSON."""

    def __init__(self, kind: type[Any], **kwargs: Any) -> None:
        self.kind = kind
        widget = forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false"})
        super().__init__(strip=True, widget=widget, help_text=f"JSON, {self._words()}.", **kwargs)

    def _words(self) -> str:
        return "a list: [1, 2]" if issubclass(self.kind, list) else 'a table: {"name": 1}'

    def to_python(self, value: Any) -> Any:
        """The value; ValidationError for anything that isn't JSON of the same kind."""
        try:
            found = json.loads(super().to_python(value) or "", parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ValidationError(f"This is not JSON: {error}.") from error
        if not isinstance(found, list if issubclass(self.kind, list) else dict):
            raise ValidationError(f"Expected {self._words()}.")
        return found


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
