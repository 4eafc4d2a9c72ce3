"""PostgreSQL types by the text that format_type gives."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from connectors.kinds.sql._column import Column

KINDS = {
    "smallint": "int",
    "integer": "int",
    "bigint": "int",
    "numeric": "decimal",
    "real": "float",
    "double precision": "float",
    "boolean": "bool",
    "date": "date",
    "time without time zone": "time",
    "timestamp without time zone": "datetime",
    "timestamp with time zone": "instant",
    "character varying": "text",
    "character": "text",
    "text": "text",
    "json": "json",
    "jsonb": "json",
    "uuid": "uuid",
    "bytea": "bytes",
}
SIZES = {"smallint": 16, "integer": 32, "bigint": 64, "real": 32, "double precision": 64}
FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "int": int,
    "decimal": Decimal,
    "float": float,
    "bool": lambda text: text == "t",
    "bytes": lambda text: bytes.fromhex(text[2:]),
}


def column_of(
    name: str, spelled: str, native: str, nullable: bool = True, generated: bool = False, filled: bool = False
) -> Column:
    """A column from the text of its type; `native` is what it's declared as, a domain perhaps."""
    match = re.fullmatch(r"([a-z ]+?)(?:\((\d+)(?:,(-?\d+))?\))?((?: with(?:out)? time zone)?)", spelled)
    base = match[1] + match[4] if match else spelled
    numbers = [int(n) if n else None for n in match.groups()[1:3]] if match else [None, None]
    kind = KINDS.get(base, "other")
    size, scale = SIZES.get(base), None
    if kind == "decimal":
        size, scale = numbers[0], numbers[1] if numbers[0] is not None else None
    elif kind in ("time", "datetime", "instant"):
        scale = numbers[0]
    elif kind == "text":
        size = numbers[0]
    return Column(name, native, kind, size, scale, nullable, generated, "postgresql", filled)


def type_for(column: Column, in_key: bool) -> str:
    """The type in which a column, of whatever database, is kept; the dialect's module has the table."""
    if column.dialect == "postgresql" and column.type:
        return column.type
    digits = "" if column.scale is None else f"({column.scale})"
    if column.kind == "decimal":
        return "numeric" if column.size is None else f"numeric({column.size},{column.scale or 0})"
    if column.kind == "text":
        return f"varchar({column.size})" if column.size and column.size <= 10_000 else "text"
    return {
        "int": {16: "smallint", 32: "integer"}.get(column.size or 64, "bigint"),
        "float": "real" if column.size == 32 else "double precision",
        "bool": "boolean",
        "date": "date",
        "time": f"time{digits}",
        "datetime": f"timestamp{digits}",
        "instant": f"timestamp{digits} with time zone",
        "json": "json",
        "uuid": "uuid",
        "bytes": "bytea",
    }.get(column.kind, "text")
