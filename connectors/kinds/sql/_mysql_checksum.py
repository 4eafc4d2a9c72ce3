"""The checksum of rows in MariaDB's and MySQL's SQL."""

from collections.abc import Sequence

from connectors.kinds.sql._checksum import LARGEST, SMALLEST, Checksum
from connectors.kinds.sql._column import Column

MOMENT = "'%Y-%m-%d %H:%i:%s.%f'"


class MySQLChecksum(Checksum):
    """The session's time zone is UTC."""

    begin = (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    )

    def value(self, form: str, column: Column, quoted: str) -> str:
        """See the table in `_checksum`."""
        if form in ("number", "single"):
            return self._number(column, f"CAST({quoted} AS FLOAT)" if form == "single" else quoted)
        if form == "moment":
            return f"DATE_FORMAT({quoted}, {MOMENT})"
        if form == "time":
            return f"TIME_FORMAT({quoted}, '%H:%i:%s.%f')"
        if form == "padded":
            return f"MD5(TRIM(TRAILING ' ' FROM CONVERT({quoted} USING utf8mb4)))"
        return f"MD5({quoted})" if form == "bytes" else f"MD5(CONVERT({quoted} USING utf8mb4))"

    def _number(self, column: Column, quoted: str) -> str:
        if column.kind in ("int", "bool"):
            return f"CAST({quoted} + 0 AS CHAR)"
        if column.kind == "decimal":
            return _trimmed(quoted)
        # A FLOAT is written with six digits unless it's made a DOUBLE first.
        wide = f"CAST({quoted} AS DOUBLE)"
        exact = f"CAST(CAST({wide} AS CHAR) AS DECIMAL(65,30))"
        return (
            f"CASE WHEN {quoted} = 0 THEN '0' WHEN ABS({wide}) >= {SMALLEST} AND ABS({wide}) < {LARGEST} "
            f"THEN {_trimmed(exact)} WHEN {quoted} IS NOT NULL THEN 'wide' END"
        )

    def total(self, values: Sequence[str]) -> str:
        """A decimal."""
        row = ", ".join(f"COALESCE(CONCAT(CHAR_LENGTH({value}), ':', {value}), '-')" for value in values)
        # No row has no text: one that can't be written is a row that differs, never one that is left out.
        digest = f"COALESCE(CONV(SUBSTR(MD5(CONCAT({row})), 1, 15), 16, 10), 1)"
        return f"SUM(CAST({digest} AS DECIMAL(20)))"


def _trimmed(number: str) -> str:
    text = f"CAST({number} AS CHAR)"
    return f"IF(LOCATE('.', {text}), TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {text})), {text})"
