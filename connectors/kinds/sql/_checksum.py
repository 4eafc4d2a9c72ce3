"""The checksum of rows, computed by the database that has them, and the same in every database.

A row's text is `length:text` of each of its values, `-` for NULL. The first 15 hexadecimal digits of its MD5 are a number; the
checksum is the sum of these over all rows, so that no order is needed.

| form   | text of a value |
|--------|-----------------|
| number | without zeros at the end; a float as the shortest decimal that reads back as it, `wide` from 1e34 on and below 1e-13 |
| single | the same of the nearest 4-byte float, written as the 8-byte float that it is |
| moment | date and time to the microsecond, an instant in UTC |
| time   | to the microsecond |
| text   | the MD5 of its UTF-8 |
| padded | the same without the blanks at its end, which a char(n) fills up or leaves out |
| bytes  | their MD5 |
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from connectors.kinds.sql._column import Column

NUMBERS, MOMENTS = ("int", "decimal", "float", "bool"), ("date", "datetime", "instant")
# Outside of this, databases have no exact decimal for a float.
SMALLEST, LARGEST = "1e-13", "1e34"


class Checksum:
    """How one database writes the forms. An instance for the rows of one connection."""

    # Begin a transaction in which every statement sees the same rows.
    begin: ClassVar[tuple[str, ...]] = ("BEGIN",)

    def __init__(self, raw: Any) -> None:
        """Prepare the connection."""

    def value(self, form: str, column: Column, quoted: str) -> str:
        """The expression for a value's text; NULL for NULL."""
        raise NotImplementedError

    def total(self, values: Sequence[str]) -> str:
        """The aggregate over rows with these texts: a whole number, or its text; NULL without rows."""
        raise NotImplementedError


def _fixed(column: Column) -> bool:
    spelled = {"postgresql": ("character(", "bpchar"), "mysql": ("char(",)}.get(column.dialect, ())
    return column.type == "character" or column.type.startswith(spelled)


def form_of(source: Column, target: Column) -> str | None:
    """The form in which a value is the same text before and after a copy; None when there is none."""
    if source.kind in NUMBERS and target.kind in NUMBERS:
        return (
            "single" if any(column.kind == "float" and column.size == 32 for column in (source, target)) else "number"
        )
    # SQLite keeps digits that its numbers have no room for as texts.
    exact = [column.kind in ("int", "decimal") for column in (source, target)]
    as_text = [column.dialect == "sqlite" and column.kind == "text" for column in (source, target)]
    if (exact[0] and as_text[1]) or (as_text[0] and exact[1]):
        return "number"
    if source.kind in MOMENTS and target.kind in MOMENTS:
        return "moment"
    if source.kind == target.kind and source.kind in ("time", "bytes"):
        return source.kind
    same = source.dialect == target.dialect and source.type == target.type
    if same or (source.kind == target.kind and source.kind in ("text", "uuid")):
        return "padded" if any(map(_fixed, (source, target))) else "text"
    # What a database takes apart and puts together again is the same value, but not the same text.
    parsed = target.kind == "json" and (target.dialect, target.type) in (("postgresql", "jsonb"), ("mysql", "json"))
    texts = ("text", "json", "uuid") + (("other",) if source.dialect == "postgresql" else ())
    return "text" if source.kind in texts and target.kind in ("text", "json") and not parsed else None
