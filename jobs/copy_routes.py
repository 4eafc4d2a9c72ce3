"""Which way rows go from one database into another: the fastest that is exact for every column.

| route  | what it does |
|--------|--------------|
| inside | one server has both tables and copies by one statement, INSERT ... SELECT; it tells nothing before the end |
| binary | the target's server takes what the source's sends, in PostgreSQL's binary COPY format |
| text   | the same in text format, which every type survives |
| values | PostgreSQL, MariaDB or MySQL casts values to what SQLite keeps as it is |
| attach | SQLite reads the other file itself, in ranges of row numbers |
| infile | the source's database writes the lines that LOAD DATA LOCAL INFILE reads |
| lines  | MariaDB, MySQL or SQLite writes the lines that PostgreSQL's COPY reads |
| rows   | batches of Python's values, each looked at; works between all databases |
"""

from collections.abc import Iterator
from typing import NamedTuple

YES, NO, ANY = True, False, None


class Facts(NamedTuple):
    """What the choice depends on."""

    source: str
    target: str
    # Every column has the same native type on both sides.
    identical: bool
    # Values change by the step's own rules (jde), and not in the source's database.
    coerced: bool
    # Values change because the target's database takes them in another form, or has to be kept from rounding them.
    adapted: bool
    # One server would see the same rows in both sessions.
    same_server: bool
    # The routes of the target's dialect that carry every column exactly.
    carried: frozenset[str]


class Way(NamedTuple):
    """A line of the table: when these facts hold, rows may go by `route`, which is described by `words`."""

    source: str | None
    target: str | None
    identical: bool | None
    coerced: bool | None
    adapted: bool | None
    same_server: bool | None
    route: str
    words: str

    def open_for(self, facts: Facts) -> bool:
        """Whether rows can go this way."""
        asked = zip(self[:6], facts[:6], strict=True)
        return all(wanted in (ANY, found) for wanted, found in asked) and self.route in {*facts.carried, "rows"}


# The fastest first.
WAYS = (
    #   source        target        identical coerced adapted same server
    Way("postgresql", "postgresql", YES,      NO,     NO,     YES,  "inside", "the database copies by itself and tells at the end"),
    Way("postgresql", "postgresql", YES,      NO,     NO,     ANY,  "binary", "COPY in binary format, the types are the same"),
    Way("postgresql", "postgresql", ANY,      NO,     NO,     ANY,  "text",   "COPY in text format, from server to server"),
    Way("mysql",      "mysql",      YES,      NO,     ANY,    YES,  "inside", "the server copies by itself and tells at the end"),
    Way("sqlite",     "sqlite",     YES,      NO,     NO,     ANY,  "attach", "SQLite reads the source's file itself"),
    Way("postgresql", "sqlite",     ANY,      NO,     ANY,    ANY,  "values", "values that SQLite keeps as they are"),
    Way("mysql",      "sqlite",     ANY,      NO,     ANY,    ANY,  "values", "values that SQLite keeps as they are"),
    Way("postgresql", "mysql",      ANY,      NO,     ANY,    ANY,  "infile", "LOAD DATA reads what PostgreSQL's COPY writes"),
    Way("mysql",      "mysql",      YES,      NO,     ANY,    NO,   "infile", "LOAD DATA reads what the source's server writes"),
    Way("mysql",      "mysql",      NO,       NO,     ANY,    ANY,  "infile", "LOAD DATA reads what the source's server writes"),
    Way("sqlite",     "mysql",      ANY,      NO,     ANY,    ANY,  "infile", "LOAD DATA reads what SQLite writes"),
    Way("mysql",      "postgresql", ANY,      NO,     ANY,    ANY,  "lines",  "COPY reads what the source's server writes"),
    Way("sqlite",     "postgresql", ANY,      NO,     ANY,    ANY,  "lines",  "COPY reads what SQLite writes"),
    Way(ANY,          ANY,          ANY,      ANY,    ANY,    ANY,  "rows",   "batches of values, each of them looked at"),
)  # fmt: skip


def ways(facts: Facts) -> Iterator[Way]:
    """The ways that are open, the fastest first; the last one always works."""
    return (way for way in WAYS if way.open_for(facts))
