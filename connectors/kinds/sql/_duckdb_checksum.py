"""The checksum of rows in DuckDB's SQL, by macros that its connection is given."""

from collections.abc import Sequence
from typing import Any

from connectors.kinds.sql._checksum import LARGEST, SMALLEST, Checksum
from connectors.kinds.sql._column import Column

# A decimal's text without zeros at its end; the text of a positive float, which may have an exponent, without it; a float's text.
MACROS = (
    "nomaflow_trimmed(t) AS CASE WHEN contains(t, '.') THEN rtrim(rtrim(t, '0'), '.') ELSE t END",
    # `.5` as others write it.
    "nomaflow_led(t) AS if(t[1] = '.', '0' || t, if(t[:2] = '-.', '-0' || t[2:], t))",
    "nomaflow_placed(digits, point) AS CASE WHEN point <= 0 THEN '0.' || repeat('0', -point) || digits "
    "WHEN point >= length(digits) THEN digits || repeat('0', point - length(digits)) "
    "ELSE digits[:point] || '.' || digits[point + 1:] END",
    "nomaflow_plain(t) AS CASE WHEN contains(t, 'e') THEN nomaflow_placed(replace(split_part(t, 'e', 1), '.', ''), "
    "TRY_CAST(split_part(t, 'e', 2) AS INTEGER) + length(split_part(split_part(t, 'e', 1), '.', 1))) ELSE t END",
    "nomaflow_float(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN if(x > 0, 'Infinity', '-Infinity') WHEN x = 0 THEN '0' "
    f"WHEN abs(x) >= {LARGEST} OR abs(x) < {SMALLEST} THEN 'wide' "
    "WHEN x IS NOT NULL THEN if(x < 0, '-', '') || nomaflow_trimmed(nomaflow_plain(CAST(abs(x) AS VARCHAR))) END",
)


class DuckDBChecksum(Checksum):
    """The session's time zone is UTC."""

    def __init__(self, raw: Any) -> None:
        for macro in MACROS:
            raw.execute(f"CREATE OR REPLACE TEMP MACRO {macro}")

    def value(self, form: str, column: Column, quoted: str) -> str:
        """See the table in `_checksum`."""
        text = f"CAST({quoted} AS VARCHAR)"
        if form == "single":
            return f"nomaflow_float(CAST(CAST({quoted} AS FLOAT) AS DOUBLE))"
        if form == "number":
            return self._number(column, quoted)
        if form == "moment":
            at = f"({quoted} AT TIME ZONE 'UTC')" if column.kind == "instant" else f"CAST({quoted} AS TIMESTAMP)"
            inside = f"{at} >= '0001-01-01' AND {at} < '10000-01-01'"
            return f"CASE WHEN {inside} THEN strftime({at}, '%Y-%m-%d %H:%M:%S.%f') ELSE {text} END"
        if form == "time":
            return f"CASE WHEN length({text}) = 8 THEN {text} || '.000000' ELSE rpad({text}, 15, '0') END"
        if form == "padded":
            return f"md5(rtrim({text}, ' '))"
        return f"md5({quoted if form == 'bytes' else text})"

    def _number(self, column: Column, quoted: str) -> str:
        if column.kind == "bool":
            return f"CAST(CAST({quoted} AS INTEGER) AS VARCHAR)"
        if column.kind == "float":
            return f"nomaflow_float(CAST({quoted} AS DOUBLE))"
        return f"nomaflow_trimmed(nomaflow_led(CAST({quoted} AS VARCHAR)))"

    def total(self, values: Sequence[str]) -> str:
        """A HUGEINT."""
        row = " || ".join(f"coalesce(length({value}) || ':' || {value}, '-')" for value in values)
        return f"sum(CAST('0x' || substr(md5({row}), 1, 15) AS BIGINT))"
