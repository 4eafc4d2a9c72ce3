"""Serializer fields that take a JSON type as it is, and a serializer that refuses keys it doesn't know."""

from collections.abc import Iterator, Mapping
from typing import Any

from rest_framework import serializers


class Flag(serializers.BooleanField):  # type: ignore[misc]
    """true or false; not "true", not 1."""

    def to_internal_value(self, data: Any) -> bool:
        """The bool itself."""
        if not isinstance(data, bool):
            raise serializers.ValidationError(f"Expected true or false, found {shown(data)}.")
        return data


class Text(serializers.CharField):  # type: ignore[misc]
    """A text; not a number written as one."""

    def to_internal_value(self, data: Any) -> str:
        """The text itself."""
        if not isinstance(data, str):
            raise serializers.ValidationError(f"Expected a text, found {shown(data)}.")
        return str(super().to_internal_value(data))


class Table(serializers.DictField):  # type: ignore[misc]
    """An object of names and values."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """The dict itself, its values checked by the child field."""
        if not isinstance(data, Mapping):
            raise serializers.ValidationError(f"Expected an object of names and values, found {shown(data)}.")
        return dict(super().to_internal_value(data))


class Anything(serializers.JSONField):  # type: ignore[misc]
    """Any JSON value, null included."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)


class StrictSerializer(serializers.Serializer):  # type: ignore[misc]
    """A body whose every key is known: a misspelt one is an answer 400, not silence."""

    def to_internal_value(self, data: Any) -> Any:
        """The values; ValidationError naming every key that isn't a field, beside the fields' own faults."""
        takes = ", ".join(self.fields)
        unknown = {str(key): [f"Unknown key; this takes {takes}."] for key in data if key not in self.fields}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**error.detail, **unknown}) from error
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


def dotted(errors: Any) -> dict[str, list[str]]:
    """A serializer's errors with one level: `{"step_enabled.load": ["..."]}`."""
    return dict(_dotted(errors, ""))


def _dotted(errors: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    if isinstance(errors, Mapping):
        for key, value in errors.items():
            yield from _dotted(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, [str(message) for message in errors]


def shown(value: Any) -> str:
    """A value for a message, cut to a readable length."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
