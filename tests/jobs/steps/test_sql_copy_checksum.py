"""verify = "checksum": both databases are asked, and what they answer is the same for the same rows only."""

import logging

import pytest

from connectors.kinds.sql import Column, SqlKind, TableName, form_of
from jobs.copy_source import Source
from jobs.copy_verify import Verifying
from jobs.steps.sql_copy import SqlCopyForm
from jobs.steptype import StepFailed
from nomaflow_site.lib.config import ConfigError
from tests.jobs.steps.copying import DATABASES, PAIRS, Place, copy, place, routes
from tests.jobs.steps.test_sql_copy_swap import way

MODES = ("overwrite", "append", "upsert")
TYPES = {
    "postgresql": "id integer PRIMARY KEY, b bigint, n numeric(30,10), d double precision, f real, yes boolean, day date, "
    "clock time(3), at timestamp, moment timestamptz, name varchar(50), fixed char(4), long text, raw bytea, j json",
    "mariadb": "id integer PRIMARY KEY, b bigint, n decimal(30,10), d double, f float, yes boolean, day date, "
    "clock time(3), at datetime(6), moment timestamp(6) NULL, name varchar(50), fixed char(4), `long` longtext, raw longblob, "
    "j json",
    "sqlite": "id integer PRIMARY KEY, b bigint, n text, d double, f double, yes boolean, day date, "
    "clock time, at datetime, moment timestamptz, name varchar(50), fixed char(4), long text, raw blob, j json",
    "duckdb": "id integer PRIMARY KEY, b bigint, n decimal(30,10), d double, f float, yes boolean, day date, "
    'clock time, "at" timestamp, moment timestamptz, name varchar(50), fixed char(4), long text, raw blob, j json',
}
ROWS = [
    (1, 2**62, "1234567890.1234500000", 0.1, 0.5, True, "2024-02-29", "10:00:00.120", "2024-02-29 10:00:00.123456",
     "2024-02-29 10:00:00+00:00", "ünï 🙂", "ab", "a\\b\n", b"\0\xff", '{"a": 1.10}'),
    (2, -1, "0.0000000000", -1e300, 0.25, False, "1970-01-01", "00:00:00.000", "1970-01-02 00:00:00", "1999-12-31 23:59:59.5+00:00",
     "", "", "", b"", "null"),
    (3, 0, "-5.5000000000", 5e-324, -0.0, True, "2038-01-01", "23:59:59.999", "2038-01-01 00:00:00", "2037-12-31 00:00:00+00:00",
     "'\"", "x", "y" * 5000, b"z" * 300, "[]"),
    (4, *[None] * 14),
    (5, 123456789, "100.0000000000", 123456789.125, 1e10, False, "2000-01-01", "12:00:00.000", "2000-01-01 12:00:00",
     "2000-01-01 12:00:00+00:00", "100.0", "1.0", "0x", b"1", "1"),
]  # fmt: skip


def fill(base: Place, table: str, rows=ROWS) -> None:
    base.run(f"CREATE TABLE {table} ({TYPES[base.kind]})")
    if base.kind == "mariadb":
        base.run("SET time_zone = '+00:00'")
        rows = [(*row[:9], row[9] and row[9].removesuffix("+00:00"), *row[10:]) for row in rows]
    base.insert(table, rows)


WITH_DUCKDB = [
    ("duckdb", "duckdb"),
    *((name, "duckdb") for name in DATABASES),
    *(("duckdb", name) for name in DATABASES),
]


@pytest.fixture(params=[*PAIRS, *WITH_DUCKDB], ids="->".join)
def pair(request, tmp_path) -> list[Place]:
    return [place(request, name, tmp_path, side) for side, name in zip("st", request.param, strict=True)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exists", [False, True], ids=["new", "there"])
def test_the_same_rows_have_the_same_checksum(pair, mode, exists, caplog):
    source, target = pair
    # A 4-byte float of SQLite is one of 8 bytes, which has to fit.
    small = 0.5 if source.kind == "sqlite" else 0.1
    fill(source, "s", [*ROWS[:2], (*ROWS[2][:4], small, *ROWS[2][5:]), *ROWS[3:]])
    if exists:
        fill(target, "t", [(9, *ROWS[0][1:])])
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "s", "t", mode=mode, verify="checksum", **({} if exists else {"key_columns": ["id"]}))
    rows = 5 if mode == "overwrite" or not exists else 6
    assert target.rows("SELECT count(*) FROM t") == [(rows,)]
    assert "the checksums of 15 columns of source and target are the same" in caplog.text
    assert {"inside", "attach"}.isdisjoint(routes(caplog))
    if exists:
        assert way(caplog) == ("swap" if mode == "overwrite" and target.kind != "duckdb" else "gathered")


def check(request, source: Place, target: Place, table: str = "s") -> None:
    """Compare two tables of that name."""
    kind = SqlKind()
    clients = [kind.open(base.definition, "test") for base in (source, target)]
    with clients[0].session() as reading, clients[1].session() as writing:
        asked = {"where": "", "source__query": "", "source__schema": None, "source__table": table}
        origin = Source(clients[0], reading, asked)
        dialect = writing.dialect
        dialect.prepare_copy(writing.raw)
        written = dialect.columns(writing.raw, dialect.resolve(writing.raw, TableName(None, table)))
        verifying = Verifying(origin, writing, logging.getLogger("nomaflow.step"))
        verifying.begin()
        verifying.check(origin.columns, dialect.quote(table), written)


CHANGES = {
    "b": "b + 1",
    "n": "'1234567890.1234500001'",
    "d": "0.1000000000000001",
    "f": "0.125",
    "day": "'2024-02-28'",
    "clock": "'10:00:00.121'",
    "at": "'2024-02-29 10:00:00.123457'",
    "moment": "'2024-02-29 10:00:01'",
    "name": "'ünï '",
    "fixed": "'ac'",
    "j": "'{}'",
    "long": "NULL",
}


@pytest.mark.parametrize(
    "names",
    [("sqlite", "postgresql"), ("postgresql", "mariadb"), ("mariadb", "sqlite"), ("postgresql", "duckdb")],
    ids="->".join,
)
@pytest.mark.parametrize("column", CHANGES)
def test_the_column_that_differs_is_named(request, tmp_path, names, column):
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", names, strict=True))
    for base in (source, target):
        fill(base, "s")
    check(request, source, target)
    quoted = {("long", "mariadb"): "`long`", ("at", "duckdb"): '"at"'}.get((column, target.kind), column)
    if target.kind == "postgresql":
        target.run("SET TimeZone = 'UTC'")
    target.run(f"UPDATE s SET {quoted} = {CHANGES[column]} WHERE id = 1")
    with pytest.raises(StepFailed, match=f"The checksum of column '{column}' differs"):
        check(request, source, target)


@pytest.mark.parametrize("names", PAIRS, ids="->".join)
def test_values_that_have_changed_places_differ(request, tmp_path, names):
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", names, strict=True))
    source.run("CREATE TABLE s (a varchar(9), b varchar(9))")
    target.run("CREATE TABLE s (a varchar(9), b varchar(9))")
    source.insert("s", [("x", "1"), ("y", "2")])
    target.insert("s", [("x", "2"), ("y", "1")])
    with pytest.raises(StepFailed, match="each column by itself doesn't differ"):
        check(request, source, target)


def column(kind: str, dialect: str = "postgresql", spelled: str | None = None) -> Column:
    return Column("v", spelled or kind, kind, dialect=dialect)


@pytest.mark.parametrize(
    ("source", "target", "form"),
    [
        (column("int"), column("decimal", "mysql"), "number"),
        (column("date"), column("datetime", "mysql"), "moment"),
        (column("int"), column("text"), None),
        (column("text"), column("int"), None),
        (column("other", spelled="inet"), column("other", spelled="inet"), "text"),
        (column("other", spelled="inet"), column("text", "sqlite"), "text"),
        (column("other", spelled="inet"), column("other", "mysql", "inet6"), None),
        (column("json"), column("json", spelled="jsonb"), None),
        (column("json", spelled="jsonb"), column("json", spelled="jsonb"), "text"),
        (column("json"), column("json", "mysql", "json"), None),
        (column("bytes"), column("bytes", "sqlite"), "bytes"),
        (column("text"), column("bytes"), None),
        (column("text"), column("uuid"), None),
    ],
)
def test_only_what_has_a_common_form_is_compared(source, target, form):
    assert form_of(source, target) == form


def test_columns_without_a_common_form_are_named(request, tmp_path, caplog):
    source, target = place(request, "postgresql", tmp_path), place(request, "sqlite", tmp_path)
    source.run("CREATE TABLE s (id int, n float)")
    source.insert("s", [(1, 5)])
    target.run("CREATE TABLE t (id int, n text)")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "s", "t", verify="checksum")
    assert "can't compare, for want of a common form: n" in caplog.text
    with pytest.raises(StepFailed, match="No column of this copy can be compared"):
        copy(source, target, "s", "t", verify="checksum", columns=["n"])


def test_two_hundred_columns_and_no_rows_are_compared(pair):
    source, target = pair
    names = [f"c{n}" for n in range(200)]
    source.run(f"CREATE TABLE s ({', '.join(f'{name} varchar(9)' for name in names)})")
    copy(source, target, "s", "t", verify="checksum")
    source.insert("s", [tuple(names), tuple([None] * 200)])
    copy(source, target, "s", "t", verify="checksum")
    assert target.rows("SELECT count(*), max(c199) FROM t") == [(2, "c199")]


@pytest.mark.parametrize("kind", DATABASES)
def test_rows_that_come_to_the_source_meanwhile_are_no_difference(request, tmp_path, kind):
    source, target = place(request, kind, tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    if kind == "sqlite":
        source.run("PRAGMA journal_mode = WAL")
    source.run("CREATE TABLE s (id integer PRIMARY KEY)")
    source.insert("s", [(n,) for n in range(1000)])
    more = iter(range(1000, 2000))
    copy(
        source, target, "s", "t", batch_size=100, verify="checksum",
        on_progress=lambda done: source.run(f"INSERT INTO s VALUES ({next(more)})"),
    )  # fmt: skip
    assert target.rows("SELECT count(*) FROM t") == [(1000,)]


def test_a_route_that_breaks_off_leaves_a_snapshot_for_the_next(request, tmp_path, caplog):
    source, target = place(request, "postgresql", tmp_path), place(request, "mariadb", tmp_path)
    source.run("CREATE TABLE s (id int, v varchar(9))")
    source.insert("s", [(1, "long text")])
    target.run("CREATE TABLE t (id int, v varchar(5))")
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(StepFailed, match="9 characters, 5 fit"):
        copy(source, target, "s", "t", verify="checksum")
    assert routes(caplog)[-1] == "rows"


def test_changed_values_have_no_checksum_to_compare():
    asked = {
        "source": {"connector": "a", "table": "s"},
        "target": {"connector": "b", "table": "t"},
        "verify": "checksum",
        "type_coercion": "jde",
    }
    with pytest.raises(ConfigError, match="changes values"):
        SqlCopyForm.check(asked, tokens=False)
