"""Values arrive as they left, or the copy says which one doesn't fit."""

import re
import sqlite3
from decimal import Decimal
from itertools import product

import pytest

from connectors.definition import ConnectorError
from connectors.kinds.sql import SqlKind
from connectors.kinds.sql._sqlite_attach import record_steps
from connectors.kinds.sql.mysql import MySQL
from jobs.copy_routes import WAYS
from jobs.steptype import StepFailed
from tests.jobs.steps.copying import DATABASES, PAIRS, copy, place, routes

TEXTS = [
    "",
    "  padded  ",
    "tab\tnewline\nreturn\r",
    "back\\slash \\N NULL",
    "emoji 🙂 łódź 'q' \"d\" %s :n",
    "x" * 3000,
]
DOUBLES = [0.1, 1e308, -5e-324, 16777217.0, 7.150147050494684e-05, 0.0]


@pytest.fixture(params=PAIRS, ids="->".join)
def pair(request, tmp_path):
    return [place(request, name, tmp_path, side) for side, name in zip("st", request.param, strict=True)]


def test_texts_arrive_to_the_letter_and_empty_is_not_null(pair):
    source, target = pair
    source.run("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    source.insert("t", [*enumerate(TEXTS), (99, None)])
    copy(source, target, "t", "u")
    assert target.rows("SELECT v FROM u ORDER BY id") == [(text,) for text in [*TEXTS, None]]


def test_binary_arrives_byte_by_byte(pair):
    source, target = pair
    source.run(f"CREATE TABLE t (id integer PRIMARY KEY, v {'bytea' if source.kind == 'postgresql' else 'blob'})")
    source.insert("t", [(1, bytes(range(256))), (2, b""), (3, None)])
    copy(source, target, "t", "u")
    assert target.rows("SELECT v FROM u ORDER BY id") == [(bytes(range(256)),), (b"",), (None,)]


def test_doubles_arrive_bit_by_bit(pair):
    source, target = pair
    source.run("CREATE TABLE t (id integer PRIMARY KEY, v double precision)")
    source.insert("t", list(enumerate(DOUBLES)))
    copy(source, target, "t", "u")
    assert target.rows("SELECT v FROM u ORDER BY id") == [(value,) for value in DOUBLES]


def test_the_largest_integers_arrive(pair):
    source, target = pair
    source.run("CREATE TABLE t (v bigint)")
    source.insert("t", [(2**63 - 1,), (-(2**63),)])
    copy(source, target, "t", "u")
    assert sorted(target.rows("SELECT v FROM u")) == [(-(2**63),), (2**63 - 1,)]


@pytest.mark.parametrize(("origin", "destination"), list(product(["postgresql", "mariadb"], DATABASES)))
def test_wide_decimals_arrive_exact(request, tmp_path, origin, destination):
    source, target = place(request, origin, tmp_path, "s"), place(request, destination, tmp_path, "t")
    wide = Decimal("1234567890123456789012345678.0123456789")
    source.run("CREATE TABLE t (v numeric(38,10))")
    source.insert("t", [(wide,)])
    copy(source, target, "t", "u")
    assert Decimal(target.rows("SELECT v FROM u")[0][0]) == wide


@pytest.mark.parametrize(("origin", "destination"), list(product(["postgresql", "mariadb"], repeat=2)))
def test_an_instant_stays_the_same_instant(request, tmp_path, origin, destination):
    source, target = place(request, origin, tmp_path, "s"), place(request, destination, tmp_path, "t")
    kind = "timestamptz" if origin == "postgresql" else "timestamp(6)"
    source.run(f"SET {'TimeZone' if origin == 'postgresql' else 'time_zone'} = '+00:00'")
    source.run(f"CREATE TABLE t (v {kind} NULL)")
    source.run("INSERT INTO t VALUES ('2024-02-29 23:30:00.123456')")
    copy(source, target, "t", "u")
    seconds = "extract(epoch from v)" if destination == "postgresql" else "unix_timestamp(v)"
    assert target.rows(f"SELECT {seconds} FROM u") == [(Decimal("1709249400.123456"),)]


def test_an_instant_becomes_text_with_its_offset_in_sqlite(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path), place(request, "sqlite", tmp_path)
    source.run("CREATE TABLE t AS SELECT timestamptz '2024-02-29 23:30:00+02' AS v")
    copy(source, target, "t", "u")
    assert target.rows("SELECT v FROM u") == [("2024-02-29 21:30:00+00:00",)]


@pytest.mark.parametrize("destination", ["postgresql", "sqlite", "mariadb"])
def test_a_json_null_is_not_an_sql_null_and_numbers_keep_their_digits(request, tmp_path, destination):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, destination, tmp_path, "t")
    source.run("CREATE TABLE t (id int, v json)")
    source.insert("t", [(1, "null"), (2, None), (3, '{"b": 1.10, "a": [], "b": "ż"}'), (4, "123")])
    copy(source, target, "t", "u")
    text = "v::text" if destination == "postgresql" else "v"
    kept = [("null",), (None,), ('{"b": 1.10, "a": [], "b": "ż"}',), ("123",)]
    assert target.rows(f"SELECT {text} FROM u ORDER BY id") == kept


def test_what_only_postgresql_knows_survives_between_two_of_them(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    source.run(
        "CREATE TABLE t AS SELECT 'infinity'::date AS d, '-infinity'::timestamptz AS i, '0044-03-15 BC'::date AS b, "
        "'1 year 2 mons 3 days'::interval AS v, 'NaN'::numeric AS n, '{1,NULL,3}'::int[] AS a, '24:00'::time AS h, "
        "'10.0.0.1/8'::inet AS net, 'null'::jsonb AS j"
    )
    copy(source, target, "t", "u", batch_size=1)
    assert target.rows("SELECT u::text FROM u") == source.rows("SELECT t::text FROM t")


ZOO = """SELECT (2^15-1)::smallint AS i2, (-2^31)::int AS i4, (-9223372036854775808) AS i8, 'NaN'::numeric AS nan,
    12345678901234567890123456789012345678::numeric(38) AS wide, 0.0000000001::numeric(38,10) AS narrow, '-0'::real AS f4,
    '-Infinity'::double precision AS f8, 5e-324::double precision AS tiny, false AS b, 'infinity'::date AS d,
    '0044-03-15 BC'::date AS bc, '24:00'::time AS h, '10:00:00.123456-11:30'::timetz AS hz, '-infinity'::timestamp(3) AS ts,
    '294276-12-31 23:59:59.999999+00'::timestamptz AS tz, 'x'::char(5) AS c, ''::varchar(9) AS v,
    E'\\f\\x0b\\b\\t\\n\\\\N\\r🙂'::text AS tx,
    '\\x00ff5c0a'::bytea AS by, '00000000-0000-0000-0000-000000000001'::uuid AS uu, ' {"a": 1.10, "a": 2}'::json AS j,
    'null'::jsonb AS jb, '10.0.0.1/8'::inet AS net, '10.0.0.0/8'::cidr AS cidr, '08:00:2b:01:02:03'::macaddr AS mac,
    B'101' AS bit, B'10101'::varbit AS vb, '[2:3]={1,NULL}'::int[] AS a, ARRAY['NULL', NULL, '{,"}'] AS ta,
    '{{1.50},{NaN}}'::numeric(10,2)[] AS na, NULL::text AS nothing"""


@pytest.mark.parametrize(("more", "route"), [("", "binary"), (", interval '1 year 2 mons 3 days' AS x", "text")])
@pytest.mark.parametrize("made", [False, True], ids=["new", "overwritten"])
def test_every_built_in_type_of_postgresql_arrives_by_the_fast_routes(request, tmp_path, caplog, more, route, made):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    source.run(f"CREATE TABLE t AS {ZOO}{more}, 1 AS id UNION ALL {ZOO}{more}, 2 ORDER BY id")
    if made:
        target.run(f"CREATE TABLE u AS {ZOO}{more}, 9 AS id")
    with caplog.at_level("INFO", "nomaflow.step"):
        assert copy(source, target, "t", "u").output["source_rows"] == 2
    assert target.rows("SELECT u::text FROM u ORDER BY id") == source.rows("SELECT t::text FROM t ORDER BY id")
    assert f"rows go by the route '{route}'" in caplog.text


def test_a_type_of_one_database_alone_goes_as_text(request, tmp_path, caplog):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    for base in (source, target):
        base.run("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        base.run("CREATE DOMAIN small AS integer CHECK (value < 10)")
    source.run("CREATE TABLE t AS SELECT 'ok'::mood AS m, 3::small AS s, '{sad,ok}'::mood[] AS ms")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u")
    assert target.rows("SELECT u::text FROM u") == [('(ok,3,"{sad,ok}")',)]
    assert "route 'text'" in caplog.text


def test_a_row_refused_in_binary_format_is_named(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    source.run("CREATE TABLE t AS SELECT 1 AS id UNION ALL SELECT 2 UNION ALL SELECT NULL")
    target.run("CREATE TABLE u (id integer NOT NULL)")
    with pytest.raises(StepFailed, match=r"^Row 3, column 'id': null value in column"):
        copy(source, target, "t", "u")
    assert target.rows("SELECT id FROM u") == []


@pytest.mark.parametrize("rows", [0, 1, 20_000])
def test_rows_in_binary_format_are_counted(request, tmp_path, rows):
    source, target = place(request, "postgresql", tmp_path, "s"), place(request, "postgresql", tmp_path, "t")
    source.run(f"CREATE TABLE t AS SELECT n AS id, repeat('x', 50) AS v FROM generate_series(1, {rows}) AS n")
    told = []
    result = copy(source, target, "t", "u", batch_size=5_000, on_progress=told.append)
    assert (result.output["source_rows"], result.output["target_rows"]) == (rows, rows)
    assert (told[-1:], len(told)) == (([rows], 3) if rows > 1 else ([rows], 1) if rows else ([], 0))


LITE = [
    (1, 2**63 - 1, 0.1, "12", b"\0\xff", "01", None),
    (-5, None, -0.0, "", b"", 1.5, "x"),
    (2**62, "a", 1e308, "\0🙂", None, b"1", 7),
]


@pytest.mark.parametrize("made", [False, True], ids=["new", "overwritten"])
@pytest.mark.parametrize("key", ["INTEGER PRIMARY KEY", "BIGINT"])
def test_sqlite_hands_over_what_it_holds_whatever_was_declared(request, tmp_path, caplog, made, key):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    table = f"(rowid {key}, i INTEGER, r REAL, t TEXT, b BLOB, n NUMERIC(10,2), w BLOB)"
    source.run(f"CREATE TABLE t {table}")
    source.insert("t", LITE)
    if made:
        target.run(f"CREATE TABLE u {table}")
        target.insert("u", LITE[:1])
    told = []
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u", batch_size=2, on_progress=told.append)
    exact = "SELECT rowid, " + ", ".join(f"typeof({c}), quote({c})" for c in "irtbnw") + " FROM {} ORDER BY 1"
    assert target.rows(exact.format("u")) == source.rows(exact.format("t"))
    assert (told, "route 'attach'" in caplog.text, target.tables()) == ([2, 3], True, {"u"})


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([-(2**63), -5, 0, 1, 2, 3, 4, 2**62, 2**63 - 2, 2**63 - 1], [3, 6, 10]),
        (
            [*range(1, 50), *range(100, 10_000, 100), *range(10**6, 10**6 + 50)],
            [*range(3, 49, 3), *range(52, 197, 3), 198],
        ),
    ],
)
def test_row_numbers_with_gaps_leave_no_row_behind(request, tmp_path, numbers, told):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    source.run("CREATE TABLE t (id integer PRIMARY KEY, v text)")
    source.insert("t", [(number, f"v{number}") for number in numbers])
    heard = []
    # Another order of the columns keeps SQLite from copying the records as they are.
    copy(source, target, "t", "u", columns=["v", "id"], batch_size=3, on_progress=heard.append)
    assert target.rows("SELECT id, v FROM u ORDER BY id") == [(number, f"v{number}") for number in numbers]
    assert heard == told


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("(id integer PRIMARY KEY, v text)", [30, 60, 90, 100]),
        ("(id integer, v text DEFAULT 'x' COLLATE NOCASE NOT NULL)", [30, 60, 90, 100]),
        ("(id integer PRIMARY KEY AUTOINCREMENT, v text CHECK (v <> ''))", [30, 60, 90, 100]),
        # With records of keys, which take steps of their own, no more is told than there are rows.
        ("(id text PRIMARY KEY, v text UNIQUE)", [30, 60, 90, 100]),
    ],
)
@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_sqlite_copies_records_as_they_are_and_tells_how_many(request, tmp_path, table, told, mode):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    for base, name in ((source, "t"), (target, "u")):
        base.run(f"CREATE TABLE {name} {table}")
    source.insert("t", [(3 * number, f"v{number}") for number in range(100)])
    heard = []
    copy(source, target, "t", "u", mode=mode, batch_size=30, on_progress=heard.append)
    assert target.rows("SELECT * FROM u ORDER BY id") == source.rows("SELECT * FROM t ORDER BY id")
    assert heard == told
    assert target.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    ("there", "here", "copied"),
    [
        ("(id integer PRIMARY KEY, v text)", "(id integer PRIMARY KEY, v text)", True),
        ("(id integer, v text PRIMARY KEY)", "(id integer, v text PRIMARY KEY)", True),
        ("(id integer PRIMARY KEY, v text)", "(id integer, v text)", False),
        ("(id integer, v text)", "(id integer, v text NOT NULL)", False),
        ("(id integer, v text)", "(id integer, v text CHECK (v <> ''))", False),
        ("(id integer, v text)", "(id integer, v text UNIQUE)", False),
        ("(id integer, v text)", "(id integer, v text COLLATE NOCASE)", False),
    ],
)
def test_sqlite_looks_into_records_where_two_tables_keep_other_rules(there, here, copied):
    raw = sqlite3.connect(":memory:")
    raw.execute(f"CREATE TABLE t {there}")
    raw.execute(f"CREATE TABLE u {here}")
    program = [(op, to) for _, op, _, to, *_ in raw.execute("EXPLAIN INSERT INTO u SELECT * FROM t")]
    assert (record_steps(program) > 0) is copied


def test_a_copy_into_a_table_with_rows_keeps_them_and_sqlite_s_unique_keys(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    for base, name in ((source, "t"), (target, "u")):
        base.run(f"CREATE TABLE {name} (id integer, v text UNIQUE)")
    source.insert("t", [(number, f"v{number}") for number in range(10)])
    target.insert("u", [(-1, "w"), (-2, None)])
    copy(source, target, "t", "u", mode="append", batch_size=4)
    assert target.rows("SELECT count(*), count(DISTINCT v) FROM u") == [(12, 11)]
    with pytest.raises((StepFailed, ConnectorError), match="UNIQUE"):
        copy(source, target, "t", "u", mode="append", batch_size=4)
    assert target.rows("SELECT count(*), count(DISTINCT v) FROM u") == [(12, 11)]


def test_what_fails_while_sqlite_copies_records_is_said_and_undone(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    source.run("CREATE TABLE t (v integer)")
    source.insert("t", [(number,) for number in range(50)])

    def fail(done):
        raise RuntimeError("the log is full")

    with pytest.raises(RuntimeError, match="the log is full"):
        copy(source, target, "t", "u", batch_size=20, on_progress=fail)
    assert target.tables() == set()


@pytest.mark.parametrize(
    "table", ["(id integer PRIMARY KEY) WITHOUT ROWID", "(rowid integer, oid integer, _rowid_ integer)"]
)
def test_a_sqlite_table_without_row_numbers_goes_row_by_row(request, tmp_path, caplog, table):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    source.run(f"CREATE TABLE t {table}")
    source.run("INSERT INTO t VALUES (1)" if "id integer P" in table else "INSERT INTO t VALUES (1, 2, 3)")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u")
    assert target.rows("SELECT * FROM u") == source.rows("SELECT * FROM t")
    assert "the route 'attach' can't be taken, the next one is tried: main.t has no row numbers" in caplog.text


def test_a_where_in_sqlite_means_the_source_s_tables(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    for base, kept in ((source, 1), (target, 2)):
        base.run("CREATE TABLE picks (id integer)")
        base.insert("picks", [(kept,)])
    source.run("CREATE TABLE t (id integer)")
    source.insert("t", [(1,), (2,)])
    copy(source, target, "t", "u", where="id IN (SELECT id FROM picks)")
    assert target.rows("SELECT id FROM u") == [(1,)]


def test_a_row_that_sqlite_refuses_is_named_also_when_it_was_met_inside_sqlite(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, "sqlite", tmp_path, "t")
    source.run("CREATE TABLE t (id integer, v text)")
    source.insert("t", [(1, "a"), (2, "b"), (3, "b")])
    with pytest.raises((StepFailed, ConnectorError), match=r"^Row 3.*UNIQUE|^Row 3.*constraint"):
        copy(source, target, "t", "u", mode="upsert", key_columns=["v"])
    assert target.tables() == set()


LOADED = """SELECT 1 AS id, (-32768)::smallint AS i2, 2147483647 AS i4, (-2^63)::bigint AS i8, 0.0000000001::numeric(38,10) AS nu,
    'NaN' AS nan, 16777216::real AS f4, 5e-324::double precision AS f8, true AS b, '0001-01-01'::date AS d, '24:00'::time AS h,
    '9999-12-31 23:59:59.999999'::timestamp AS ts, '2024-02-29 23:30:00.000001+02'::timestamptz AS tz, 'NULL'::text AS nul,
    E'a\\fb\x0bc\\bd\\te\\nf\\\\fg\\\\Nh\\ri\\\\\\x1aj🙂'::text AS tx, ''::varchar(9) AS v, '\\x00ff5c0a09'::bytea AS by,
    '00000000-0000-0000-0000-000000000001'::uuid AS uu, ' {"a": 1.10, "a": "\\\\n"}'::json AS j, '{1,NULL}'::int[] AS a"""


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert"])
def test_what_load_data_reads_is_what_the_rows_route_writes(request, tmp_path, caplog, monkeypatch, mode):
    source, target = place(request, "postgresql", tmp_path), place(request, "mariadb", tmp_path)
    source.run(f"CREATE TABLE t AS {LOADED}")
    source.run("INSERT INTO t (id, nul, nan, tx, v, by) VALUES (2, E'\\\\', E'\\\\N', E'\\f', ' ', '')")
    source.run("ALTER TABLE t ADD PRIMARY KEY (id)")
    with caplog.at_level("INFO", "nomaflow.step"):
        for _ in range(1 if mode == "append" else 2):
            copy(source, target, "t", "u", mode=mode)
    assert set(routes(caplog)) == {"infile"}
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w")
    assert target.rows("SELECT * FROM u ORDER BY id") == target.rows("SELECT * FROM w ORDER BY id")
    assert target.rows("SELECT tx, nul, v, `by` FROM u ORDER BY id") == [
        ("a\fb\vc\bd\te\nf\\fg\\Nh\ri\\\x1aj🙂", "NULL", "", b"\0\xff\\\n\t"), ("\f", "\\", " ", b""),
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "column", "shown"), [
    ("'NaN'::numeric(10,2)", "decimal(10,2)", "NaN"),
    ("'Infinity'::double precision", "double", "inf"),
    ("'NaN'::double precision", "double", "nan"),
    ("3.4028235e38::real", "float", "3.4028235e\\+38"),
    ("'infinity'::date", "date", "'infinity'"),
    ("'0044-03-15 BC'::date", "date", "'0044-03-15 BC'"),
    ("'10000-01-01'::date", "date", "'10000-01-01'"),
    ("'-infinity'::timestamp", "datetime(6)", "'-infinity'"),
    ("'10000-01-01'::timestamp", "datetime(6)", "'10000-01-01 00:00:00'"),
    ("'0044-03-15 BC'::timestamptz", "datetime(6)", ".*BC'"),
    ("'2040-01-01'::timestamptz", "timestamp(6)", "'2040-01-01 00:00:00.*'"),
    ("32768", "smallint", "32768"),
    ("NULL::int", "integer NOT NULL", None),
], ids=lambda value: str(value).split("'")[-1])  # fmt: skip
def test_what_mariadb_has_no_value_for_is_refused_and_named_as_by_the_rows_route(
    request, tmp_path, caplog, value, column, shown
):
    source, target = place(request, "postgresql", tmp_path), place(request, "mariadb", tmp_path)
    source.run(f"CREATE TABLE t AS SELECT {value.replace('NULL::int', '3')} AS v UNION ALL SELECT {value}")
    source.run(f"DELETE FROM t WHERE ctid = '(0,1)' AND {shown is not None}")
    target.run(f"CREATE TABLE u (v {column})")
    named = rf"^Row \d, column 'v', value {shown}: " if shown else r"'v'.*null|null.*'v'"
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(StepFailed, match=named):
        copy(source, target, "t", "u")
    assert (routes(caplog), target.rows("SELECT * FROM u")) == (["infile", "rows"], [])


def test_a_server_without_local_infile_gets_rows(request, tmp_path, caplog):
    source, target = place(request, "postgresql", tmp_path), place(request, "mariadb", tmp_path)
    source.run("CREATE TABLE t AS SELECT 1 AS v")
    target.run("SET GLOBAL local_infile = 0")
    try:
        with caplog.at_level("INFO", "nomaflow.step"):
            copy(source, target, "t", "u")
    finally:
        target.run("SET GLOBAL local_infile = 1")
    assert (routes(caplog), target.rows("SELECT v FROM u")) == (["infile", "rows"], [(1,)])
    assert "the server doesn't take LOAD DATA LOCAL (its local_infile is off)" in caplog.text


RENDERED = """CREATE TABLE t (id integer PRIMARY KEY, i1 tinyint(1), u8 bigint unsigned, nu decimal(65,30), f4 float, f8 double,
    d date, h time(6), ts datetime(6), tz timestamp(6) NULL, v varchar(9), l longtext CHARACTER SET latin1,
    tx longtext CHARACTER SET utf8mb4,
    e enum('a\\tb', 'c'), s set('x', 'y'), by_ longblob, b3 binary(3), j json)"""


def test_what_mariadb_writes_is_what_the_rows_route_reads(request, tmp_path, caplog, monkeypatch):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run(RENDERED)
    wide, text = (
        Decimal("12345678901234567890123456789012345.000000000000000000000000000001"),
        "".join(map(chr, range(1, 256))),
    )
    source.insert("t", [
        (1, 5, 2**64 - 1, wide, 16777216, 5e-324, "0001-01-01", "23:59:59.999999", "9999-12-31 23:59:59.999999",
         "2024-02-29 23:30:00.000001", "", "é\t\\", text, "a\tb", "x,y", bytes(range(256)), b"\\\n", '{"a": "\\n\\u0000"}'),
        (2, *[None] * 17),
        (3, 0, 0, -wide, 0.1, -1e308, "2024-02-29", "00:00:00", "1000-01-01", "2038-01-19 03:14:07", "\\N", "\\.", "🙂\r\n\\N\f\v",
         "c", "", b"", b"", "null"),
    ])  # fmt: skip
    with caplog.at_level("INFO", "nomaflow.step"):
        for _ in range(2):
            copy(source, target, "t", "u")
    assert routes(caplog) == ["lines", "lines"]
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w")
    assert target.rows("SELECT u::text FROM u ORDER BY id") == target.rows("SELECT w::text FROM w ORDER BY id")
    assert target.rows("SELECT tx, by_ FROM u WHERE id = 1") == [(text, bytes(range(256)))]


def two_servers(request, tmp_path, monkeypatch):
    """Two databases of one server that are taken for those of two."""
    monkeypatch.setattr("connectors.kinds.sql.mysql.MySQL.shares", lambda *_: False)
    return place(request, "mariadb", tmp_path), place(request, "mariadb", tmp_path)


def test_what_one_mariadb_writes_and_another_loads_is_what_the_rows_route_copies(
    request, tmp_path, caplog, monkeypatch
):
    source, target = two_servers(request, tmp_path, monkeypatch)
    source.run(RENDERED[:-1] + ", bi bit(9), y year, g text GENERATED ALWAYS AS (concat(v, '!')) VIRTUAL)")
    source.run("SET sql_mode = ''")
    text = "".join(map(chr, range(256)))
    names = (
        ", ".join(re.findall(r"(\w+) (?:int|tiny|big|dec|flo|dou|date|time|var|long|enum|set|bin|json)", RENDERED))
        + ", bi, y"
    )
    for row in [
        (1, 5, 2**64 - 1, "1.000000000000000000000000000001", 16777216, 5e-324, "0000-00-00", "838:59:59",
         "9999-12-31 23:59:59.999999",
         "2024-02-29 23:30:00.000001", "", "é\t\\", text, "a\tb", "x,y", bytes(range(256)), b"\\\n", '{"a": "\\n\\u0000"}', 5, 0),
        (2, *[None] * 19),
        (3, 0, 0, "-1", 0.1, -1e308, "2024-02-30", "-00:00:01", "1000-01-01", "2038-01-19 03:14:07", "NULL", "\\.", "🙂\r\n\\N\f\v",
         "c", "", b"", b"", "null", 0, 1999),
    ]:  # fmt: skip
        source.run(f"INSERT INTO t ({names}) VALUES ({', '.join(['%s'] * len(row))})", list(row))
    with caplog.at_level("INFO", "nomaflow.step"):
        for _ in range(2):
            copy(source, target, "t", "u")
    assert routes(caplog) == ["infile", "infile"]
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w")
    every = f"SELECT concat_ws('|', {names}), g FROM"
    assert target.rows(f"{every} u ORDER BY id") == target.rows(f"{every} w ORDER BY id")
    assert target.rows(f"{every} u ORDER BY id") == source.rows(f"{every} t ORDER BY id")
    assert target.rows("SELECT tx, by_, bi + 0, y FROM u WHERE id = 1") == [(text, bytes(range(256)), 5, 0)]


@pytest.mark.parametrize(
    ("kind", "value", "into", "tried"),
    [
        ("bigint", "40000", "smallint", ["infile", "rows"]),
        ("varchar(9)", "abcde", "varchar(4)", ["rows"]),
        ("text", "c", "enum('a', 'b')", ["rows"]),
        ("decimal(9,3)", "1.239", "decimal(9,2)", ["rows"]),
        ("longtext CHARACTER SET utf8mb4", "🙂", "longtext CHARACTER SET latin1", ["infile", "rows"]),
        ("longtext", "x" * 256, "tinytext", ["infile", "rows"]),
        ("datetime", "1969-12-31 00:00:00", "timestamp NULL", ["rows"]),
    ],
)
def test_what_another_mariadb_does_not_take_is_named(request, tmp_path, caplog, monkeypatch, kind, value, into, tried):
    source, target = two_servers(request, tmp_path, monkeypatch)
    source.run(f"CREATE TABLE t (id integer, v {kind})")
    source.insert("t", [(1, None), (2, value)])
    target.run(f"CREATE TABLE u (id integer, v {into})")
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(StepFailed, match="^Row 2, column 'v', value"):
        copy(source, target, "t", "u")
    assert (routes(caplog), target.rows("SELECT * FROM u")) == (tried, [])


def test_a_new_table_of_mariadb_compares_texts_as_the_source_does(request, tmp_path, monkeypatch):
    source, target = two_servers(request, tmp_path, monkeypatch)
    target.run("ALTER DATABASE CHARACTER SET latin1")
    source.run("""CREATE TABLE t (id varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY,
        l text CHARACTER SET latin1 COLLATE latin1_german2_ci, e enum('ż') CHARACTER SET utf8mb4)""")
    source.insert("t", [("a", "é", "ż"), ("A", "é", "ż")])
    copy(source, target, "t", "u")
    sql = (
        "SELECT column_name, collation_name FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1"
    )
    assert target.rows(sql) == source.rows(sql)
    assert target.rows("SELECT * FROM u ORDER BY id") == source.rows("SELECT * FROM t ORDER BY id")
    copy(source, target, None, "v", query="SELECT id, l, e FROM t")
    assert target.rows("SELECT * FROM v ORDER BY id") == source.rows("SELECT * FROM t ORDER BY id")


def test_a_collation_that_a_mariadb_does_not_know_is_left_behind(request, tmp_path, monkeypatch):
    source, target = two_servers(request, tmp_path, monkeypatch)
    source.run("CREATE TABLE t (v varchar(9) CHARACTER SET utf8mb4)")
    source.insert("t", [("🙂",)])
    known = MySQL._rows
    monkeypatch.setattr(
        MySQL,
        "_rows",
        lambda self, raw, sql, bound=None: known(self, raw, sql.replace("COLLATE utf8mb4", "COLLATE x"), bound),
    )
    copy(source, target, "t", "u")
    assert target.rows("SELECT v, COLLATION(v) FROM u") == [("🙂", "utf8mb4_bin")]


TYPED = """CREATE TABLE t (id integer PRIMARY KEY, i bigint, b boolean, nu numeric(9,2), f real, d date, h time, ts timestamp,
    tz timestamptz, v varchar(9), tx text, by_ blob, j json)"""


def test_what_sqlite_writes_and_mariadb_loads_is_what_the_rows_route_copies(request, tmp_path, caplog, monkeypatch):
    source, target = place(request, "sqlite", tmp_path), place(request, "mariadb", tmp_path)
    source.run(TYPED)
    text = "".join(map(chr, range(256))) + '🙂","NULL\r\n"'
    source.insert("t", [
        (1, -(2**63), 1, 1234567.89, 5e-324, "0001-01-01", "23:59:59.999999", "9999-12-31 23:59:59.999999",
         "2024-02-29 23:30:00.000001+00:00", "", text, bytes(range(256)), '{"a": "\\n"}'),
        (2, *[None] * 12),
        (3, 7, 0, 3, 0.1, "2024-02-29", "00:00:00", "2024-02-29T23:30:00", "2024-02-29 23:30:00+02:00", "NULL", '"', b"", "null"),
        (4, "12", "1", "1.5", 3, "1582-10-15", "10:00", "1000-01-01 00:00:00", "2037-01-01T00:00:00Z", "\\N", 5, b"\\", "[]"),
        (5, 0, 0, 0, 1e308, "9999-12-31", "01:02:03.5", "2024-01-01 00:00:00.25", "1970-01-01 00:00:01.5+00:00", ",", ",", b",",
         '","'),
    ])  # fmt: skip
    with caplog.at_level("INFO", "nomaflow.step"):
        for _ in range(2):
            copy(source, target, "t", "u")
    assert routes(caplog) == ["infile", "infile"]
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w")
    assert target.rows("SELECT * FROM u ORDER BY id") == target.rows("SELECT * FROM w ORDER BY id")
    assert target.rows("SELECT tx, by_, v FROM u WHERE id IN (1, 3) ORDER BY id") == [
        (text, bytes(range(256)), ""), ('"', b"", "NULL"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "into"),
    [
        ("real", float("inf"), "double"),
        ("integer", 40000, "smallint"),
        ("integer", 1.5, "integer"),
        ("text", "abcde", "varchar(4)"),
        ("date", "2024-02-30", "date"),
        ("timestamptz", "2040-01-01 00:00:00+00:00", "timestamp NULL"),
        ("text", b"x", "longtext"),
        ("numeric(9,3)", 1.239, "decimal(9,2)"),
    ],
)
def test_what_sqlite_has_and_mariadb_does_not_take_is_named(request, tmp_path, caplog, kind, value, into):
    source, target = place(request, "sqlite", tmp_path), place(request, "mariadb", tmp_path)
    source.run(f"CREATE TABLE t (id integer, v {kind})")
    source.insert("t", [(1, None), (2, value)])
    target.run(f"CREATE TABLE u (id integer, v {into})")
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(StepFailed, match="^Row 2, column 'v', value"):
        copy(source, target, "t", "u")
    assert (routes(caplog), target.rows("SELECT * FROM u")) == (["infile", "rows"], [])


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert"])
def test_the_values_that_mariadb_gives_sqlite_are_those_of_the_rows_route(request, tmp_path, caplog, monkeypatch, mode):
    source, target = place(request, "mariadb", tmp_path), place(request, "sqlite", tmp_path)
    source.run(RENDERED[:-1] + ", y year, m decimal(9,2), i8 bigint)")
    source.run("SET sql_mode = ''")
    text = "".join(map(chr, range(256)))
    source.insert("t", [
        (1, 1, 2**64 - 1, "1.000000000000000000000000000001", 16777216, 5e-324, "0000-00-00", "838:59:59",
         "9999-12-31 23:59:59.999999", "2024-02-29 23:30:00.000001", "", "é\t\\", text, "a\tb", "x,y", bytes(range(256)), b"\\\n",
         '{"a": "\\n\\u0000"}', 0, "12.00", -(2**63)),
        (2, *[None] * 20),
        (3, 0, 0, "-1", 0.1, -1e308, "2024-02-30", "-00:00:01", "1000-01-01", "2038-01-19 03:14:07", "NULL", "\\.",
         "🙂\r\n\\N\f\v", "c", "", b"", b"", "null", 1999, "-0.10", 2**63 - 1),
    ])  # fmt: skip
    with caplog.at_level("INFO", "nomaflow.step"):
        for _ in range(1 if mode == "append" else 2):
            copy(source, target, "t", "u", mode=mode, batch_size=2)
    assert set(routes(caplog)) == {"values"}
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w")
    every = [column[0] for column in target.run("SELECT * FROM w").description]
    kept = ", ".join(f"typeof({name}), {name}" for name in every)
    assert target.rows(f"SELECT {kept} FROM u ORDER BY id") == target.rows(f"SELECT {kept} FROM w ORDER BY id")
    assert target.rows("SELECT tx, by_, m FROM u WHERE id = 1") == [(text, bytes(range(256)), 12)]


def test_a_number_of_mariadb_that_is_no_truth_value_is_named(request, tmp_path, caplog):
    source, target = place(request, "mariadb", tmp_path), place(request, "sqlite", tmp_path)
    source.run("CREATE TABLE t (id integer, b tinyint(1))")
    source.insert("t", [(1, 1), (2, None), (3, 0), (4, 2)])
    target.run("CREATE TABLE u (id integer, b boolean)")
    with (
        caplog.at_level("INFO", "nomaflow.step"),
        pytest.raises(StepFailed, match="^Row 4, column 'b', value '2': .*neither"),
    ):
        copy(source, target, "t", "u", batch_size=3)
    assert (routes(caplog), target.rows("SELECT * FROM u")) == (["values"], [])
    source.run("DELETE FROM t WHERE b = 2")
    copy(source, target, "t", "u")
    assert target.rows("SELECT * FROM u") == [(1, 1), (2, None), (3, 0)]


@pytest.mark.parametrize("more", [{}, {"mode": "append", "resume_by": "id"}, {"mode": "upsert", "key_columns": ["id"]}])
def test_a_row_too_long_for_mariadb_to_write_at_once_comes_to_sqlite_all_the_same(request, tmp_path, caplog, more):
    source, target = place(request, "mariadb", tmp_path), place(request, "sqlite", tmp_path)
    source.run("CREATE TABLE t (id integer PRIMARY KEY, v longblob, w longtext)")
    source.run("INSERT INTO t VALUES (1, 'a', 'b'), (2, 'a', 'b'), (3, REPEAT('x', 9000000), 'w')")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u", batch_size=1 if more.get("mode") != "append" else 3, **more)
    assert (routes(caplog), target.rows("SELECT length(v), w FROM u ORDER BY id")) == (
        ["values", "rows"],
        [(1, "b"), (1, "b"), (9000000, "w")],
    )


NARROW = """CREATE TABLE u (id integer, b boolean, s smallint, n numeric(9,3), t text, k uuid, j jsonb, ts timestamp(3),
    v varchar(4))"""


def test_what_mariadb_writes_goes_into_other_types_where_nothing_is_lost(request, tmp_path, caplog, monkeypatch):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run("""CREATE TABLE t (id integer, b tinyint(1), s bigint, n decimal(9,2), t int, k char(36), j longtext,
        ts timestamp(3) NULL, v varchar(4))""")
    source.insert("t", [
        (1, 1, -32768, "123456.10", 7, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", '{"b": [1.10]}', "2024-02-29 23:30:00.125", "ab  "),
        (2, 0, 32767, "-0.01", -1, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "null", "1970-01-01 00:00:01", ""),
        (3, *[None] * 8),
    ])  # fmt: skip
    target.run(NARROW)
    target.run(NARROW.replace("TABLE u", "TABLE w"))
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u", mode="append")
    assert routes(caplog) == ["lines"]
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w", mode="append")
    assert target.rows("SELECT u::text FROM u ORDER BY id") == target.rows("SELECT w::text FROM w ORDER BY id")


@pytest.mark.parametrize(
    ("kind", "value", "into", "route"),
    [
        ("tinyint", "2", "boolean", "lines"),
        ("bigint", "40000", "smallint", "lines"),
        ("text", "nobody", "uuid", "lines"),
        ("text", "{", "jsonb", "lines"),
        ("decimal(9,3)", "1.239", "numeric(9,2)", "rows"),
        ("datetime(6)", "2024-01-01 00:00:00.123456", "timestamp(3)", "rows"),
        ("varchar(9)", "abcd ", "varchar(4)", "rows"),
        ("double", "0.1", "real", "rows"),
        ("bigint", "9007199254740993", "double precision", "rows"),
    ],
)
def test_what_another_type_would_round_or_cut_is_refused_and_named(request, tmp_path, caplog, kind, value, into, route):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run(f"CREATE TABLE t (id integer, v {kind})")
    source.insert("t", [(1, None), (2, value)])
    target.run(f"CREATE TABLE u (id integer, v {into})")
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(StepFailed, match="^Row 2, column 'v', value"):
        copy(source, target, "t", "u")
    assert (routes(caplog), target.rows("SELECT * FROM u")) == ([route], [])


@pytest.mark.parametrize(
    ("kind", "value"), [("datetime", "0000-00-00 00:00:00"), ("time", "25:00:00"), ("text", "a\0b")]
)
def test_what_postgresql_has_no_value_for_is_refused_and_named(request, tmp_path, caplog, kind, value):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run("SET sql_mode = ''")
    source.run(f"CREATE TABLE t (id integer, v {kind})")
    source.insert("t", [(1, None), (2, value)])
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(StepFailed, match="^Row 2"):
        copy(source, target, "t", "u")
    assert (routes(caplog), target.tables()) == (["lines"], set())


def test_a_row_too_long_for_a_line_of_mariadb_arrives_all_the_same(request, tmp_path, caplog):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE t (id integer, v longblob, w longtext)")
    source.run("INSERT INTO t VALUES (1, REPEAT('x', 9000000), 'w'), (2, 'a', 'b')")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u")
    assert (routes(caplog), target.rows("SELECT length(v), w FROM u ORDER BY id")) == (
        ["lines", "rows"],
        [(9000000, "w"), (1, "b")],
    )


def test_no_file_is_read_for_a_server_that_asks_for_one(request, tmp_path):
    target = place(request, "mariadb", tmp_path)
    (tmp_path / "secret").write_text("secret")
    target.run("CREATE TABLE u (v text)")
    client = SqlKind().open(target.definition, "test")
    with client.session(bulk=True) as session, pytest.raises(ConnectorError, match="asked for a file"):
        session.execute(f"LOAD DATA LOCAL INFILE '{tmp_path}/secret' INTO TABLE u")
    assert target.rows("SELECT * FROM u") == []


@pytest.mark.parametrize(("sql", "reason"), [
    ("SELECT 1 AS id, 'far too long' AS v", "v varchar(5)"),
    ("SELECT 1 AS id, 3000000000 AS v", "v integer"),
    ("SELECT 1 AS id, 1.239 AS v", "v numeric(10,2)"),
    ("SELECT 1 AS id, 1.5 AS v", "v integer"),
], ids=["text", "integer", "scale", "whole"])  # fmt: skip
@pytest.mark.parametrize(("origin", "destination"), list(product(DATABASES, ["postgresql", "mariadb"])))
def test_a_value_that_does_not_fit_is_named_with_its_row_and_column(
    request, tmp_path, origin, destination, sql, reason
):
    source, target = place(request, origin, tmp_path, "s"), place(request, destination, tmp_path, "t")
    target.run(f"CREATE TABLE u (id integer, {reason})")
    target.run("INSERT INTO u (id) VALUES (9)")
    with pytest.raises(StepFailed, match=r"^Row 1, column 'v', value '?(far too long|3000000000|1\.239|1\.5)"):
        copy(source, target, None, "u", query=sql)
    assert target.rows("SELECT id FROM u") == [(9,)]


def test_the_row_is_counted_from_the_beginning_and_not_from_its_batch(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path), place(request, "mariadb", tmp_path)
    source.run("CREATE TABLE t (v)")
    source.insert("t", [(1,), (2,), (3,), ("four",), (5,)])
    target.run("CREATE TABLE u (v integer)")
    with pytest.raises(StepFailed, match=r"Row 4, column 'v', value 'four'"):
        copy(source, target, "t", "u", batch_size=3)


def test_a_fraction_of_a_second_is_not_rounded_away(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path), place(request, "mariadb", tmp_path)
    source.run("CREATE TABLE t AS SELECT timestamp '2024-01-01 10:00:00.5' AS v")
    target.run("CREATE TABLE u (v datetime)")
    with pytest.raises(StepFailed, match="Row 1, column 'v'.*more than 0 digits of a second"):
        copy(source, target, "t", "u")


def test_sqlite_refuses_a_number_that_it_would_round(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path), place(request, "sqlite", tmp_path)
    source.run("CREATE TABLE t AS SELECT 12345678901234567.89 AS v")
    target.run("CREATE TABLE u (v numeric(20,2))")
    with pytest.raises(StepFailed, match="column 'v'.*more digits than SQLite keeps"):
        copy(source, target, "t", "u")


def test_sqlite_refuses_a_code_that_it_would_take_for_a_number(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path), place(request, "sqlite", tmp_path)
    source.run("CREATE TABLE t AS SELECT text '01234' AS zip")
    target.run("CREATE TABLE u (zip string)")
    with pytest.raises(StepFailed, match="'01234'.*number 1234"):
        copy(source, target, "t", "u")


def test_a_float_of_mariadb_keeps_all_its_bits(request, tmp_path):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE t (v float)")
    source.run("INSERT INTO t VALUES (16777216), (0.1)")
    copy(source, target, "t", "u")
    assert target.rows("SELECT v::float8 = 16777216, v = 0.1::real FROM u ORDER BY v DESC") == [
        (True, False),
        (False, True),
    ]


def test_an_unsigned_bigint_of_mariadb_fits_into_a_new_table(request, tmp_path):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE t (v bigint unsigned)")
    source.run("INSERT INTO t VALUES (18446744073709551615)")
    copy(source, target, "t", "u")
    assert target.rows("SELECT v FROM u") == [(Decimal("18446744073709551615"),)]


def test_keys_that_differ_only_in_case_stay_two_in_mariadb(request, tmp_path):
    source, target = place(request, "postgresql", tmp_path), place(request, "mariadb", tmp_path)
    source.run("CREATE TABLE t (k text PRIMARY KEY)")
    source.insert("t", [("a",), ("A",), ("á",)])
    copy(source, target, "t", "u")
    assert target.rows("SELECT count(*) FROM u") == [(3,)]


def test_an_upsert_sees_a_change_of_case_in_mariadb(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path), place(request, "mariadb", tmp_path)
    source.run("CREATE TABLE t (id integer, v text)")
    source.insert("t", [(1, "Ann")])
    target.run("CREATE TABLE u (id integer PRIMARY KEY, v varchar(10)) COLLATE utf8mb4_general_ci")
    target.insert("u", [(1, "ann")])
    copy(source, target, "t", "u", mode="upsert")
    assert target.rows("SELECT v FROM u") == [("Ann",)]


def test_a_nul_in_a_text_is_an_error_for_postgresql(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE t (v text)")
    source.insert("t", [("a\0b",)])
    with pytest.raises((StepFailed, ConnectorError), match="NUL|0x00"):
        copy(source, target, "t", "u")


def test_jde_rules_shape_a_copy(request, tmp_path):
    source, target = place(request, "sqlite", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE F0101 (ABAN8 numeric(8,0), ABALPH char(40), ABUPMJ numeric(6,0), ABAMT numeric(15,0))")
    source.insert("F0101", [(42, "Łódź   ", 124060, 1234567), (43, "  x\0 ", 0, -5)])
    rules = {"decimals": {"ABAMT": 2}, "julian_dates": ["ABUPMJ"]}
    copy(source, target, "F0101", "f0101", type_coercion="jde", **rules)
    rows = target.rows("SELECT aban8, abalph, abupmj::text, abamt FROM f0101 ORDER BY 1")
    assert rows == [(42, "Łódź", "2024-02-29", Decimal("12345.67")), (43, "  x", None, Decimal("-0.05"))]


ANYTHING = [
    (1, 5, 1.25, 0.1, 1, "2024-02-29", "10:00:00.5", "2024-02-29T10:00:00", "2024-02-29 10:00:00.123456+00:00",
     'a"b,c\n\\.', "x", b"\\.\n"),
    (2, *[None] * 11),
    (3, "7", "1.250", "1e-3", "0", "2024-02-29 00:00:00", "23:59:59", "2024-02-29 10:00:00.12", "2024-02-29 12:00:00+02",
     12, 3, "text"),
    (4, 2.0, 3, 2**53, 0, "0044-03-15 BC", "24:00:00", "infinity", "2024-02-29 10:00:00", "", "", b""),
    (5, -(2**63), 10**12 + 0.25, -0.0, 1, "infinity", "00:00", "2024-02-29 10:00:00.1", "2024-02-29 10:00:00Z",
     "\\N", "NULL", b"\0"),
]  # fmt: skip


def test_what_sqlite_writes_is_what_the_rows_route_reads(request, tmp_path, caplog, monkeypatch):
    source, target = place(request, "sqlite", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE t (id INTEGER, i, n, f, b, d, h, ts, tz, tx, o, by_)")
    source.insert("t", ANYTHING)
    for table in ("u", "w"):
        target.run(
            f"CREATE TABLE {table} (id bigint, i bigint, n numeric(20,3), f double precision, b boolean, d date, h time(3), "
            "ts timestamp(3), tz timestamptz, tx text, o varchar(9), by_ bytea)"
        )
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u")
    assert routes(caplog) == ["lines"]
    monkeypatch.setattr("jobs.copy_fill.ways", lambda facts: [WAYS[-1]])
    copy(source, target, "t", "w")
    assert target.rows("SELECT u::text FROM u ORDER BY id") == target.rows("SELECT w::text FROM w ORDER BY id")
    assert target.rows("SELECT i, n, by_ FROM u WHERE id = 3") == [(7, Decimal("1.250"), b"text")]


def test_decimals_and_floats_of_sqlite_arrive_with_every_digit(request, tmp_path, caplog):
    source, target = place(request, "sqlite", tmp_path), place(request, "postgresql", tmp_path)
    decimals = [n / 100 for n in (29, 57, 58, 113, 100_500, -1, -29, 10**15 - 1, 1 - 10**15, 0)]
    floats = [0.1, 2.5, 5e-324, 1.7976931348623157e308, 7.150147050494684e-05, 2**53, float("-inf"), 1 / 3, None, 3]
    source.run("CREATE TABLE t (id integer, n NUMERIC(15,2), d REAL, m)")
    source.insert("t", [(i, *pair, pair[1]) for i, pair in enumerate(zip(decimals, floats, strict=True))])
    target.run("CREATE TABLE u (id bigint, n numeric(15,2), d double precision, m double precision)")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(source, target, "t", "u")
    assert routes(caplog) == ["lines"]
    expected = [(Decimal(f"{n:.2f}"), repr(d), repr(d)) for n, d in zip(decimals, floats, strict=True)]
    found = [(n, repr(d), repr(m)) for n, d, m in target.rows("SELECT n, d, m FROM u ORDER BY id")]
    spelled = {"9007199254740992": "9007199254740992.0", "3": "3.0"}
    assert found == [(n, spelled.get(d, d), spelled.get(m, m)) for n, d, m in expected]


@pytest.mark.parametrize(
    ("value", "column", "words"),
    [
        (1.239, "numeric(9,2)", "more than 2 digits after the point"),
        (2**53 + 1, "double precision", "more digits than a floating-point number keeps"),
        (0.1, "real", "more digits than a 4-byte"),
        (1.5, "bigint", "not a whole number"),
        (2, "boolean", "neither true nor false"),
        ("2024-02-29 10:00", "date", "a time of day"),
        ("10:00:00.1234", "time(3)", "more than 3 digits of a second"),
        ("2024-02-29 10:00:00.1234567", "timestamp", "more than 6 digits of a second"),
        ("2024-02-29 10:00:00.12+02", "timestamp", "a time zone"),
        ("2024-02-29 10:00:00.1234567+00:00", "timestamptz", "more than 6 digits of a second"),
        ("too long", "varchar(5)", "8 characters, 5 fit"),
        (b"x", "text", "binary"),
        (5, "bytea", "number"),
        ("a\0b", "text", "0x00"),
    ],
)
def test_what_postgresql_has_no_value_for_is_named_whoever_wrote_the_line(request, tmp_path, value, column, words):
    source, target = place(request, "sqlite", tmp_path), place(request, "postgresql", tmp_path)
    source.run("CREATE TABLE t (v)")
    source.insert("t", [(None,), (value,)])
    target.run(f"CREATE TABLE u (v {column})")
    with pytest.raises((StepFailed, ConnectorError), match=f"(?s)Row 2.*{words}"):
        copy(source, target, "t", "u")
    source.run("DELETE FROM t WHERE v IS NOT NULL")
    copy(source, target, "t", "u")
    assert target.rows("SELECT v FROM u") == [(None,)]
