"""Columns as every dialect describes them: the native type beside a kind that all databases share."""

from dataclasses import dataclass
from typing import NamedTuple

# int decimal float bool: numbers. date time datetime instant: texts in ISO form (an instant carries its offset, a datetime
# has none). text json uuid: texts. bytes: bytes. other: the text that the database itself prints and reads (intervals,
# arrays, addresses).
KINDS = (
    "int",
    "decimal",
    "float",
    "bool",
    "date",
    "time",
    "datetime",
    "instant",
    "text",
    "json",
    "uuid",
    "bytes",
    "other",
)


class Misfit(Exception):
    """A value that a column can't hold exactly; the message says why, without naming the column."""


@dataclass(frozen=True)
class Column:
    """One column of a table or query.

    `size` is bits for int and float, digits for decimal, the longest length for text (characters) and bytes; None is
    unlimited or unknown. `scale` is digits after the point for decimal, digits of a second for times.
    `generated` columns are computed by the database and can't be written; `filled` ones get a value (a default, the next of a
    sequence) when a row comes without one. `collation` is how a MariaDB or MySQL column compares texts, with its character set.
    """

    name: str
    type: str
    kind: str
    size: int | None = None
    scale: int | None = None
    nullable: bool = True
    generated: bool = False
    dialect: str = ""
    filled: bool = False
    collation: str = ""


class TableName(NamedTuple):
    """A table as it's written in a configuration; no schema means the connection's own."""

    schema: str | None
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table
