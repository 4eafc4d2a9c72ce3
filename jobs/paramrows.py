"""Parameters row by row: each has a name, a type, and a value as an input holds it. Pure: values to rows and back, type and all."""

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jobs.plainvalues import plain, same
from nomaflow_site.lib.sealing import MASK, is_secret_name

WHOLE = re.compile(r"[+-]?[0-9]+")
POINTED = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
YES, NO = ("true", "yes", "on", "1"), ("", "false", "no", "off", "0")


class Kind(StrEnum):
    """What a value is, as a person chooses it."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "yes_no"
    CONNECTOR = "connector"
    TABLE = "table"
    SECRET = "secret"


LABELS = {
    Kind.TEXT: "text",
    Kind.NUMBER: "number",
    Kind.SWITCH: "yes / no",
    Kind.CONNECTOR: "connector",
    Kind.TABLE: "list or table",
    Kind.SECRET: "secret",
}


@dataclass(frozen=True)
class Row:
    """One parameter as inputs hold it. A secret's `value` is empty where the stored one is to stay."""

    name: str = ""
    kind: str = Kind.TEXT
    value: str = ""
    removed: bool = False

    @property
    def is_blank(self) -> bool:
        """Whether nothing was typed."""
        return not self.name and (not self.value or self.kind == Kind.SWITCH)


class BadRow(ValueError):
    """A row that can't be read; the message says what was found and what was expected."""


def picks_connector(name: str) -> bool:
    """Whether values under that name are names of connectors: it is, or ends in, `connector`."""
    return name.endswith("connector")


def row_of(name: str, value: Any) -> Row:
    """The row that shows a value; `********` stands for a stored secret."""
    if value == MASK:
        return Row(name, Kind.SECRET)
    if isinstance(value, bool):
        return Row(name, Kind.SWITCH, "true" if value else "")
    if isinstance(value, int | float):
        return Row(name, Kind.NUMBER, repr(value))
    if isinstance(value, str):
        return Row(name, Kind.CONNECTOR if picks_connector(name) and "${" not in value else Kind.TEXT, value)
    return Row(name, Kind.TABLE, json.dumps(value, ensure_ascii=False, indent=2 if len(str(value)) > 60 else None))


def read_row(row: Row) -> Any:
    """The typed value of a row; `********` for a secret that was left alone. Raises BadRow."""
    if row.kind not in LABELS:
        raise BadRow(f"found the type {row.kind!r}, expected one of {', '.join(LABELS)}.")
    return _READERS[Kind(row.kind)](row)


def _text(row: Row) -> str:
    return _plain_ends(row.value)


def _number(row: Row) -> int | float:
    text = row.value.strip()
    try:
        if WHOLE.fullmatch(text):
            return int(text)
        if POINTED.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
    except ValueError:  # more digits than Python reads
        pass
    raise BadRow(f"found {_short(text)}, expected a number such as 10 or 1.5.")


def _switch(row: Row) -> bool:
    text = row.value.strip().lower()
    if text not in YES + NO:
        raise BadRow(f"found {_short(row.value)}, expected yes or no.")
    return text in YES


def _connector(row: Row) -> str:
    if not picks_connector(row.name):
        raise BadRow("a parameter that picks a connector is called connector, or something that ends in it.")
    return row.value.strip()


def _secret(row: Row) -> str:
    if not row.value:
        return MASK
    if not is_secret_name(row.name):
        raise BadRow("only values under names such as password, token or api_key are kept sealed; choose such a name.")
    return row.value


def _table(row: Row) -> Any:
    value = _structure(row.value)
    if not isinstance(value, list | dict):
        raise BadRow(f'found {_short(row.value)}, expected a list such as ["a", "b"] or a table such as {{"a": 1}}.')
    return plain(value)


def _structure(text: str) -> Any:
    """The value in a JSON text, or in what stands behind `=` in TOML; None for neither."""
    for read in (json.loads, lambda given: tomllib.loads(f"x = {given.strip()}")):
        try:
            value = read(text)
        except (ValueError, RecursionError):
            continue
        if read is json.loads:
            return value
        return value["x"] if value.keys() == {"x"} else None
    return None


_READERS = {
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.SWITCH: _switch,
    Kind.CONNECTOR: _connector,
    Kind.TABLE: _table,
    Kind.SECRET: _secret,
}


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def read_rows(rows: Iterable[Row]) -> tuple[dict[str, Any], dict[int, str]]:
    """The values by name, and what's wrong by the row's number; blank and removed rows are neither."""
    values: dict[str, Any] = {}
    faults: dict[int, str] = {}
    for number, row in enumerate(rows):
        if row.removed or row.is_blank:
            continue
        try:
            if not row.name:
                raise BadRow(f"the value {_short(row.value)} has no name; name it, or empty it.")
            if row.name in values:
                raise BadRow("there is another row of that name; a name stands for one value.")
            values[row.name] = read_row(row)
        except BadRow as problem:
            faults[number] = str(problem)
    return values, faults


def rows_of(values: Mapping[str, Any]) -> list[Row] | None:
    """A row for each value; None when some name or value would not come back from a form as it is."""
    rows = [row_of(name, value) for name, value in values.items()]
    if any(row.name != row.name.strip() or not row.name.isprintable() for row in rows):
        return None
    back, faults = read_rows(rows)
    return rows if not faults and same(to_the_letter(back, values), dict(values)) else None


def to_the_letter(typed: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`typed` with the stored text wherever the two differ in line ends only: browsers send one kind."""
    return {name: stored[name] if _alike(value, stored.get(name)) else value for name, value in typed.items()}


def _alike(one: Any, other: Any) -> bool:
    return isinstance(one, str) and isinstance(other, str) and _plain_ends(one) == _plain_ends(other)


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
