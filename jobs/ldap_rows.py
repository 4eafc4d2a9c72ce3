"""Directory entries as table rows. Pure: attributes in, rows out."""

import base64
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Attributes = Mapping[str, Sequence[str | bytes]]
# Stored by Windows with the first three groups back to front.
LITTLE_ENDIAN_GUIDS = frozenset({"objectguid", "msexchmailboxguid", "ms-ds-consistencyguid"})
BIG_ENDIAN_GUIDS = frozenset({"guid", "entryuuid"})
SIDS = frozenset({"objectsid", "sidhistory"})
FIRST, ROWS, JOIN = "first", "rows", "join:"


class CannotMap(Exception):
    """Entries that don't become rows; the message names the entries and what would help."""


@dataclass(frozen=True)
class Mapped:
    """The rows, in the order of `columns`, and the entries that have none because they lack a key."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    skipped: list[str]


@dataclass(frozen=True)
class ColumnMap:
    """How attributes become columns. `columns`: attribute -> column; `rules`: attribute in lower case -> rule."""

    columns: Mapping[str, str]
    rules: Mapping[str, str]
    default: str = FIRST
    keys: Sequence[str] = ()

    def rule(self, attribute: str) -> str:
        """What happens to several values of `attribute`."""
        return self.rules.get(attribute.lower(), self.default)


def rule_fault(rule: object) -> str | None:
    """Why a rule for several values can't be used, None when it can."""
    if isinstance(rule, str) and (rule in {FIRST, ROWS} or rule.startswith(JOIN)):
        return None
    return f"Expected first, rows or join:SEPARATOR, found {rule!r}."


def text_of(attribute: str, value: str | bytes) -> str:
    """A value as text: GUIDs and SIDs as people write them, other bytes as base64."""
    name = attribute.lower()
    if isinstance(value, str):
        return value
    if name in LITTLE_ENDIAN_GUIDS and len(value) == 16:
        return str(uuid.UUID(bytes_le=value))
    if name in BIG_ENDIAN_GUIDS and len(value) == 16:
        return str(uuid.UUID(bytes=value))
    if name in SIDS and len(value) >= 8 and len(value) == 8 + 4 * value[1]:
        return _sid(value)
    return base64.b64encode(value).decode()


def _sid(value: bytes) -> str:
    parts = [int.from_bytes(value[i : i + 4], "little") for i in range(8, len(value), 4)]
    return "-".join(map(str, ["S", value[0], int.from_bytes(value[2:8], "big"), *parts]))


def rows_of(entries: Iterable[tuple[str, Attributes]], mapping: ColumnMap) -> Mapped:
    """All rows. Rows that are equal throughout become one. Raises CannotMap for one key with different values."""
    columns = tuple(mapping.columns.values())
    places = [columns.index(key) for key in mapping.keys]
    found: dict[tuple[Any, ...], tuple[tuple[Any, ...], str]] = {}
    rows: list[tuple[Any, ...]] = []
    skipped: list[str] = []
    for dn, attributes in entries:
        whole = [
            row for row in _rows_of_entry(dn, attributes, mapping) if all(row[place] is not None for place in places)
        ]
        if not whole:
            skipped.append(dn)
        for row in whole:
            key = tuple(row[place] for place in places)
            if places and key in found:
                _refuse_conflict(mapping.keys, key, found[key], (row, dn))
                continue
            found[key] = (row, dn)
            rows.append(row)
    return Mapped(columns, rows, skipped)


def _refuse_conflict(
    keys: Sequence[str], key: tuple[Any, ...], first: tuple[tuple[Any, ...], str], second: tuple[tuple[Any, ...], str]
) -> None:
    if first[0] != second[0]:
        raise CannotMap(
            f"Two entries have the same key ({', '.join(keys)}) = ({', '.join(map(repr, key))}) and differ elsewhere: "
            f"{first[1]} and {second[1]}. Add a column to key_columns, or narrow search_filter."
        )


def _rows_of_entry(dn: str, attributes: Attributes, mapping: ColumnMap) -> Iterator[tuple[Any, ...]]:
    by_name = {name.lower(): values for name, values in attributes.items()} | {"dn": [dn]}
    values = {name: [text_of(name, v) for v in by_name.get(name.lower(), ())] for name in mapping.columns}
    several = [name for name, found in values.items() if len(found) > 1 and mapping.rule(name) == ROWS]
    if len(several) > 1:
        raise CannotMap(
            f"{dn} has several values of {' and of '.join(several)}; only one attribute of an entry can become rows. "
            "Give the others first or join:SEPARATOR in multi_valued."
        )
    single = {name: _one(found, mapping.rule(name)) for name, found in values.items()}
    for value in values[several[0]] if several else [None]:
        yield tuple(value if name in several else single[name] for name in mapping.columns)


def _one(values: Sequence[str], rule: str) -> str | None:
    if not values:
        return None
    return rule.removeprefix(JOIN).join(values) if rule.startswith(JOIN) else values[0]
