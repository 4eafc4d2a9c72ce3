"""A copy's rules in the SQL of MariaDB and MySQL; see _postgresql_rules.py."""

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._rule import Rule, RuleKind

# The last day of the year 9999.
LAST_DAY = 8_099_365
DIGITS, SCALE = 65, 30


def ruled(column: Column, rule: Rule, quoted: str) -> str | None:
    """The expression for what `rule` makes of the values of `column`; None when it isn't sure to be exactly that."""
    whole = column.kind == "int" or (column.kind == "decimal" and column.scale == 0)
    match rule.kind, column.kind:
        case RuleKind.RIGHT, "text":
            return _text(f"TRIM(TRAILING X'20' FROM {_without_nul(quoted)})")
        case RuleKind.BOTH, "text":
            return _text(f"TRIM(BOTH X'20' FROM {_without_nul(quoted)})")
        case RuleKind.CUT, "decimal":
            return f"TRUNCATE({quoted}, 0)"
        # A decimal has always as many digits after the point as its column says.
        case RuleKind.WHOLE, "decimal":
            return quoted
        case RuleKind.POINT, _ if whole and (column.size or 0) + rule.places < DIGITS and rule.places <= SCALE:
            return f"{quoted} * {_unit(rule.places)}"
        case RuleKind.JULIAN, _ if whole:
            return _julian(quoted)
    return None


def _without_nul(quoted: str) -> str:
    """As bytes: a collation may take NUL for nothing, and be unable to find it."""
    return f"REPLACE(CAST(CONVERT({quoted} USING utf8mb4) AS BINARY), X'00', X'')"


def _text(written: str) -> str:
    """A text again: bytes would go into a column of another character set as they are."""
    return f"CONVERT({written} USING utf8mb4)"


def _unit(places: int) -> str:
    """One unit of the last place: decimal products keep all digits."""
    return "1" if places == 0 else f"0.{'1'.zfill(places)}"


def _julian(quoted: str) -> str:
    year, day = f"1900 + {quoted} DIV 1000", f"{quoted} MOD 1000"
    good = f"{quoted} BETWEEN 1 AND {LAST_DAY} AND {day} BETWEEN 1 AND 366 AND YEAR(MAKEDATE({year}, {day})) = {year}"
    # A sum that is out of range is what breaks a SELECT off.
    broken = f"18446744073709551615 + ({quoted} IS NOT NULL)"
    return f"CASE WHEN {quoted} IS NULL OR {quoted} = 0 THEN NULL WHEN {good} THEN MAKEDATE({year}, {day}) ELSE {broken} END"
