"""One SQL statement as a step."""

import logging

import pytest

from connectors.definition import ConnectorError, Definition
from jobs.steps.sql_query import SqlQuery, SqlQueryForm
from jobs.testing import fake_ctx
from tests.jobs.steps.copying import DATABASES, Place, place


@pytest.fixture(params=DATABASES)
def base(request, tmp_path) -> Place:
    base = place(request, request.param, tmp_path)
    base.run("CREATE TABLE goods (id integer PRIMARY KEY, price numeric(10,2), day date)")
    base.insert("goods", [(1, "1.50", "2024-02-29"), (2, None, None), (3, "3.00", None)])
    return base


def run(base: Place, query: str, queries: dict[str, str] | None = None, **config):
    definition = Definition("db", "sql", config={"url": base.url}, queries=queries or {})
    ctx = fake_ctx(connectors={"db": definition})
    try:
        return SqlQuery().run(ctx, SqlQueryForm.check({"connector": "db", "query": query, **config}, tokens=False))
    finally:
        ctx.close()


def test_a_write_counts_its_rows_and_is_committed(base):
    result = run(base, "UPDATE goods SET price = 9 WHERE id < :top", params={"top": 3})
    assert (result.rows, result.output) == (2, {"rows_affected": 2})
    assert base.rows("SELECT count(*) FROM goods WHERE price = 9") == [(2,)]


def test_a_read_counts_its_rows(base):
    assert run(base, "SELECT id FROM goods").output == {"rows_returned": 3}


def test_the_first_row_is_json(base):
    row = run(base, "SELECT id, day FROM goods ORDER BY id", fetch="first").output["first_row"]
    assert row == {"id": 1, "day": "2024-02-29"}


def test_no_row_is_null_and_not_an_error(base):
    assert run(base, "SELECT id FROM goods WHERE id = 99", fetch="first").output == {
        "rows_returned": 0,
        "first_row": None,
    }


def test_all_keeps_a_hundred_rows_and_counts_the_others(base):
    base.insert("goods", [(i, None, None) for i in range(10, 160)])
    output = run(base, "SELECT id FROM goods", fetch="all").output
    assert (output["rows_returned"], len(output["rows"])) == (153, 100)


def test_a_named_query_is_used_by_its_name(base):
    assert run(base, "all-goods", queries={"all-goods": "SELECT id FROM goods"}).rows == 3


def test_a_single_word_that_names_no_query_lists_those_there_are(base):
    with pytest.raises(ConnectorError, match="no query named 'al-goods'; it has all-goods"):
        run(base, "al-goods", queries={"all-goods": "SELECT 1"})


def test_a_value_is_bound_and_never_pasted(base):
    hostile = "x'); DROP TABLE goods; --"
    row = run(base, "SELECT :v AS v, ':v %s %' AS literal -- :comment", params={"v": hostile}, fetch="first").output
    assert row["first_row"] == {"v": hostile, "literal": ":v %s %"}


def test_a_percent_without_params_is_left_alone(base):
    assert run(base, "SELECT '100%' AS v, 7 % 4 AS rest", fetch="first").output["first_row"] == {"v": "100%", "rest": 3}


def test_a_placeholder_without_a_value_is_named(base):
    with pytest.raises(ConnectorError, match="uses :day, but params has 'dya'"):
        run(base, "SELECT id FROM goods WHERE day = :day", params={"dya": 1})


def test_a_second_statement_is_refused_before_anything_runs(base):
    with pytest.raises(ConnectorError, match="Found 2 statements"):
        run(base, "DELETE FROM goods; SELECT 1")
    assert base.rows("SELECT count(*) FROM goods") == [(3,)]


def test_an_error_is_the_servers_words_without_the_password(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    base.url = base.url.replace("nomaflow@", "nomaflow:sup3rsecret@")
    with pytest.raises(ConnectorError, match='relation "nowhere" does not exist') as caught:
        run(base, "SELECT * FROM nowhere")
    assert "sup3rsecret" not in str(caught.value)


def test_what_cannot_run_in_a_transaction_runs(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    assert run(base, "VACUUM (ANALYZE)").output == {"rows_affected": 0}


def test_postgresql_casts_are_not_placeholders(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    output = run(base, "SELECT :n::int + 1 AS n", params={"n": "41"}, fetch="first").output
    assert output["first_row"] == {"n": 42}


def test_a_write_with_returning_is_a_write(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    base.run("CREATE TABLE t (v integer)")
    output = run(base, "INSERT INTO t VALUES (1), (2) RETURNING v", fetch="all").output
    assert output == {"rows_returned": 2, "rows_affected": 2, "rows": [{"v": 1}, {"v": 2}]}


def test_exact_and_odd_values_become_json(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    row = run(
        base, "SELECT 1.10 AS n, 'NaN'::float8 AS f, '\\x00ff'::bytea AS b, '{\"a\": 1}'::jsonb AS j", fetch="first"
    )
    assert row.output["first_row"] == {"n": "1.10", "f": "nan", "b": "00ff", "j": {"a": 1}}


def test_two_columns_of_one_name_are_both_kept(base):
    assert run(base, "SELECT 1 AS a, 2 AS a", fetch="first").output["first_row"] == {"a": 1, "a_2": 2}


def test_sql_and_values_are_logged_at_debug_only(base, caplog):
    with caplog.at_level(logging.DEBUG, "nomaflow.step"):
        run(base, "SELECT id FROM goods WHERE id = :n", params={"n": 2})
    said = {record.levelname: record.getMessage() for record in caplog.records}
    assert ("WHERE id = :n" in said["DEBUG"], "'n': 2" in said["DEBUG"]) == (True, True)
    assert said["INFO"].startswith("1 row returned in ")
