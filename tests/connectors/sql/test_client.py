"""What a step gets for a sql connector, against every database."""

import pytest

from connectors.definition import ConnectorError, Definition
from connectors.kinds.sql import SqlClient, SqlKind
from tests.jobs.steps.copying import DATABASES, place


@pytest.fixture(params=DATABASES)
def base(request, tmp_path):
    base = place(request, request.param, tmp_path)
    base.run("CREATE TABLE people (id integer PRIMARY KEY, name varchar(20), active smallint)")
    base.insert("people", [(1, "Ann", 1), (2, None, 1), (3, "Cid", 0)])
    return base


@pytest.fixture
def client(base):
    client = SqlKind().open(base.definition, "nomaflow:r1:s")
    yield client
    client.close()


def names(base) -> list[tuple]:
    return base.rows("SELECT id, name FROM people ORDER BY id")


def test_the_verbs_answer(client: SqlClient):
    assert client.execute("DELETE FROM people WHERE id = :id", {"id": 3}) == 1
    assert client.scalar("SELECT count(*) FROM people") == 2
    assert client.fetch_all("SELECT id, name FROM people ORDER BY id") == [
        {"id": 1, "name": "Ann"},
        {"id": 2, "name": None},
    ]


def test_other_statements_may_run_while_rows_are_streamed(client: SqlClient):
    for row in client.stream("SELECT id FROM people ORDER BY id", batch_size=1):
        client.execute("UPDATE people SET active = 7 WHERE id = :id", row)
    assert client.scalar("SELECT count(*) FROM people WHERE active = 7") == 3


def test_a_stream_may_be_left_early(client: SqlClient):
    assert next(client.stream("SELECT id FROM people ORDER BY id", batch_size=1)) == {"id": 1}
    assert client.scalar("SELECT count(*) FROM people") == 3


def test_a_transaction_is_kept_at_its_end(client: SqlClient, base):
    with client.transaction() as tx:
        tx.execute("UPDATE people SET name = 'Bea' WHERE id = 2")
        assert [row["name"] for row in tx.stream("SELECT name FROM people ORDER BY id")] == ["Ann", "Bea", "Cid"]
    assert names(base)[1] == (2, "Bea")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_transaction_is_undone_by_anything_raised(client: SqlClient, base, error):
    with pytest.raises(error), client.transaction() as tx:
        tx.execute("DELETE FROM people")
        raise error
    assert len(names(base)) == 3


def test_an_upsert_counts_what_it_did(client: SqlClient, base):
    with client.transaction() as tx:
        counts = tx.upsert(None, "people", ["id", "name"], ["id"], [(1, "Ann"), (2, ""), (4, "Dan")])
    assert (counts, names(base)) == ((1, 1, 1), [(1, "Ann"), (2, ""), (3, "Cid"), (4, "Dan")])


def test_an_upsert_refuses_a_null_key(client: SqlClient):
    with pytest.raises(ConnectorError, match="id.*(NULL|null)"), client.transaction() as tx:
        tx.upsert(None, "people", ["id", "name"], ["id"], [(None, "x")])


def test_an_upsert_into_an_unknown_column_names_the_known_ones(client: SqlClient):
    with pytest.raises(ConnectorError, match="no column 'nmae'; it has id, name, active"), client.transaction() as tx:
        tx.upsert(None, "people", ["id", "nmae"], ["id"], [])


def test_missing_rows_are_counted_and_deleted(client: SqlClient, base):
    with client.transaction() as tx:
        assert tx.missing_count(None, "people", ["id"], [(1,), (9,)]) == (2, 3)
        assert tx.prune(None, "people", ["id"], [(1,), (9,)]) == 2
    assert names(base) == [(1, "Ann")]


def test_missing_rows_are_switched_off_once(client: SqlClient, base):
    with client.transaction() as tx:
        assert tx.prune(None, "people", ["id"], [(1,)], "active") == 1
        assert tx.prune(None, "people", ["id"], [(1,)], "active") == 0
    assert base.rows("SELECT active FROM people ORDER BY id") == [(1,), (0,), (0,)]


def test_a_read_only_connector_changes_nothing(base):
    client = SqlKind().open(Definition("ro", "sql", config={"url": base.url, "read_only": True}), "x")
    with pytest.raises(ConnectorError):
        client.execute("DELETE FROM people")
    assert client.scalar("SELECT count(*) FROM people") == 3
    client.close()


def test_closing_twice_is_fine(client: SqlClient):
    client.scalar("SELECT 1")
    client.close()
    client.close()


def test_a_test_says_what_answered(base):
    product = {"sqlite": "SQLite 3.", "postgresql": "PostgreSQL ", "mariadb": "MariaDB 1"}[base.kind]
    answer = SqlKind().test(base.definition)
    assert answer.startswith(product)
    assert " connected in " in answer


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_is_named_without_the_password(kind):
    url = f"{kind}://ann:sup3rsecret@127.0.0.1:1/shop"
    with pytest.raises(ConnectorError, match=r"Can't connect to .* at 127\.0\.0\.1:1/shop") as caught:
        SqlKind().test(Definition("x", "sql", config={"url": url}))
    assert "sup3rsecret" not in str(caught.value)


@pytest.mark.parametrize(("kind", "extra"), [("oracle", "oracle"), ("mssql", "mssql")])
def test_a_missing_driver_says_what_to_install(kind, extra):
    client = SqlKind().open(Definition("x", "sql", config={"dialect": kind, "host": "h", "database": "d"}), "x")
    with pytest.raises(ConnectorError, match=rf"Install nomaflow\[{extra}\]"):
        client.scalar("SELECT 1")


def test_postgresql_shows_whose_connection_it_is(postgresql):
    client = SqlKind().open(Definition("x", "sql", config={"url": postgresql.url}), "nomaflow:run_1:step")
    assert client.scalar("SELECT current_setting('application_name')") == "nomaflow:run_1:step"
    assert client.scalar("SHOW client_connection_check_interval") == "1s"
    client.close()


def test_a_schema_is_where_tables_are_looked_up(postgresql):
    url = postgresql.create_database()
    with postgresql.connect(url) as raw:
        raw.execute("CREATE SCHEMA shop; CREATE TABLE shop.goods (id int)")
    client = SqlKind().open(Definition("x", "sql", config={"url": url, "schema": "shop"}), "x")
    assert client.scalar("SELECT count(*) FROM goods") == 0
    client.close()
