"""Whether a value fits a column exactly. A conversion that would lose something raises Misfit; nothing is rounded or cut.

Most values are what their column promises: each change looks for that first.
"""

import math
import re
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from connectors.kinds.sql._column import Column, Misfit

Change = Callable[[Any], Any]
# Wide enough that taking zeros off never rounds: PostgreSQL's numeric has at most 131,072 digits before the point, 16,383 after.
_WIDE = Context(prec=150_000)
DATED = re.compile(r"[+-]?\d{4,}-\d")
ZONED = re.compile(r":\d\d(?:\.\d*)?\s*(?:[zZ]|[+-]\d\d(?::?\d\d){0,2})$")
FRACTION = re.compile(r"\.(\d*)")


def fit(source: Column, target: Column) -> Change | None:
    """What turns a value of `source` into one for `target`; None when every value fits as it is.

    SQLite's declared types promise nothing about a value, so a column read from there is checked value by value.
    """
    typed = source.dialect != "sqlite"
    if typed and source.dialect == target.dialect and source.type == target.type:
        return None
    if typed and source.kind == target.kind and _no_narrower(source, target):
        return None
    makers: dict[str, Callable[[Column, Column], Change | None]] = {
        "int": lambda s, t: to_int,
        "decimal": _to_decimal,
        "float": _to_float,
        "bool": lambda s, t: to_bool,
        "date": lambda s, t: to_date,
        "time": _to_times,
        "datetime": _to_times,
        "instant": _to_times,
        "text": _to_text,
        "bytes": _to_bytes,
    }
    maker = makers.get(target.kind)
    return maker(source, target) if maker else not_binary


def _no_narrower(source: Column, target: Column) -> bool:
    """Whether every value of the source's type is one of the target's, both of one kind; the database checks ranges itself."""
    if target.kind == "decimal":
        return target.scale is None or (source.scale is not None and source.scale <= target.scale)
    if target.kind == "float":
        return (source.size or 64) <= (target.size or 64)
    if target.kind in ("text", "bytes"):
        return target.size is None or (source.size is not None and source.size <= target.size)
    if target.kind in ("time", "datetime", "instant"):
        return _fraction(source) <= _fraction(target)
    return True


def _fraction(column: Column) -> int:
    return 6 if column.scale is None else column.scale


def to_int(value: Any) -> Any:
    """A whole number; texts are left for the database to read."""
    if type(value) is int:
        return value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float | Decimal):
        if not _finite(value) or value != int(value):
            raise Misfit("it is not a whole number")
        return int(value)
    return not_binary(value)


def _finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)


def as_decimal(value: Any) -> Decimal | None:
    """The exact number in a value; a float is the shortest decimal that reads back as it. None when it's no number."""
    try:
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None


def _to_decimal(source: Column, target: Column) -> Change:
    scale = target.scale
    usual = Decimal((0, (1,), -(scale or 0)))

    def change(value: Any) -> Any:
        if type(value) is Decimal and value.same_quantum(usual):
            return value
        if type(value) is int and (scale is None or scale >= 0):
            return Decimal(value)
        if type(value) is float and scale is not None:
            before, point, after = repr(value).partition(".")
            if point and len(after) <= scale and "e" not in after:
                return Decimal(f"{before}.{after}")
        number = as_decimal(not_binary(value))
        if number is None or not number.is_finite():
            return value  # the database says what it thinks of it
        if scale is not None and -_exponent(number) > scale:
            raise Misfit(f"it has more than {scale} digits after the point")
        return number

    return change


def _exponent(number: Decimal) -> int:
    """The exponent of a finite number without the zeros at its end."""
    exponent = number.normalize(_WIDE).as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _to_float(source: Column, target: Column) -> Change:
    narrow = target.size == 32

    def change(value: Any) -> Any:
        if type(value) is float and not narrow:
            return value
        number = as_decimal(not_binary(value))
        if number is None:
            return value
        double = float(number)
        if not math.isfinite(double):
            if number.is_finite():
                raise Misfit("it is out of range for a floating-point number")
            return double
        if not isinstance(value, float) and Decimal(repr(double)) != number:
            raise Misfit("it has more digits than a floating-point number keeps")
        if narrow and source.size != 32 and _single(double) != double:
            raise Misfit("it has more digits than a 4-byte floating-point number keeps")
        return double

    return change


def _single(value: float) -> float | None:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return None


def to_bool(value: Any) -> Any:
    """True or false; of numbers only 1 and 0 are."""
    if type(value) is int and value in (0, 1):
        return value == 1
    if isinstance(value, int | float | Decimal):
        if value not in (0, 1):
            raise Misfit("it is neither true nor false")
        return bool(value)
    return not_binary(value)


def to_date(value: Any) -> Any:
    """A date; a time of day that isn't midnight doesn't fit."""
    if type(value) is str and (len(value) <= 10 or value.endswith(" BC")):
        return value
    text = not_binary(value)
    if isinstance(text, str) and len(text) > 10 and text[10:11] in (" ", "T"):
        if text[11:].rstrip("Z").split("+")[0].strip("0:.") != "":
            raise Misfit("it has a time of day")
        return text[:10]
    return text


def _to_times(source: Column, target: Column) -> Change:
    digits, zoned = _fraction(target), target.kind == "instant"
    moved = source.kind == "instant" and not zoned
    free = source.kind in ("text", "other", "json") or source.dialect == "sqlite"
    dated = (target.kind != "time") if source.kind == "time" or target.kind == "time" else None
    zoneless = free and target.kind != "instant" and not moved

    def change(value: Any) -> Any:
        text = not_binary(value)
        if not isinstance(text, str):
            return text
        if len(_second_digits(text)) > digits:
            raise Misfit(f"it has more than {digits} digits of a second")
        # Databases would drop what a column has no place for, and say nothing.
        if dated is not None and bool(DATED.match(text)) is not dated:
            raise Misfit("it has no date" if dated else "it has a date")
        if zoneless and ZONED.search(text):
            raise Misfit("it has a time zone, and the column keeps none")
        return utc_text(text) if moved else text

    return change


def _second_digits(text: str) -> str:
    """The digits of the fraction of a second that count, without zeros at the end."""
    match = FRACTION.search(text)
    return match[1].rstrip("0") if match else ""


def utc_text(text: str) -> str:
    """An instant as the wall clock of UTC without offset. Texts that aren't ISO (infinity, BC) stay as they are."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return text
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _to_text(source: Column, target: Column) -> Change:
    size = target.size

    def change(value: Any) -> Any:
        if type(value) is str and (size is None or len(value) <= size):
            return value
        text = as_text(not_binary(value))
        if size is not None and len(text) > size:
            raise Misfit(f"it has {len(text)} characters, {size} fit")
        return text

    return change


def as_text(value: Any) -> str:
    """A number or text as exact text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    return repr(value) if isinstance(value, float) else str(value)


def _to_bytes(source: Column, target: Column) -> Change:
    size = target.size

    def change(value: Any) -> Any:
        data = value.encode() if isinstance(value, str) else value
        if not isinstance(data, bytes):
            raise Misfit("it is a number, and the column is binary")
        if size is not None and len(data) > size:
            raise Misfit(f"it has {len(data)} bytes, {size} fit")
        return data

    return change


def not_binary(value: Any) -> Any:
    """The value unless it's binary: what a column for text would make of bytes is a guess."""
    if isinstance(value, bytes):
        raise Misfit("it is binary, and the column is not")
    return value
