"""The checksum of rows in PostgreSQL's SQL."""

from collections.abc import Sequence

from connectors.kinds.sql._checksum import LARGEST, SMALLEST, Checksum
from connectors.kinds.sql._column import Column


class PostgreSQLChecksum(Checksum):
    """Works from PostgreSQL 12 on."""

    begin = ("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",)

    def value(self, form: str, column: Column, quoted: str) -> str:
        """See the table in `_checksum`. `concat` writes a value as it's sent, a cast would take the padding from a char(n)."""
        if form == "single":
            return self._float(f"{quoted}::float4", quoted)
        if form == "number":
            return self._number(column, quoted)
        if form == "moment":
            at = f"{quoted} AT TIME ZONE 'UTC'" if column.kind == "instant" else f"{quoted}::timestamp"
            return (
                f"CASE WHEN {quoted}::timestamp >= '0001-01-01' AND {quoted}::timestamp < '10000-01-01' "
                f"THEN to_char({at}, 'YYYY-MM-DD HH24:MI:SS.US') ELSE {quoted}::text END"
            )
        if form == "time":
            return f"to_char({quoted}::interval, 'HH24:MI:SS.US')"
        text = f"rtrim(concat({quoted}), ' ')" if form == "padded" else f"concat({quoted})"
        written = quoted if form == "bytes" else f"convert_to({text}, 'UTF8')"
        return f"CASE WHEN {quoted} IS NOT NULL THEN md5({written}) END"

    def _number(self, column: Column, quoted: str) -> str:
        if column.kind == "bool":
            return f"({quoted}::int)::text"
        if column.kind == "int":
            return f"{quoted}::text"
        if column.kind == "decimal":
            return _trimmed(f"{quoted}::text")
        return self._float(quoted, quoted)

    def _float(self, number: str, quoted: str) -> str:
        wide = f"{number}::float8"
        return (
            f"CASE WHEN abs({wide}) >= {SMALLEST} AND abs({wide}) < {LARGEST} "
            f"THEN {_trimmed(f'({wide}::text)::numeric::text')} WHEN {wide} = 0 THEN '0' "
            f"WHEN {wide} IN ('NaN', 'Infinity', '-Infinity') THEN {wide}::text WHEN {quoted} IS NOT NULL THEN 'wide' END"
        )

    def total(self, values: Sequence[str]) -> str:
        """A numeric."""
        row = " || ".join(f"coalesce(length(v.v{n})::text || ':' || v.v{n}, '-')" for n in range(len(values)))
        named = ", ".join(f"{value} AS v{n}" for n, value in enumerate(values))
        digits = f"(SELECT substr(md5({row}), 1, 15) FROM (SELECT {named}) v)"
        return f"sum(('x' || lpad({digits}, 16, '0'))::bit(64)::bigint::numeric)"


def _trimmed(text: str) -> str:
    return f"CASE WHEN strpos({text}, '.') > 0 THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
