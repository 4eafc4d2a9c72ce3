"""A copy's rules in PostgreSQL's SQL, so that values needn't come to Python to be changed.

A value that a rule can't be applied to breaks the statement off; which one it was is found out by reading again. What breaks off
is made of the value itself: a constant that is none would be refused before any row is looked at.
"""

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._rule import Rule, RuleKind

# The last day of the year 9999.
LAST_DAY = 8_099_365


def ruled(column: Column, rule: Rule, quoted: str) -> str | None:
    """The expression for what `rule` makes of the values of `column`; None when it isn't sure to be exactly that."""
    match rule.kind, column.kind:
        # A text can't hold NUL characters here.
        case RuleKind.RIGHT, "text":
            return f"rtrim({quoted}::text)"
        case RuleKind.BOTH, "text":
            return f"btrim({quoted}::text)"
        case RuleKind.CUT, "decimal":
            return f"trunc({quoted})::bigint"
        case RuleKind.CUT, "float":
            # The shortest decimal that reads back as the float.
            return f"trunc({quoted}::text::numeric)::bigint"
        case RuleKind.WHOLE, "decimal":
            return _whole(column, quoted)
        case RuleKind.POINT, "int":
            return f"({quoted}::numeric * {_unit(rule.places)})"
        case RuleKind.POINT, "decimal":
            good = f"{quoted} = trunc({quoted})"
            return f"CASE WHEN {good} THEN {quoted} * {_unit(rule.places)} ELSE {_broken(quoted)}::numeric END"
        case RuleKind.JULIAN, "int" | "decimal":
            return _julian(quoted)
    return None


def _whole(column: Column, quoted: str) -> str | None:
    if column.scale == 0:
        return f"{quoted}::bigint"
    # Digits after the point are always there, or they may be.
    return quoted if column.scale is not None and column.scale > 0 else None


def _unit(places: int) -> str:
    """One unit of the last place: numeric products keep all digits."""
    return "1::numeric" if places == 0 else f"0.{'1'.zfill(places)}::numeric"


def _broken(quoted: str) -> str:
    return f"('no ' || {quoted}::text)"


def _julian(quoted: str) -> str:
    year, day = f"(1900 + {quoted}::bigint / 1000)::int", f"({quoted}::bigint % 1000)::int"
    leap = f"({year} % 4 = 0 AND {year} % 100 <> 0 OR {year} % 400 = 0)"
    good = f"{quoted} BETWEEN 1 AND {LAST_DAY} AND {quoted} % 1 = 0 AND {day} BETWEEN 1 AND 366 AND ({day} < 366 OR {leap})"
    date = f"make_date({year}, 1, 1) + {day} - 1"
    return f"CASE WHEN {quoted} = 0 THEN NULL WHEN {good} THEN {date} ELSE {_broken(quoted)}::date END"
