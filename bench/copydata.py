"""The table of `make bench-copy`: twelve mixed columns in three products, the same rows for the same seed, and their comparison."""

import json
import random
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql

EXACT = "COLLATE utf8mb4_bin"
# The types that the step makes for one another's columns, so that a limit and the step load the same table.
COLUMNS = {
    "id": ("bigint PRIMARY KEY", "BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY"),
    "quantity": ("integer", "INT", "INTEGER"),
    "amount": ("numeric(15,2)", "DECIMAL(15,2)", "NUMERIC(15,2)"),
    "ratio": ("double precision", "DOUBLE", "REAL"),
    "active": ("boolean", "BOOLEAN", "BOOLEAN"),
    "day": ("date", "DATE", "DATE"),
    "seen": ("timestamptz", "TIMESTAMP(6) NULL", "TIMESTAMPTZ"),
    "made": ("timestamp", "DATETIME(6)", "TIMESTAMP"),
    "name": ("varchar(40)", f"VARCHAR(40) {EXACT}", "VARCHAR(40)"),
    "note": ("text", f"LONGTEXT {EXACT}", "TEXT"),
    "token": ("uuid", f"CHAR(36) {EXACT}", "TEXT"),
    "facts": ("jsonb", "JSON", "TEXT"),
}
PRODUCTS = ("postgresql", "mariadb", "sqlite")
NULL_SHARE = 0.1
WORDS = [
    "plain",
    "naïve",
    "Straße",
    "東京",
    "Ελλάδα",
    "🚲",
    "it's",
    '"quoted"',
    "a\tb",
    "two\nlines",
    "back\\slash",
    "\\N",
]
NAMES = ["Ana", "Zoë", "Łukasz", "李雷", "O'Brien", "García", "Ní Bhriain", ""]
EPOCH = datetime(2001, 1, 1)
MICROSECONDS = 30 * 365 * 86400 * 10**6
# How many rows are compared one by one, and how many columns that differ are named.
SAMPLE = 2000
NAMED = 4


@dataclass(frozen=True)
class Place:
    """A database: one of PRODUCTS and its URL as a connector takes it."""

    product: str
    url: str

    @property
    def path(self) -> str:
        """Of a SQLite file."""
        return self.url.removeprefix("sqlite:///")

    def connect(self) -> Any:
        """A driver's connection in autocommit mode, times in UTC."""
        if self.product == "sqlite":
            return sqlite3.connect(self.path, isolation_level=None)
        if self.product == "postgresql":
            return psycopg.connect(self.url, autocommit=True, options="-c TimeZone=UTC")
        parts = urlsplit(self.url)
        return pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=parts.username,
            database=parts.path.lstrip("/"),
            autocommit=True,
            charset="utf8mb4",
            local_infile=True,
            init_command="SET time_zone = '+00:00'",
        )

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one statement, none for one that has none."""
        with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def make(self, table: str) -> None:
        """An empty table in place of one that may be there."""
        at = PRODUCTS.index(self.product)
        self.ask(f"DROP TABLE IF EXISTS {table}")
        self.ask(f"CREATE TABLE {table} ({', '.join(f'{name} {types[at]}' for name, types in COLUMNS.items())})")

    def settle(self) -> None:
        """Write out what earlier work has left in memory, as far as the product can be told to."""
        if self.product == "postgresql":
            self.ask("CHECKPOINT")


# --- the rows -----------------------------------------------------------------------------------------------------


def rows(seed: int, count: int) -> Iterator[tuple[Any, ...]]:
    """Rows as texts and numbers that every product reads; times are in UTC."""
    chance = random.Random(seed)
    for key in range(1, count + 1):
        values = _values(chance)
        yield (key, *(None if chance.random() < NULL_SHARE else value for value in values))


def _values(chance: random.Random) -> list[Any]:
    return [
        chance.randrange(-(2**31), 2**31),
        f"{chance.randrange(-(10**9), 10**9)}.{chance.randrange(100):02}",
        chance.uniform(-1, 1) * 10.0 ** chance.randrange(-8, 12),
        chance.randrange(2),
        str(date(1970, 1, 1) + timedelta(days=chance.randrange(25000))),
        _moment(chance),
        _moment(chance),
        " ".join(chance.choices(NAMES, k=3))[:40],
        "" if chance.random() < 0.05 else " ".join(chance.choices(WORDS, k=13)),
        str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        _facts(chance),
    ]


def _moment(chance: random.Random) -> str:
    return (EPOCH + timedelta(microseconds=chance.randrange(MICROSECONDS))).isoformat(" ", "microseconds")


def _facts(chance: random.Random) -> str:
    # Spelled as jsonb spells it (short keys first, a blank after each sign), so that its text can be compared.
    facts = {"n": chance.randrange(1000), "on": chance.random() < 0.5, "tags": chance.choices(WORDS, k=2)}
    return json.dumps({**facts, "inner": {"x": None}}, ensure_ascii=False)


def write_file(path: Path, seed: int, count: int) -> None:
    """The rows as PostgreSQL's COPY and MariaDB's LOAD DATA both take them."""
    with path.open("w", encoding="utf-8", newline="") as file:
        for row in rows(seed, count):
            file.write("\t".join(map(_escaped, row)) + "\n")


def _escaped(value: Any) -> str:
    if value is None:
        return r"\N"
    return str(value).replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def fill(place: Place, table: str, file: Path, seed: int, count: int) -> None:
    """Make the table and put the rows into it: those of the file, or where that can't be read the same from the seed."""
    place.make(table)
    with closing(place.connect()) as connection:
        if place.product == "postgresql":
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy, file.open("rb") as data:
                while piece := data.read(1 << 18):
                    copy.write(piece)
            connection.execute(f"VACUUM ANALYZE {table}")
        elif place.product == "mariadb":
            connection.cursor().execute(load_data(file, table))
        else:
            connection.execute("BEGIN")
            marks = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", map(_for_sqlite, rows(seed, count)))
            connection.execute("COMMIT")


def load_data(file: Path, table: str) -> str:
    """MariaDB's statement that loads the file."""
    return f"LOAD DATA LOCAL INFILE '{file}' INTO TABLE {table} CHARACTER SET utf8mb4"


def _for_sqlite(row: Sequence[Any]) -> list[Any]:
    values = list(row)
    seen = list(COLUMNS).index("seen")
    values[seen] = values[seen] and f"{values[seen]}+00:00"
    return values


# --- the comparison -----------------------------------------------------------------------------------------------


def compare(source: Place, target: Place, table: str, into: str) -> str:
    """`exact (how it was looked at)`, or what differs."""
    there, here = _counts(source, table), _counts(target, into)
    if there[0] != here[0]:
        return f"{here[0]:,} rows of {there[0]:,}"
    if source.product == target.product == "postgresql":
        how, differing = "checksums", _unequal(_checksums(source, table), _checksums(target, into))
    elif source.product == target.product == "sqlite":
        how, differing = "every cell", _cells(source, target, table, into)
    else:
        step = max(1, there[0] // SAMPLE)
        differing = _unequal(there[1:], here[1:], list(COLUMNS)) | _rows_differ(source, target, table, into, step)
        how = f"count, NULLs, {there[0] // step:,} rows"
    if len(differing) > NAMED:
        return f"{len(differing)} columns differ"
    return f"differs: {', '.join(name for name in COLUMNS if name in differing)}" if differing else f"exact ({how})"


def _counts(place: Place, table: str) -> tuple[Any, ...]:
    return place.ask(f"SELECT count(*), {', '.join(f'count({name})' for name in COLUMNS)} FROM {table}")[0]


def _unequal(left: Iterable[Any], right: Iterable[Any], names: Iterable[str] = tuple(COLUMNS)) -> set[str]:
    return {name for name, a, b in zip(names, left, right, strict=True) if a != b}


def _checksums(place: Place, table: str) -> tuple[Any, ...]:
    """One a column, of its values together with their row's key."""
    sums = (f"sum(hashtextextended({name}::text, id)), count({name})" for name in COLUMNS)
    found = place.ask(f"SELECT {', '.join(sums)} FROM {table}")[0]
    return tuple(zip(found[::2], found[1::2], strict=True))


def _cells(source: Place, target: Place, table: str, into: str) -> set[str]:
    """The columns in which a cell is another one, by value or by type."""
    differ = (f"total(t.{name} IS NOT s.{name} OR typeof(t.{name}) <> typeof(s.{name}))" for name in COLUMNS)
    with closing(target.connect()) as connection:
        connection.execute("ATTACH ? AS origin", [source.path])
        found = connection.execute(
            f"SELECT {', '.join(differ)}, count(s.id) FROM {into} t LEFT JOIN origin.{table} s ON s.id = t.id"
        ).fetchone()
    return {name for name, number in zip(COLUMNS, found, strict=False) if number}


def _rows_differ(source: Place, target: Place, table: str, into: str, step: int) -> set[str]:
    there, here = _sample(source, table, step), _sample(target, into, step)
    if len(there) != len(here):
        return {"id"}
    return {name for a, b in zip(there, here, strict=True) for name in _unequal(a, b)}


def _sample(place: Place, table: str, step: int) -> list[list[Any]]:
    as_text = {"postgresql": "{0}::text", "mariadb": "CAST({0} AS CHAR)", "sqlite": "{0}"}[place.product]
    names = ", ".join(
        as_text.format(name) if name in ("day", "seen", "made", "token", "facts") else name for name in COLUMNS
    )
    found = place.ask(f"SELECT {names} FROM {table} WHERE id % {step} = 0 ORDER BY id")
    return [[_plain(name, value) for name, value in zip(COLUMNS, row, strict=True)] for row in found]


def _plain(name: str, value: Any) -> Any:
    """One spelling of what the products spell differently."""
    if value in (None, ""):
        return value
    if name == "amount":
        return Decimal(str(value))
    if name == "active":
        return bool(value)
    if name in ("seen", "made"):
        return str(value).split("+")[0].rstrip("0").rstrip(".")
    return value
