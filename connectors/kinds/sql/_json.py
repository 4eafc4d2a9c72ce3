"""Database values as JSON, for the output of a step."""

import math
from collections.abc import Mapping
from typing import Any


def json_value(value: Any) -> Any:
    """`value` as JSON. Numbers, texts, true/false and NULL stay; everything else becomes a text.

    Decimals become exact texts, dates ISO, binary hexadecimal, NaN and infinities their names.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(item) for item in value]
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else str(value)


def json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """One row as a JSON object."""
    return {name: json_value(value) for name, value in row.items()}
