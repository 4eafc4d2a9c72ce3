"""The jde rules as a source's database says them make of every value what they make of it in Python, or name the row."""

from decimal import Decimal

import pytest

from jobs.copy_routes import WAYS
from jobs.steptype import StepFailed
from tests.jobs.steps.copying import copy, place, routes

COLUMNS = {
    "K": "bigint PRIMARY KEY",
    "C": "char(12)",
    "V": "varchar(40)",
    "T": "text",
    "W": "numeric(18,0)",
    "N": "numeric(15,2)",
    "F": "double precision",
    "R": "real",
    "I": "integer",
    "P": "numeric(15,0)",
    "J": "numeric(6,0)",
    "D": "integer",
    "B": "boolean",
    "TS": "timestamp(3)",
}
RULES = {"decimals": {"i": 2, "P": 3}, "julian_dates": ["J", "d"], "strip_both_columns": ["V"]}
ROWS = [
    (1, "Łódź", "  both  ", "  right \t ", 42, "12.50", 1.5, 0.1, 1234567, 1234567, 124060, 124366, True, "2024-02-29 10:00"),
    (2, *[None] * 13),
    (3, "", "   ", "", -42, "-12.99", -1.99, -2.5, -5, -5, 0, 0, False, "0099-12-31 23:59:59.999"),
    (4, "a b ", "tab\tx ", "\\N\n ", 10**18 - 1, "9999999999999.99", 1e15, 16777216, 2**31 - 1, 10**15 - 1, 99365, 1, None, None),
    (5, "🙂", "ä ", "line\r\n  ", 0, "0.00", -0.0, 0, 0, 0, 1, 100001, True, None),
    (6, "x", "y", "z", 1, "-0.01", 2.0**60, 1e9, -(2**31), -(10**15) + 1, 999365, 100366, True, None),
]  # fmt: skip


def source_of(request, folder, kind="postgresql"):
    source = place(request, kind, folder, "s")
    if kind == "mariadb":
        source.run("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
    types = COLUMNS if kind == "postgresql" else {**COLUMNS, "TS": "datetime(3)"}
    source.run(
        f'CREATE TABLE "F0101" ({", ".join(f"{chr(34)}{name}{chr(34)} {spelled}" for name, spelled in types.items())})'
    )
    return source


SOURCES = pytest.mark.parametrize("origin", ["postgresql", "mariadb"])


@SOURCES
@pytest.mark.parametrize("mode", ["preserve", "truncate"])
@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
def test_the_database_makes_of_values_what_python_makes_of_them(
    request, tmp_path, caplog, monkeypatch, origin, kind, mode
):
    source, target = source_of(request, tmp_path, origin), place(request, kind, tmp_path, "t")
    if origin == "mariadb" and mode == "truncate":
        # Floats are cut in Python alone.
        source.run('ALTER TABLE "F0101" MODIFY F varchar(9), MODIFY R varchar(9)')
        source.insert('"F0101"', [(*row[:6], None, None, *row[8:]) for row in ROWS])
    else:
        source.insert('"F0101"', ROWS)
    caplog.set_level("INFO", "nomaflow.step")
    copy(source, target, "F0101", "by_sql", type_coercion="jde", decimal_mode=mode, **RULES)
    assert routes(caplog)[-1] != "rows"
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "F0101", "by_rows", type_coercion="jde", decimal_mode=mode, **RULES)
    assert routes(caplog)[-1] == "rows"
    by_sql, by_rows = (target.rows(f"SELECT * FROM {table} ORDER BY k") for table in ("by_sql", "by_rows"))
    assert by_sql == by_rows
    assert len(by_sql) == len(ROWS)


MISFITS = [
    ("J", 124367, {}, "CYYDDD"),
    ("J", 123366, {}, "CYYDDD"),
    ("J", 100000, {}, "CYYDDD"),
    ("J", -1, {}, "CYYDDD"),
    ("D", 8100001, {}, "CYYDDD"),
    ("D", 2**31 - 1, {}, "CYYDDD"),
    ("N", "1.50", {"decimals": {"N": 1}}, "decimal point"),
    ("N", "123060.50", {"julian_dates": ["N"]}, "CYYDDD"),
    ("F", 1e30, {"decimal_mode": "truncate"}, "64-bit"),
]


@SOURCES
@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite"])
@pytest.mark.parametrize(("column", "value", "rules", "words"), MISFITS)
def test_a_value_without_an_answer_is_named_and_nothing_changes(
    request, tmp_path, origin, kind, column, value, rules, words
):
    source, target = source_of(request, tmp_path, origin), place(request, kind, tmp_path, "t")
    source.insert('"F0101"', [(number, *[None] * 13) for number in (1, 2)])
    copy(source, target, "F0101", "f0101", type_coercion="jde", **{**RULES, **rules})
    before = target.rows("SELECT * FROM f0101 ORDER BY k")
    source.run(f'INSERT INTO "F0101" ("K", "{column}") VALUES (7, {value})')
    with pytest.raises(StepFailed, match=rf"(?s)Row 3, column '{column.lower()}', value .*{words}"):
        copy(source, target, "F0101", "f0101", type_coercion="jde", **{**RULES, **rules})
    assert target.rows("SELECT * FROM f0101 ORDER BY k") == before


def test_texts_are_trimmed_inside_mariadb_whatever_their_character_sets(request, tmp_path, caplog):
    base = place(request, "mariadb", tmp_path)
    base.run("CREATE TABLE s (K integer PRIMARY KEY, V varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci)")
    base.insert("s", [(1, "é\0\0ß  "), (2, "a\0")])
    base.run("CREATE TABLE t (k integer PRIMARY KEY, v varchar(20) CHARACTER SET latin1)")
    caplog.set_level("INFO", "nomaflow.step")
    copy(base, base, "s", "t", type_coercion="jde")
    assert (routes(caplog), base.rows("SELECT k, v FROM t ORDER BY k")) == (["inside"], [(1, "éß"), (2, "a")])


@SOURCES
def test_a_julian_0_is_null_in_the_new_table_of_a_column_without_null(request, tmp_path, origin):
    source, target = place(request, origin, tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    source.run("CREATE TABLE j (k integer PRIMARY KEY, d integer NOT NULL)")
    source.insert("j", [(1, 0), (2, 124060)])
    copy(source, target, "j", "i", type_coercion="jde", julian_dates=["d"])
    assert target.rows("SELECT d FROM i ORDER BY k") == [(None,), ("2024-02-29",)]


def test_a_number_of_unknown_scale_is_judged_in_python(request, tmp_path, caplog):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    source.run('CREATE TABLE n ("N" numeric)')
    source.insert("n", [(Decimal("1.50"),), (Decimal(7),)])
    caplog.set_level("INFO", "nomaflow.step")
    copy(source, target, "n", "m", type_coercion="jde")
    assert routes(caplog) == ["rows"]
    assert target.rows("SELECT n FROM m ORDER BY 1") == [(Decimal("1.50"),), (Decimal(7),)]


def test_a_query_and_a_condition_go_by_sql_too(request, tmp_path, caplog):
    source, target = source_of(request, tmp_path), place(request, "postgresql", tmp_path, "t")
    source.insert('"F0101"', ROWS)
    copy(
        source,
        target,
        None,
        "q",
        query='SELECT "K", "J" FROM "F0101" -- all',
        type_coercion="jde",
        julian_dates=["J"],
        where='"K" = 1',
    )
    assert routes(caplog) == ["binary"]
    assert target.rows("SELECT k, j::text FROM q") == [(1, "2024-02-29")]
