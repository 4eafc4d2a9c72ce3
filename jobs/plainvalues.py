"""Values as they can be kept: JSON that PostgreSQL and TOML both hold. Pure."""

import datetime
import math
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.parameters import LONGEST
from nomaflow_site.lib.sealing import MASK, SEALED, is_sealed

DEEPEST = 20
LARGEST_INTEGER = 2**63 - 1


def plain(value: Any) -> Any:
    """A copy in which dates and times, which TOML has and JSON lacks, are ISO texts; sealed values stay."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def value_faults(value: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """(where, why) for everything in a plain value that can't be kept."""
    if depth > DEEPEST:
        yield path, f"Tables and lists are nested more than {DEEPEST} deep."
    elif is_sealed(value):
        return
    elif isinstance(value, Mapping):
        for key, item in value.items():
            here = f"{path}.{key}" if path else key
            if key == SEALED:
                yield here, f"{SEALED} is the name that stored secrets have; choose another name."
            if problem := _text_fault(key):
                yield path, f"The name {key!r}: {problem}"
            yield from value_faults(item, here, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from value_faults(item, path, depth + 1)
    elif problem := _leaf_fault(value):
        yield path, problem


def _leaf_fault(value: Any) -> str | None:
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"Found {value}, expected a finite number."
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return "The number is beyond 64 bits; write it as a text."
    if not isinstance(value, int | float | None):
        return f"Found {type(value).__name__}, expected a text, number, true, false, list or table."
    return None


def _text_fault(text: str) -> str | None:
    if "\0" in text:
        return "The text holds a NUL character."
    if text == MASK:
        return f"{MASK} stands for a hidden value, and nothing is stored here; enter the value itself."
    if len(text) > LONGEST:
        return f"The text has {len(text):,} characters; {LONGEST:,} is the limit."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text holds half a character (a lone surrogate)."
    return None


def has_null(value: Any) -> bool:
    """Whether there's a null anywhere: TOML has no way to write one."""
    if isinstance(value, Mapping):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal in type too: 1, 1.0 and true are three values."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)
