"""The `jde` rules for copied values: pure, one column at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any, NamedTuple

from connectors.kinds.sql import Column, Misfit, Rule, RuleKind

Apply = Callable[[Any], Any]
SMALLEST, LARGEST = -(2**63), 2**63 - 1
# A number without digits after the point, as most are: to look for it is ten times as fast as to take a number apart.
ONE = Decimal(1)
# So wide that moving a point never rounds.
_WIDE = Context(prec=150_000, Emin=-999_999, Emax=999_999, traps=[Inexact, InvalidOperation, Overflow])
DIGITS = {16: 5, 32: 10, 64: 19}


@dataclass(frozen=True)
class Rules:
    """What a copy asks for. Column names are the source's, in lower case."""

    truncate: bool = False
    decimals: Mapping[str, int] = field(default_factory=dict)
    julian_dates: frozenset[str] = frozenset()
    strip_both: frozenset[str] = frozenset()


class Coercion(NamedTuple):
    """One rule for the values of one column, by name and as a function, which is never called with None."""

    rule: Rule
    apply: Apply


def coerce(column: Column, rules: Rules) -> tuple[Column, Coercion | None]:
    """The column after the rules, with its name in lower case, and what to do with its values.

    The most particular rule wins: a Julian date, then an implied decimal point, then what the kind of column says.
    """
    name = column.name.lower()
    column = replace(column, name=name)
    if name in rules.julian_dates:
        # No date is 0, which a column without NULLs may hold.
        dated = replace(column, type="", kind="date", size=None, scale=None, nullable=True)
        return dated, Coercion(Rule(RuleKind.JULIAN), julian_date)
    if name in rules.decimals:
        places = rules.decimals[name]
        digits = DIGITS.get(column.size or 64, 19) if column.kind == "int" else column.size
        size = None if digits is None else max(digits, places)
        return replace(column, type="", kind="decimal", size=size, scale=places), _pointed(places)
    if column.kind == "text":
        if name in rules.strip_both:
            return column, Coercion(Rule(RuleKind.BOTH), strip_both)
        return column, Coercion(Rule(RuleKind.RIGHT), strip_right)
    if column.kind in ("decimal", "float"):
        return _number(column, rules.truncate)
    return column, None


def _number(column: Column, truncate: bool) -> tuple[Column, Coercion | None]:
    whole = replace(column, type="", kind="int", size=64, scale=None)
    if truncate:
        return whole, Coercion(Rule(RuleKind.CUT), truncated)
    if column.kind == "float":
        return column, None
    # A column of unknown scale (Oracle's plain NUMBER) is judged value by value.
    return (whole if column.scale == 0 else column), Coercion(Rule(RuleKind.WHOLE), without_point)


def strip_right(value: Any) -> Any:
    """A text without NUL characters and without the spaces it's padded with."""
    if not isinstance(value, str):
        return value
    return (value.replace("\0", "") if "\0" in value else value).rstrip(" ")


def strip_both(value: Any) -> Any:
    """A text without NUL characters and without spaces at both ends."""
    return value.replace("\0", "").strip(" ") if isinstance(value, str) else value


def truncated(value: Any) -> Any:
    """A number cut toward zero to a 64-bit integer."""
    number = _as_number(value)
    return _in_range(int(number)) if number is not None else value


def without_point(value: Any) -> Any:
    """A decimal without digits after the point as a 64-bit integer; others stay exact."""
    if not isinstance(value, Decimal):
        return value
    if value.same_quantum(ONE) or (value.is_finite() and int(value.as_tuple().exponent) >= 0):
        return _in_range(int(value))
    return value


def _pointed(places: int) -> Coercion:
    def change(value: Any) -> Any:
        number = _as_number(value)
        if number is None:
            return value
        if not number.same_quantum(ONE) and number != number.to_integral_value():
            raise Misfit("it has a decimal point already")
        return number.scaleb(-places, _WIDE)

    return Coercion(Rule(RuleKind.POINT, places), change)


# A table has a few thousand dates at most.
@lru_cache(maxsize=4096)
def julian_date(value: Any) -> str | None:
    """CYYDDD (century after 1900, year, day of the year) as an ISO date; 0 and a blank text are NULL."""
    number = _as_number(value.strip() or 0 if isinstance(value, str) else value)
    if number is None or number != number.to_integral_value() or number < 0:
        raise Misfit("it is not a date of the form CYYDDD")
    if number == 0:
        return None
    year, day = 1900 + int(number) // 1000, int(number) % 1000
    days_in_year = 366 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 365
    if not 1 <= day <= days_in_year or year > 9999:
        raise Misfit("it is not a date of the form CYYDDD")
    return (date(year, 1, 1) + timedelta(days=day - 1)).isoformat()


def _as_number(value: Any) -> Decimal | None:
    """The finite number in a value, None when it's something else (which is for the target to judge)."""
    if isinstance(value, int):
        return Decimal(int(value))
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, TypeError, ValueError):
        return None
    return number if number.is_finite() else None


def _in_range(number: int) -> int:
    if not SMALLEST <= number <= LARGEST:
        raise Misfit("it is beyond a 64-bit integer")
    return number
