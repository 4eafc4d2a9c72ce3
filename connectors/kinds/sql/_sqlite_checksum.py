"""The checksum of rows in SQLite, by functions that its connection is given."""

import hashlib
import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connectors.kinds.sql._checksum import LARGEST, SMALLEST, Checksum
from connectors.kinds.sql._column import Column
from connectors.kinds.sql._fit import as_decimal, as_text

MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6}))?\s*([zZ]|[+-]\d\d(?::?\d\d)?)?)?")
TIME = re.compile(r"(-?\d+:\d\d:\d\d)(?:\.(\d{1,6}))?")


class SQLiteChecksum(Checksum):
    """Values are what they are, whatever a column is declared as."""

    def __init__(self, raw: Any) -> None:
        raw.create_function("nomaflow_form", 2, written, deterministic=True)
        raw.create_aggregate("nomaflow_total", 1, _Total)

    def value(self, form: str, column: Column, quoted: str) -> str:
        """See the table in `_checksum`."""
        return f"nomaflow_form('{form}', {quoted})"

    def total(self, values: Sequence[str]) -> str:
        """A text: the sum is beyond SQLite's integers."""
        row = " || ".join(f"coalesce(length({value}) || ':' || {value}, '-')" for value in values)
        return f"nomaflow_total({row})"


class _Total:
    """Adds up the digests of texts."""

    def __init__(self) -> None:
        self.sum = 0

    def step(self, text: str) -> None:
        """One row."""
        self.sum += int(_md5(text.encode())[:15], 16)

    def finalize(self) -> str:
        """As a text."""
        return str(self.sum)


def written(form: str, value: Any) -> str | None:
    """The text of a value; one that isn't what its column says is written as it is."""
    if value is None:
        return None
    if form == "bytes" or isinstance(value, bytes):
        return _md5(value if isinstance(value, bytes) else as_text(value).encode())
    if form == "single":
        return _number(_single(value))
    if form == "number":
        return _number(value)
    if form == "moment":
        return _moment(value)
    if form == "time":
        match = TIME.fullmatch(str(value))
        return f"{match[1]}.{(match[2] or '').ljust(6, '0')}" if match else str(value)
    text = as_text(value)
    return _md5((text.rstrip(" ") if form == "padded" else text).encode())


def _single(value: Any) -> Any:
    """The nearest 4-byte float of a number, as a float."""
    number = as_decimal(value)
    try:
        return value if number is None else struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return value


def _number(value: Any) -> str:
    number = as_decimal(value)
    if number is None or not number.is_finite():
        return str(value) if number is None else str(number)
    if number == 0:
        return "0"
    if isinstance(value, float) and not Decimal(SMALLEST) <= abs(number) < Decimal(LARGEST):
        return "wide"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _moment(value: Any) -> str:
    match = MOMENT.fullmatch(str(value))
    if match is None:
        return str(value)
    time = match[2] or "00:00:00"
    text = f"{match[1]} {time if len(time) == 8 else time + ':00'}.{(match[3] or '').ljust(6, '0')}"
    if match[4] in (None, "Z", "z", "+00", "+00:00", "+0000"):
        return text
    try:
        moment = datetime.fromisoformat(text + match[4]).astimezone(UTC)
    except ValueError:
        return str(value)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
