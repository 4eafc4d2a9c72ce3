"""Copies from and to DuckDB files."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.definition import Definition
from jobs.context import Context
from jobs.steps import step_types
from jobs.steptype import Result
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
