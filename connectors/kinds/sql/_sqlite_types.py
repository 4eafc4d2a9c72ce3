"""SQLite types: what people declare, what SQLite makes of it, and what it can keep exactly."""

import re
from decimal import Decimal
from typing import Any

from connectors.kinds.sql._column import Column, Misfit
from connectors.kinds.sql._fit import as_decimal, as_text

LARGEST = 2**63


def affinity_of(declared: str) -> str:
    """The rule by which SQLite converts values stored in a column."""
    upper = declared.upper()
    for words, affinity in [
        (("INT",), "INTEGER"),
        (("CHAR", "CLOB", "TEXT"), "TEXT"),
        (("BLOB",), "BLOB"),
        (("REAL", "FLOA", "DOUB"), "REAL"),
    ]:
        if any(word in upper for word in words):
            return affinity
    return "NUMERIC" if upper else "BLOB"


def column_of(name: str, declared: str, nullable: bool, generated: bool, filled: bool = False) -> Column:
    """A column by its declared type, as people mean it rather than as SQLite treats it."""
    upper = declared.upper()
    numbers = [int(n) for n in re.findall(r"\d+", upper)]
    kinds = [
        (r"BOOL", "bool"),
        (r"INT(?!ERVAL)", "int"),
        (r"DEC|NUMERIC|NUMBER|MONEY", "decimal"),
        (r"REAL|FLOA|DOUB", "float"),
        (r"TIMESTAMPTZ|WITH TIME ZONE", "instant"),
        (r"DATETIME|TIMESTAMP", "datetime"),
        (r"DATE", "date"),
        (r"TIME", "time"),
        (r"JSON", "json"),
        (r"UUID", "uuid"),
        (r"CHAR|CLOB|TEXT|STRING", "text"),
        (r"BLOB|BINARY", "bytes"),
    ]
    kind = next((kind for pattern, kind in kinds if re.search(pattern, upper)), "other")
    size = {"int": 64, "float": 64}.get(kind)
    scale = None
    if kind == "decimal" and numbers:
        size, scale = numbers[0], numbers[1] if len(numbers) > 1 else 0
    elif kind == "text" and numbers:
        size = numbers[0]
    return Column(name, declared, kind, size, scale, nullable, generated, "sqlite", filled)


def kept_as_it_is(source: Column, target: Column) -> bool:
    """Whether SQLite keeps every value of a column of a server, which holds what it promises, without being helped."""
    affinity = affinity_of(target.type)
    if source.dialect not in ("postgresql", "mysql") or source.type.startswith("bit"):
        return False
    if source.kind in ("text", "json", "uuid") or (source.kind == "other" and source.dialect == "postgresql"):
        return affinity in ("TEXT", "BLOB") and target.kind in ("text", "json", "uuid", "other")
    if source.kind in ("int", "bool"):
        return affinity in ("INTEGER", "NUMERIC") and target.kind == source.kind
    # None of these can be taken for a number.
    return source.kind in ("date", "time", "datetime", "bytes") and target.kind == source.kind


def number_kept(value: Any, affinity: str) -> Any:
    """A number as SQLite keeps it without loss."""
    if isinstance(value, bool):
        return int(value)
    if affinity == "TEXT":
        return as_text(value)
    if isinstance(value, float):
        if value != value:
            raise Misfit("SQLite has no NaN, it would become NULL")
        return value
    if isinstance(value, Decimal):
        return _kept(value, affinity)
    return _kept(Decimal(value), affinity) if affinity == "REAL" or not -LARGEST <= value < LARGEST else value


def _kept(number: Decimal, affinity: str) -> int | float:
    if not number.is_finite():
        raise Misfit("SQLite has no such number; make the column TEXT")
    if affinity != "REAL" and number == number.to_integral_value() and -LARGEST <= number < LARGEST:
        return int(number)
    stored = float(number)
    if as_decimal(stored) != number:
        raise Misfit("it has more digits than SQLite keeps in a number; make the column TEXT")
    return stored


def text_kept(text: str, affinity: str, by_value: bool) -> str:
    """A text for a column in which SQLite turns texts that look like numbers into numbers."""
    number = as_decimal(text.strip()) if text[:64].strip(" +-.0123456789eE") == "" else None
    if number is None or not number.is_finite():
        return text
    stored = _kept(number, affinity)
    if not by_value and str(stored) != text:
        raise Misfit(f"SQLite would turn it into the number {stored}; make the column TEXT")
    return text
