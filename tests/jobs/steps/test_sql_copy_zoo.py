"""A zoo of values goes every way between the databases in every mode, and arrives as it left or is refused by name.

What arrives is read by each database's own driver and compared with what is written here, not with what our code makes of it.
"""

import datetime
import json
import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from jobs.steptype import StepFailed
from tests.jobs.steps.copying import DATABASES, PAIRS, Place, copy, place

MODES = ("overwrite", "append", "upsert")
PG, MY, LITE = "postgresql", "mariadb", "sqlite"
# Every plane of Unicode, what shells and loaders give a meaning to, and what looks like a NULL.
PLANES = (
    "".join(chr(plane * 0x10000 + 0x41) for plane in range(17) if plane != 0) + "\ufffdA\u0301\u200f\ue000\U0010fffd"
)
ODD = "tab\tnewline\ncr\rcrlf\r\nback\\slash \\N \\. \\t 'q' \"d\" `b` %s :n $1 ; -- /* NULL \x01\x1a\x7f\x85"
NESTED = {"ż": [{"🙂": None, "\\": "\n\t\"'"}, 1.5, [], {}], "": {"": ""}}
LATIN = "".join(map(chr, range(0xA0, 0x100)))
BINARY = bytes(range(256)) + b"\0\0\\N\r\n"


@dataclass
class Animal:
    """A value: how its column is declared and it's written in each database that can have it, and what it is."""

    name: str
    value: Any
    # By dialect: the type, and the literal (or a parameter's value where it's no text of SQL).
    homes: dict[str, tuple[str, Any]]
    # The databases whose new table has no room for it.
    refused: tuple[str, ...] = ()
    # What it becomes elsewhere.
    elsewhere: dict[str, Any] = field(default_factory=dict)

    def after(self, target: str) -> Any:
        return self.elsewhere.get(target, self.value)


def everywhere(spelled: str | dict[str, str], given: Any) -> dict[str, tuple[str, Any]]:
    return {name: (spelled if isinstance(spelled, str) else spelled[name], given) for name in DATABASES}


def only(name: str, spelled: str, given: Any) -> dict[str, tuple[str, Any]]:
    return {name: (spelled, given)}


TEXT = {PG: "text", MY: "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", LITE: "text"}
BYTES = {PG: "bytea", MY: "longblob", LITE: "blob"}
DOUBLE = "double precision"
ZOO = [
    Animal("smallest int", -(2**63), everywhere("bigint", -(2**63))),
    Animal("largest int", 2**63 - 1, everywhere("bigint", 2**63 - 1)),
    Animal("unsigned", Decimal(2**64 - 1), only(MY, "bigint unsigned", 2**64 - 1)),
    Animal("wide", Decimal("9" * 38), {n: (f"{t}(38,0)", "9" * 38) for n, t in ((PG, "numeric"), (MY, "decimal"))}),
    Animal("fine", Decimal("-0.00000000012345678901234567890123456789"),
           {n: (f"{t}(38,38)", "-0.00000000012345678901234567890123456789") for n, t in ((PG, "numeric"), (MY, "decimal"))}),
    Animal("money", Decimal("1234567.89"), {n: (f"{t}(9,2)", "1234567.89") for n, t in ((PG, "numeric"), (MY, "decimal"))}),
    Animal("widest", Decimal("9" * 35 + "." + "9" * 30), only(MY, "decimal(65,30)", "9" * 35 + "." + "9" * 30)),
    Animal("no number", Decimal("NaN"), only(PG, "numeric", "NaN"), refused=(MY,)),
    Animal("float", 0.1, everywhere(DOUBLE, 0.1)),
    Animal("largest float", 1.7976931348623157e308, everywhere(DOUBLE, 1.7976931348623157e308)),
    Animal("smallest float", 5e-324, everywhere(DOUBLE, 5e-324)),
    Animal("single", 0.1, {PG: ("real", "0.1"), MY: ("float", "0.1")}),
    Animal("infinite", float("inf"), {PG: (DOUBLE, "Infinity"), LITE: (DOUBLE, float("inf"))}, refused=(MY,)),
    Animal("below all", float("-inf"), {PG: (DOUBLE, "-Infinity"), LITE: (DOUBLE, float("-inf"))}, refused=(MY,)),
    Animal("not a float", float("nan"), only(PG, DOUBLE, "NaN"), refused=(MY, LITE)),
    Animal("true", True, everywhere("boolean", True)),
    Animal("false", False, everywhere("boolean", False)),
    Animal("old day", datetime.date(1582, 10, 15), everywhere("date", "1582-10-15")),
    Animal("first day", datetime.date(1, 1, 1), everywhere("date", "0001-01-01")),
    Animal("last day", datetime.date(9999, 12, 31), everywhere("date", "9999-12-31")),
    Animal("no last day", "infinity", only(PG, "date", "infinity"), refused=(MY,)),
    Animal("day BC", "0044-03-15 BC", only(PG, "date", "0044-03-15 BC"), refused=(MY,)),
    Animal("no day", "0000-00-00", only(MY, "date", "0000-00-00"), refused=(PG,)),
    Animal("clock", datetime.time(23, 59, 59, 999999), {PG: ("time", "23:59:59.999999"), MY: ("time(6)", "23:59:59.999999")}),
    Animal("clock of texts", datetime.time(23, 59, 59), everywhere("time", "23:59:59")),
    Animal("midnight at last", datetime.timedelta(hours=24), {PG: ("time", "24:00:00"), MY: ("time", "24:00:00")}),
    Animal("less than no time", -datetime.timedelta(hours=838, minutes=59, seconds=59), only(MY, "time", "-838:59:59"),
           refused=(PG,)),
    Animal("zoned clock", "10:00:00.123456-11:30", only(PG, "timetz", "10:00:00.123456-11:30")),
    Animal("moment", datetime.datetime(2024, 2, 29, 23, 30, 0, 123456), {
        PG: ("timestamp", "2024-02-29 23:30:00.123456"), MY: ("datetime(6)", "2024-02-29 23:30:00.123456"),
        LITE: ("timestamp", "2024-02-29 23:30:00.123456")}),
    Animal("early moment", datetime.datetime(1000, 1, 1), everywhere({PG: "timestamp", MY: "datetime", LITE: "datetime"},
                                                                    "1000-01-01 00:00:00")),
    Animal("no first moment", "-infinity", only(PG, "timestamp", "-infinity"), refused=(MY,)),
    Animal("instant", datetime.datetime(2024, 2, 29, 21, 30, 0, 123456, datetime.UTC), {
        PG: ("timestamptz", "2024-02-29 23:30:00.123456+02"), MY: ("timestamp(6) NULL", "2024-02-29 21:30:00.123456"),
        LITE: ("timestamptz", "2024-02-29 23:30:00.123456+02:00")}),
    Animal("early instant", datetime.datetime(1890, 1, 1, 12, tzinfo=datetime.UTC), {
        PG: ("timestamptz", "1890-01-01 12:00+00"), LITE: ("timestamptz", "1890-01-01 12:00:00+00:00")}, refused=(MY,)),
    Animal("span", "1 year 2 mons 3 days 04:05:06.7", only(PG, "interval", "1 year 2 mons 3 days 04:05:06.7")),
    Animal("planes", PLANES, everywhere(TEXT, PLANES)),
    Animal("odd text", ODD, everywhere(TEXT, ODD)),
    Animal("empty", "", everywhere(TEXT, "")),
    Animal("nothing", None, everywhere(TEXT, None)),
    Animal("null in words", "NULL", everywhere(TEXT, "NULL")),
    Animal("backslash N", "\\N", everywhere(TEXT, "\\N")),
    Animal("blanks", "  x  ", everywhere({PG: "varchar(9)", MY: "varchar(9)", LITE: "varchar(9)"}, "  x  ")),
    Animal("a lot", "łó\\dź\t🙂" * 150_000, everywhere(TEXT, "łó\\dź\t🙂" * 150_000)),
    Animal("latin", LATIN, only(MY, "text CHARACTER SET latin1", LATIN)),
    Animal("bytes", BINARY, everywhere(BYTES, BINARY)),
    Animal("no bytes", b"", everywhere(BYTES, b"")),
    Animal("padded bytes", b"a\0\0\0\0", only(MY, "binary(5)", b"a")),
    Animal("jsonb", NESTED, only(PG, "jsonb", json.dumps(NESTED))),
    Animal("json", '{"b": 1.10,  "a": [], "b": "ż"}', everywhere("json", '{"b": 1.10,  "a": [], "b": "ż"}')),
    Animal("json null", "null", everywhere("json", "null")),
    Animal("array", "{1,NULL,3}", only(PG, "int[]", "{1,NULL,3}")),
    Animal("array of texts", '{NULL,"NULL","","a,b","\\"\\\\"}', only(PG, "text[]", '{NULL,"NULL","","a,b","\\"\\\\"}')),
    Animal("choice", "b'\t", only(MY, "enum('a','b''\\t')", "b'\t")),
    Animal("choices", "x,y", only(MY, "set('x','y')", "x,y")),
    Animal("uuid", uuid.UUID(int=1), only(PG, "uuid", str(uuid.UUID(int=1)))),
    Animal("address", "10.0.0.1/8", only(PG, "inet", "10.0.0.1/8")),
    Animal("bits", "101", only(PG, "bit(3)", "101")),
    Animal("number of bits", 5, only(MY, "bit(8)", 5)),
    Animal("year", 1999, only(MY, "year", 1999)),
]  # fmt: skip
BY_NAME = {animal.name: animal for animal in ZOO}


def known(value: Any, animal: Animal, kind: str) -> Any:
    """What a driver gave, as it's written above."""
    if isinstance(value, memoryview):
        value = bytes(value)
    wanted = animal.after(kind)
    if isinstance(value, datetime.timedelta) and isinstance(wanted, datetime.time):
        value = (datetime.datetime(1, 1, 1) + value).time()
    if isinstance(value, bytes) and isinstance(wanted, int):
        value = int.from_bytes(value, "big")
    if animal.name == "single" and value is not None:
        # 4 bytes of it are its value, whatever the other digits.
        value = round(value, 7)
    if isinstance(wanted, bool):
        return value == 1 if value in (0, 1) else value
    if isinstance(wanted, Decimal):
        return str(Decimal(str(value)).normalize()) if value is not None else None
    if isinstance(wanted, float):
        return repr(float(value))
    if isinstance(wanted, dict):
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(value, str) and not isinstance(wanted, str):
        return written(value, wanted)
    if isinstance(wanted, datetime.datetime) and wanted.tzinfo and isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC) if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    return value


def written(text: str, wanted: Any) -> Any:
    """A value of which SQLite has the text."""
    if isinstance(wanted, datetime.datetime):
        moment = datetime.datetime.fromisoformat(text)
        return moment.astimezone(datetime.UTC) if wanted.tzinfo else moment
    if isinstance(wanted, datetime.date):
        return datetime.date.fromisoformat(text)
    if isinstance(wanted, datetime.time):
        return datetime.time.fromisoformat(text)
    if isinstance(wanted, datetime.timedelta):
        sign, clock = (-1, text[1:]) if text.startswith("-") else (1, text)
        hours, minutes, seconds = (int(part) for part in clock.split(":"))
        return sign * datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return uuid.UUID(text) if isinstance(wanted, uuid.UUID) else text


def expected(animal: Animal, kind: str) -> Any:
    wanted = animal.after(kind)
    if isinstance(wanted, Decimal):
        return str(wanted.normalize())
    return repr(wanted) if isinstance(wanted, float) else wanted


def quoted(base: Place, name: str) -> str:
    return f"`{name}`" if base.kind == MY else f'"{name}"'


def house(base: Place, table: str, animals: list[Animal]) -> None:
    """A table with a column for each, and one row."""
    if base.kind == MY:
        base.run("SET time_zone = '+00:00', sql_mode = ''")
    columns = ", ".join(f"{quoted(base, a.name)} {a.homes[base.kind][0]}" for a in animals)
    base.run(f"CREATE TABLE {table} (id integer PRIMARY KEY, {columns})")
    base.insert(table, [(1, *(a.homes[base.kind][1] for a in animals)), (2, *[None] * len(animals))])


def seen(base: Place, table: str, animal: Animal) -> Any:
    """The value in row 1, as the driver gives it; as text where the driver has no value for it."""
    column = quoted(base, animal.name)
    if base.kind == PG and isinstance(animal.value, str | datetime.timedelta):
        column += "::text"
    if base.kind == MY and animal.value == "0000-00-00":
        column = f"CONCAT({column})"
    return known(base.rows(f"SELECT {column} FROM {table} WHERE id = 1")[0][0], animal, base.kind)


def pair_of(request, tmp_path, names) -> tuple[Place, Place]:
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", names, strict=True))
    for base in (source, target):
        if base.kind == PG:
            base.run("SET TimeZone = 'UTC'; SET IntervalStyle = 'postgres'")
        if base.kind == MY:
            base.run("SET time_zone = '+00:00'")
    return source, target


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("names", PAIRS, ids="->".join)
def test_every_value_arrives_as_it_left(request, tmp_path, names, mode):
    source, target = pair_of(request, tmp_path, names)
    animals = [a for a in ZOO if names[0] in a.homes and (names[0] == names[1] or names[1] not in a.refused)]
    assert len(animals) > 20
    house(source, "s", animals)
    # The first copy makes the table; the second goes into one that is there.
    for _ in range(2):
        if mode == "append":
            target.run("DROP TABLE IF EXISTS t")
        copy(source, target, "s", "t", mode=mode)
        assert {a.name: seen(target, "t", a) for a in animals} == {a.name: expected(a, names[1]) for a in animals}
        assert target.rows("SELECT count(*) FROM t") == [(2,)]
        empty = " AND ".join(f"{quoted(target, a.name)} IS NULL" for a in animals)
        assert target.rows(f"SELECT id FROM t WHERE {empty}") == [(2,)]


REFUSALS = [
    (home, target, animal.name)
    for animal in ZOO
    for home in animal.homes
    for target in animal.refused
    if home != target
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("home", "kind", "name"), REFUSALS)
def test_a_value_without_room_is_refused_by_column_row_and_value(request, tmp_path, home, kind, name, mode):
    source, target = pair_of(request, tmp_path, (home, kind))
    house(source, "s", [BY_NAME[name]])
    with pytest.raises(StepFailed, match=rf"^Row 1, column '{name}', value .+: ."):
        copy(source, target, "s", "t", mode=mode, key_columns=["id"])
    assert target.tables() == set()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("names", PAIRS, ids="->".join)
def test_names_of_every_sort_stay_what_they_are(request, tmp_path, names, mode):
    source, target = pair_of(request, tmp_path, names)
    odd = ["Order", "select", "MiXed", "two words", "ünï", "a.b", "it's", "100%s", ":n", "-- x"]
    columns = ", ".join(f"{quoted(source, name)} integer" for name in odd)
    source.run(f"CREATE TABLE {quoted(source, 'Select Me')} ({quoted(source, 'Key')} integer PRIMARY KEY, {columns})")
    source.insert(quoted(source, "Select Me"), [(1, *range(len(odd)))])
    for _ in range(1 if mode == "append" else 2):
        copy(source, target, "Select Me", "Group By", mode=mode)
    found = target.run(f"SELECT * FROM {quoted(target, 'Group By')}")
    assert [column[0] for column in found.description] == ["Key", *odd]
    assert [tuple(row) for row in found.fetchall()] == [(1, *range(len(odd)))]


@pytest.mark.parametrize("names", PAIRS, ids="->".join)
def test_generated_and_identity_columns_take_part_as_they_can(request, tmp_path, names):
    source, target = pair_of(request, tmp_path, names)
    number = {
        PG: "integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        MY: "integer AUTO_INCREMENT PRIMARY KEY",
        LITE: "integer PRIMARY KEY AUTOINCREMENT",
    }
    for base, table in ((source, "s"), (target, "t")):
        base.run(
            f"CREATE TABLE {table} (id {number[base.kind]}, v integer, twice integer GENERATED ALWAYS AS (v * 2) STORED)"
        )
    overriding = "OVERRIDING SYSTEM VALUE" if source.kind == PG else ""
    source.run(f"INSERT INTO s (id, v) {overriding} VALUES (7, 1), (5000, 2)")
    for mode in ("overwrite", "upsert"):
        copy(source, target, "s", "t", mode=mode)
        assert target.rows("SELECT id, v, twice FROM t ORDER BY id") == [(7, 1, 2), (5000, 2, 4)]
    target.run("INSERT INTO t (v) VALUES (3)")
    assert target.rows("SELECT id, v, twice FROM t WHERE v = 3") == [(5001, 3, 6)]
    # What the source computes is a value like any other for a table that is new.
    copy(source, target, "s", "u")
    assert target.rows("SELECT id, v, twice FROM u ORDER BY id") == [(7, 1, 2), (5000, 2, 4)]


def test_a_table_without_columns_is_told_apart_from_none(request, tmp_path):
    source, target = pair_of(request, tmp_path, (PG, LITE))
    source.run("CREATE TABLE s ()")
    with pytest.raises(StepFailed, match=r"There is no table public.s at the source, or it has no columns"):
        copy(source, target, "s", "t")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", DATABASES)
def test_a_type_of_one_database_alone_becomes_what_it_is_made_of(request, tmp_path, kind, mode):
    source, target = pair_of(request, tmp_path, (PG, kind))
    source.run("CREATE TYPE mood AS ENUM ('sad', 'it''s \"ok\"')")
    source.run("CREATE DOMAIN small AS integer CHECK (value < 10)")
    source.run("CREATE TABLE s AS SELECT 1 AS id, 'it''s \"ok\"'::mood AS m, 3::small AS n, '{sad,NULL}'::mood[] AS ms")
    for _ in range(1 if mode == "append" else 2):
        copy(source, target, "s", "t", mode=mode, key_columns=["id"] if mode == "upsert" else [])
    assert target.rows("SELECT id, m, n, ms FROM t") == [(1, 'it\'s "ok"', 3, "{sad,NULL}")]
