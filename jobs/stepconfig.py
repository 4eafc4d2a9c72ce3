"""A step's own fields over the job's `step_defaults`: checked together as the step will run them, stored apart."""

from collections.abc import Container, Iterator, Mapping
from typing import Any

from jobs.definition import COMMON_STEP_KEYS
from jobs.plainvalues import has_null
from jobs.plan import applicable_defaults
from jobs.steps import step_types
from nomaflow_site.lib.config import ConfigError, ConnectorField, ValueField
from nomaflow_site.lib.sealing import is_sealed

# Stands for a sealed secret while the form looks at the rest: what it hides was checked when it was sealed.
HIDDEN = "${env:SEALED}"


class StepConfig:
    """What a step of one type has of its own (`own`, shaped as in TOML) on top of `step_defaults`."""

    def __init__(self, type_name: str, own: Mapping[str, Any], step_defaults: Mapping[str, Any]) -> None:
        self.form = step_types()[type_name].form
        self._own = {key: self._structured(key, value) for key, value in own.items()}
        shared = applicable_defaults(type_name, step_defaults)
        self._inherited = {key: value for key, value in shared.items() if key not in COMMON_STEP_KEYS}
        # Each field's messages, spelled as in TOML; empty when the step can run.
        self.errors: dict[str, list[str]] = self._nulls()
        self.values: dict[str, Any] = {}
        try:
            self.values = self.form.check(_hide({**self._inherited, **self._own}), tokens=True)
        except ConfigError as error:
            self.errors |= error.errors

    def _structured(self, name: str, value: Any) -> Any:
        # JSON typed as a text becomes the value itself, also where it holds tokens: a token inside it keeps its type then.
        field = self.form.base_fields.get(name)
        return field.to_python(value) if isinstance(field, ValueField) else value

    def _nulls(self) -> dict[str, list[str]]:
        """Only a JSON body may hold a null: TOML has none to write it with."""
        own = self.form.flatten(self._own).items()
        return {
            self.form.spell(name): ["Holds a null, which TOML can't keep; leave the name out."]
            for name, value in own
            if value is not None and has_null(value) and not isinstance(self.form.base_fields.get(name), ValueField)
        }

    @property
    def canonical(self) -> dict[str, Any]:
        """The step's own fields as they're stored: typed, without those that say what would hold anyway."""
        if self.errors:
            return dict(self._own)
        own = self.form.flatten(self._own)
        own = {name: value for name, value in own.items() if value is not None}
        typed = {name: _put_back(self.values[name], value) for name, value in own.items()}
        config = self.form.unflatten(typed)
        # A type's own default is worth saying where `step_defaults` says something else.
        inherited = self.form.flatten(self._inherited)
        for name in typed.keys() & inherited.keys():
            if name not in self.form.flatten(config) and typed[name] not in (None, "", {}, []):
                self._set(config, name, typed[name])
        return config

    def _set(self, config: dict[str, Any], name: str, value: Any) -> None:
        table, _, inner = name.partition("__")
        if inner and table in self.form.nested:
            config.setdefault(table, {})[inner] = value
        else:
            config[name] = value

    def connector_faults(self, connectors: Mapping[str, str] | Container[str] | None) -> Iterator[tuple[str, str]]:
        """(field, message) for every connector that isn't there or is of the wrong kind; a token can't be checked."""
        if connectors is None:
            return
        # What was given, where another fault left no checked values: each fault is told at once, not one an import.
        values = self.values or self.form.flatten({**self._inherited, **self._own})
        for name, field in self.form.base_fields.items():
            value = values.get(name)
            if not isinstance(field, ConnectorField) or not value or not isinstance(value, str) or "${" in value:
                continue
            if value not in connectors:
                yield self.form.spell(name), f"There is no connector {value!r}{_known(connectors, field.kind)}."
            elif isinstance(connectors, Mapping) and connectors[value] != field.kind:
                message = f"Connector {value!r} is of kind {connectors[value]}, expected {field.kind}"
                yield self.form.spell(name), f"{message}{_known(connectors, field.kind)}."


def connector_names(definition: Mapping[str, Any]) -> set[str]:
    """The connectors that a definition's steps name, `step_defaults` included; tokens left out."""
    names: set[str] = set()
    for step in definition["steps"]:
        if step["type"] in step_types():
            own = {key: value for key, value in step.items() if key not in COMMON_STEP_KEYS}
            config = StepConfig(step["type"], own, definition.get("step_defaults") or {})
            fields = config.form.base_fields.items()
            names |= {str(config.values.get(name)) for name, field in fields if isinstance(field, ConnectorField)}
    return {name for name in names if name not in ("", "None") and "${" not in name}


def _known(connectors: Mapping[str, str] | Container[str], kind: str) -> str:
    if not isinstance(connectors, Mapping):
        return ""
    names = ", ".join(sorted(name for name, found in connectors.items() if found == kind)) or "none"
    return f"; connectors of kind {kind}: {names}"


def _hide(value: Any) -> Any:
    if is_sealed(value):
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: _hide(item) for key, item in value.items()}
    return [_hide(item) for item in value] if isinstance(value, list) else value


def _put_back(typed: Any, original: Any) -> Any:
    """`typed` with every sealed value of `original` at its place again."""
    if is_sealed(original):
        return original
    if isinstance(typed, dict) and isinstance(original, Mapping):
        return {key: _put_back(item, original.get(key)) for key, item in typed.items()}
    if isinstance(typed, list) and isinstance(original, list) and len(typed) == len(original):
        return [_put_back(new, old) for new, old in zip(typed, original, strict=True)]
    return typed
