"""Typed configuration: one plain Django form describes the fields of a step type, a connector kind or a channel.

The same form edits the fields in the admin (texts), checks a TOML file or an API call (numbers, tables, lists) and checks the
final values in the process that runs the step. Keys are flat and named as in TOML; a table such as `source = {connector, table}`
is spelled `source__connector`, `source__table` on the form.
"""

import json
import tomllib
from collections.abc import Mapping
from typing import Any, ClassVar

import tomlkit
from django import forms
from django.core.exceptions import ValidationError


class ConfigError(Exception):
    """A configuration that can't be used. `errors` maps each field, spelled as in TOML, to its messages."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__("; ".join(f"{field}: {' '.join(messages)}" for field, messages in self.errors.items()))


class CodeField(forms.CharField):
    """A longer text such as SQL: edited in a monospaced box, kept to the letter."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("strip", False)
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"}))
        super().__init__(**kwargs)


class SecretField(forms.CharField):
    """A text that is written and never shown again; left empty on a form it keeps what is stored."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("strip", False)
        kwargs.setdefault("widget", forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}))
        super().__init__(**kwargs)


class ConnectorField(forms.CharField):
    """The name of a connector of one kind (`sql`, `http`, `ldap`); whether it exists is checked where rows can be read."""

    def __init__(self, *, kind: str, **kwargs: Any) -> None:
        self.kind = kind
        super().__init__(**kwargs)


class TableField(forms.Field):
    """A table of names and typed values: a dict, or on a form `name = value` lines in TOML."""

    default_error_messages = {"invalid": "Write one `name = value` a line, texts in quotes: %(problem)s."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 4, "class": "code", "spellcheck": "false"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> dict[str, Any]:
        """The dict; ValidationError when a text isn't TOML."""
        if value in (None, ""):
            return {}
        if isinstance(value, Mapping):
            return dict(value)
        try:
            return tomllib.loads(str(value))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid", params={"problem": error}) from error

    def prepare_value(self, value: Any) -> Any:
        """The TOML lines of a dict; a text that was typed stays as it was."""
        return toml_lines(value) if isinstance(value, Mapping) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare values, not spelling; what can't be read counts as a change."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except ValidationError:
            return True


class ListField(forms.Field):
    """A list of texts or numbers: a list, or on a form one item a line."""

    def __init__(self, *, numbers: bool = False, **kwargs: Any) -> None:
        self.numbers = numbers
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 3, "class": "code", "spellcheck": "false"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> list[Any]:
        """The list; ValidationError when an item should be a number and isn't."""
        if value in (None, ""):
            return []
        items = list(value) if isinstance(value, list | tuple) else [x.strip() for x in str(value).splitlines()]
        items = [item for item in items if item != ""]
        try:
            return [int(item) for item in items] if self.numbers else items
        except (TypeError, ValueError) as error:
            raise ValidationError("Write one whole number a line.", code="invalid") from error

    def prepare_value(self, value: Any) -> Any:
        """One item a line."""
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compare items, not spelling."""
        try:
            return bool(self.to_python(initial) != self.to_python(data))
        except ValidationError:
            return True


class ValueField(forms.Field):
    """Any JSON value or a text: a dict, list or text, or on a form JSON when it parses as an object or array."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.Textarea(attrs={"rows": 5, "class": "code", "spellcheck": "false"}))
        super().__init__(**kwargs)

    def to_python(self, value: Any) -> Any:
        """The value; a text that starts like a JSON object or array and isn't one stays a text."""
        if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                return value
        return value

    def prepare_value(self, value: Any) -> Any:
        """Indented JSON of a dict or list."""
        return json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, dict | list) else value


def toml_lines(table: Mapping[str, Any]) -> str:
    """`name = value` lines of a table without nulls, nested tables inline."""

    def inline(value: Any) -> Any:
        if isinstance(value, Mapping):
            item = tomlkit.inline_table()
            item.update({str(key): inline(part) for key, part in value.items() if part is not None})
            return item
        if isinstance(value, list | tuple):
            array = tomlkit.array()
            array.extend([inline(part) for part in value])
            return array
        return value

    document = tomlkit.document()
    for key, value in table.items():
        if value is not None:
            document.add(str(key), inline(value))
    return tomlkit.dumps(document).rstrip("\n")


_SHAPES: list[tuple[type[forms.Field], tuple[type, ...], str]] = [
    (forms.BooleanField, (bool,), "true or false"),
    (forms.FloatField, (int, float, str), "a number"),
    (forms.IntegerField, (int, str), "a whole number"),
    (forms.CharField, (str,), "a text"),
    (forms.ChoiceField, (str,), "a text"),
    (TableField, (dict, str), "a table of names and values"),
    (ListField, (list, str), "a list"),
]


def _shape_error(field: forms.Field, value: Any) -> str | None:
    """Why a value from TOML or JSON has the wrong type for `field`; None when it may be right."""
    for kind, types, words in _SHAPES:
        if isinstance(field, kind):
            wrong = not isinstance(value, types) or (isinstance(value, bool) and bool not in types)
            return f"Expected {words}, found {value!r}." if wrong else None
    return None


class ConfigForm(forms.Form):
    """Base of all typed configuration. A field's `initial` is its default; cross-field rules go into `clean()`.

    In `clean()` a value may still be a text with `${...}` in it when `self.tokens` is set: leave those alone.
    """

    # Names of tables whose keys are fields of their own, spelled `table__key` on the form.
    nested: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *args: Any, tokens: bool = False, **kwargs: Any) -> None:
        self.tokens = tokens
        super().__init__(*args, **kwargs)
        self.use_required_attribute = False

    def _clean_fields(self) -> None:
        # Before substitution a field may hold `${kw:n}` where a number is wanted: keep the text, check it when it runs.
        for name, field in self.fields.items():
            raw = self.data.get(self.add_prefix(name))
            if self.tokens and isinstance(raw, str) and "${" in raw and not isinstance(field, TableField):
                # A checkbox would read any text as true.
                widget = forms.TextInput() if isinstance(field.widget, forms.CheckboxInput) else field.widget
                stand_in = forms.CharField(required=False, strip=False, widget=widget, initial=field.initial)
                self.fields[name] = stand_in
                self._bound_fields_cache.pop(name, None)  # type: ignore[attr-defined]
        super()._clean_fields()  # type: ignore[misc]

    @classmethod
    def secret_names(cls) -> frozenset[str]:
        """The fields that are written and never shown."""
        return frozenset(name for name, field in cls.base_fields.items() if isinstance(field, SecretField))

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Each field's default, None where there is none."""
        return {name: field.initial for name, field in cls.base_fields.items()}

    @classmethod
    def flatten(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """`{"source": {"table": "x"}}` as `{"source__table": "x"}`."""
        flat: dict[str, Any] = {}
        for key, value in config.items():
            if key in cls.nested and isinstance(value, Mapping):
                flat.update({f"{key}__{inner}": item for inner, item in value.items()})
            else:
                flat[key] = value
        return flat

    @classmethod
    def unflatten(cls, flat: Mapping[str, Any]) -> dict[str, Any]:
        """The way back, without empty values and without values that equal their default."""
        config: dict[str, Any] = {}
        for name, value in flat.items():
            field = cls.base_fields.get(name)
            # A default is left out, so that an export shows what somebody chose; False and 0 are choices too.
            if value is None or value == "" or value == {} or value == []:
                continue
            if field is not None and type(value) is type(field.initial) and value == field.initial:
                continue
            table, _, inner = name.partition("__")
            if inner and table in cls.nested:
                config.setdefault(table, {})[inner] = value
            else:
                config[name] = value
        return config

    @classmethod
    def check(cls, config: Mapping[str, Any], *, tokens: bool) -> dict[str, Any]:
        """All fields with their typed values, defaults filled in, spelled flat. Raises ConfigError naming every fault.

        `config` is shaped as in TOML. `tokens` allows `${...}` in place of any value (before substitution).
        """
        flat = cls.flatten(config)
        errors: dict[str, list[str]] = {}
        for name, value in flat.items():
            if name not in cls.base_fields:
                errors[cls.spell(name)] = [f"Unknown key; this takes {', '.join(cls.spelled_names())}."]
            elif value is not None and not (tokens and isinstance(value, str) and "${" in value):
                problem = _shape_error(cls.base_fields[name], value)
                if problem:
                    errors[cls.spell(name)] = [problem]
        given = {name: value for name, value in flat.items() if value is not None}
        data = {**{k: v for k, v in cls.defaults().items() if v is not None}, **given}
        form = cls(data=data, tokens=tokens)
        if not form.is_valid():
            for name, messages in form.errors.items():
                errors.setdefault(cls.spell(str(name)), [str(message) for message in messages])
        if errors:
            raise ConfigError(errors)
        return {**cls.defaults(), **form.cleaned_data}

    @classmethod
    def canonical(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        """The configuration as it's stored and exported: checked, typed, defaults left out, shaped as in TOML."""
        return cls.unflatten(cls.check(config, tokens=True))

    @classmethod
    def spell(cls, name: str) -> str:
        """A form field's name as it reads in TOML: `source.table`."""
        table, _, inner = name.partition("__")
        return f"{table}.{inner}" if inner and table in cls.nested else name

    @classmethod
    def spelled_names(cls) -> list[str]:
        """All fields as they read in TOML."""
        return [cls.spell(name) for name in cls.base_fields]
