"""Copies from and to DuckDB files."""

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.definition import Definition
from connectors.kinds.sql import Column
from connectors.kinds.sql._duckdb_checksum import DuckDBChecksum
from jobs.context import Context
from jobs.steps import step_types
from jobs.steptype import Result, StepFailed
from jobs.testing import fake_ctx, sqlite


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    """Connectors `duck`, with a table of mixed columns, and `lite`."""
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute(
            "create table t (id integer primary key, name varchar, amount decimal(15,2), ok boolean, moment timestamptz)"
        )
        connection.execute("insert into t values (1, 'ä', 12345678901.01, true, '2026-07-01 12:00:00+02')")
        connection.execute("insert into t values (2, '', null, false, null), (3, null, -0.5, null, null)")
    duck = Definition("duck", "sql", {"dialect": "duckdb", "database": str(tmp_path / "a.duckdb")})
    made = fake_ctx(connectors={"duck": duck, "lite": sqlite(tmp_path / "b.sqlite3")})
    yield made
    made.close()


def copy(ctx: Context, source: str, target: str, table: str, **config: Any) -> Result:
    kind = step_types()["sql_copy"]
    config = {"source": {"connector": source, "table": "t"}, "target": {"connector": target, "table": table}, **config}
    result = kind.run(ctx, kind.form.check(config, tokens=False))
    assert isinstance(result, Result)
    return result


def rows(ctx: Context, connector: str, table: str) -> list[dict[str, Any]]:
    return list(ctx.get_connector(connector).fetch_all(f"select * from {table} order by id"))


@pytest.mark.parametrize("mode", ["overwrite", "upsert"])
def test_rows_arrive_there_and_back_as_they_left(ctx: Context, mode: str) -> None:
    keys = {"key_columns": ["id"]} if mode == "upsert" else {}
    copy(ctx, "duck", "lite", "t")
    for _ in range(2):
        assert copy(ctx, "lite", "duck", "back", mode=mode, **keys).output["target_rows"] == 3
    before, after = rows(ctx, "duck", "t"), rows(ctx, "duck", "back")
    assert [(r["id"], r["name"], str(r["amount"])) for r in after] == [
        (r["id"], r["name"], str(r["amount"])) for r in before
    ]
    assert before[0]["moment"] == datetime.datetime(2026, 7, 1, 10, tzinfo=datetime.UTC)


def test_a_statement_says_how_many_rows_it_affected(ctx: Context) -> None:
    assert ctx.get_connector("duck").execute("update t set ok = true where id > :least", {"least": 1}) == 2


def test_a_transaction_that_fails_is_undone(ctx: Context) -> None:
    duck = ctx.get_connector("duck")
    with pytest.raises(RuntimeError), duck.transaction() as transaction:
        transaction.execute("delete from t")
        raise RuntimeError
    assert duck.scalar("select count(*) from t") == 3


ODD = ["", None, "NULL", "a,b", 'say "no"', "two\nlines\r\n", "007", "\\N", "ünï 🙂", " x "]


@pytest.fixture
def files(ctx: Context, tmp_path: Path) -> Context:
    """`lite` has a table of texts and numbers."""
    lite = ctx.get_connector("lite")
    lite.execute("create table odd (id integer primary key, v text, n numeric(9,2), d date, b blob, f double)")
    with lite.transaction() as session:
        for number, text in enumerate(ODD):
            values = {"i": number, "v": text, "b": b"\0\xff", "f": 0.1}
            session.execute("insert into odd values (:i, :v, 1.25, '2024-02-29', :b, :f)", values)
        # More than a few: these go by the fast way.
        for number in range(100, 400):
            session.execute("insert into odd (id, v) values (:i, :v)", {"i": number, "v": f"v{number}"})
    return ctx


def copied(ctx: Context, source: tuple[str, str], target: tuple[str, str], **config: Any) -> dict[str, Any]:
    kind = step_types()["sql_copy"]
    asked = {
        side: {"connector": name, "table": table} for side, (name, table) in (("source", source), ("target", target))
    }
    result = kind.run(ctx, kind.form.check({**asked, **config}, tokens=False))
    assert isinstance(result, Result)
    return result.output


def test_a_parquet_file_is_written_and_read(files: Context, tmp_path: Path) -> None:
    for _ in range(2):
        assert copied(files, ("lite", "odd"), ("duck", "odd.parquet"))["target_rows"] == len(ODD) + 300
        copied(files, ("duck", "odd.parquet"), ("lite", "back"), mode="overwrite")
    assert rows(files, "lite", "back") == rows(files, "lite", "odd")
    assert sorted(path.name for path in tmp_path.glob("*parquet*")) == ["odd.parquet"]


@pytest.mark.parametrize("name", ["odd.csv", "odd.csv.gz"])
def test_a_csv_file_keeps_texts_and_tells_empty_from_null(files: Context, tmp_path: Path, name: str) -> None:
    for _ in range(2):
        copied(files, ("lite", "odd"), ("duck", name), columns=["id", "v", "n"])
        copied(files, ("duck", name), ("lite", "back"))
    found = {int(r["id"]): r["v"] for r in rows(files, "lite", "back")}
    assert {n: found[n] for n in range(len(ODD))} == dict(enumerate(ODD))
    data = (tmp_path / name).read_bytes()
    assert data.startswith(b"\x1f\x8b" if name.endswith("gz") else b'id,v,n\n0,"",1.25\n1,,1.25\n')


def test_texts_of_a_csv_file_become_what_the_target_keeps(files: Context, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,amount,day\n1,1.50,2024-02-29\n2,,\n")
    files.get_connector("duck").execute("create table typed (id integer, amount decimal(9,2), day date)")
    copied(files, ("duck", "in.csv"), ("duck", "typed"))
    found = [(r["id"], str(r["amount"]), str(r["day"])) for r in rows(files, "duck", "typed")]
    assert found == [(1, "1.50", "2024-02-29"), (2, "None", "None")]
    (tmp_path / "in.csv").write_text("id,amount,day\n1,1.505,2024-02-29\n")
    with pytest.raises(StepFailed, match="Row 1, column 'amount', value '1.505': it has more than 2 digits"):
        copied(files, ("duck", "in.csv"), ("duck", "typed"))
    assert len(rows(files, "duck", "typed")) == 2


def test_a_copy_that_fails_leaves_the_file_as_it_was(files: Context, tmp_path: Path) -> None:
    copied(files, ("lite", "odd"), ("duck", "out.parquet"))
    before = (tmp_path / "out.parquet").read_bytes()
    files.get_connector("lite").execute("update odd set n = 'many' where id = 3")
    with pytest.raises(StepFailed, match=r"^Row 4, column 'n', value 'many'"):
        copied(files, ("lite", "odd"), ("duck", "out.parquet"))
    assert (tmp_path / "out.parquet").read_bytes() == before
    assert [path.name for path in tmp_path.glob("out*")] == ["out.parquet"]


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_file_is_only_written_as_a_whole(files: Context, tmp_path: Path, mode: str) -> None:
    with pytest.raises(StepFailed, match=r"out.csv is a file, which is written as a whole"):
        copied(files, ("lite", "odd"), ("duck", "out.csv"), mode=mode, key_columns=["id"])
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_is_not_there_is_named(files: Context) -> None:
    with pytest.raises(StepFailed, match=r"There is no table .*/none.parquet at the source"):
        copied(files, ("duck", "none.parquet"), ("lite", "back"))


def test_a_text_is_never_rounded_to_a_whole_number(files: Context) -> None:
    files.get_connector("duck").execute("create table whole (id integer, v bigint)")
    files.get_connector("lite").execute("create table halves (id integer, v text)")
    files.get_connector("lite").execute("insert into halves values (1, '1.5')")
    with pytest.raises(StepFailed, match="Row 1, column 'v', value '1.5': it is not a whole number"):
        copied(files, ("lite", "halves"), ("duck", "whole"))


def test_a_row_that_duckdb_refuses_is_named_among_many(files: Context) -> None:
    files.get_connector("duck").execute("create table days (id integer, v date)")
    files.get_connector("lite").execute("update odd set v = '2024-02-29'")
    files.get_connector("lite").execute("update odd set v = 'someday' where id = 250")
    with pytest.raises(StepFailed, match=r"Row 161, column 'v', value 'someday'"):
        copied(files, ("lite", "odd"), ("duck", "days"), columns=["id", "v"])
    assert rows(files, "duck", "days") == []


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_file_s_rows_have_the_checksum_of_the_source_s(
    ctx: Context, tmp_path: Path, ending: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with caplog.at_level("INFO", "nomaflow.step"):
            copy(ctx, "duck", "duck", f"t.{ending}", verify="checksum")
    # What a CSV file that is there already holds are texts, as which a number isn't compared.
    compared = ["5", "5"] if ending == "parquet" else ["5", "1"]
    assert re.findall(r"the checksums of (\d+) columns of source and target are the same", caplog.text) == compared
    assert (tmp_path / f"t.{ending}").is_file()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.1", "0.1"),
        ("1e-5", "0.00001"),
        ("-1.25e-13", "-0.000000000000125"),
        ("1e33", "1" + "0" * 33),
        ("1.2345678901234567e+30", "1234567890123456700000000000000"),
        ("123456789.125", "123456789.125"),
        ("-1e20", "-100000000000000000000"),
        ("100", "100"),
        ("-0.0", "0"),
        ("5e-324", "wide"),
        ("1e34", "wide"),
        ("nan", "NaN"),
        ("-inf", "-Infinity"),
        (None, None),
    ],
)
def test_a_float_of_a_checksum_is_a_plain_decimal(value: str | None, text: str | None) -> None:
    with duckdb.connect(":memory:") as connection:
        spelled = DuckDBChecksum(connection).value("number", Column("v", "DOUBLE", "float"), "CAST(? AS DOUBLE)")
        assert connection.execute(f"SELECT {spelled.replace('?', '$1')}", [value]).fetchone() == (text,)
