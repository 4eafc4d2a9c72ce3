"""What a copy refuses, what it preserves, and what a cancel leaves behind."""

import os
import signal
import threading
from contextlib import closing

import pytest

from connectors.definition import ConnectorError, Definition
from connectors.kinds.sql import SqlKind
from jobs.steps.sql_copy import SqlCopyForm
from jobs.steptype import StepFailed
from nomaflow_site.lib.config import ConfigError
from tests.jobs.steps.copying import DATABASES, PAIRS, Place, copy, place, routes
from tests.servers import wait_for


class Cancelled(BaseException):
    """As the step process raises it."""


@pytest.fixture(params=DATABASES)
def base(request, tmp_path) -> Place:
    return place(request, request.param, tmp_path)


@pytest.fixture
def cancel_when():
    """Raise Cancelled in the main thread once a condition holds."""

    def handler(*_):
        raise Cancelled

    before = signal.signal(signal.SIGUSR2, handler)
    threads, never = [], []

    def start(condition):
        def watch():
            try:
                wait_for(condition, 20, "the statement to run")
            except BaseException as error:
                never.append(error)
            # In any case: the test would wait for ever.
            os.kill(os.getpid(), signal.SIGUSR2)

        threads.append(threading.Thread(target=watch))
        threads[0].start()

    yield start
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGUSR2, before)
    assert never == []


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("names", PAIRS, ids="->".join)
def test_a_cancel_in_the_middle_leaves_the_target_as_it_was(request, tmp_path, cancel_when, names):
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", names, strict=True))
    target.run("CREATE TABLE u (v integer)")
    target.insert("u", [(9,)])
    seen = []
    cancel_when(lambda: seen)
    numbers = "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 900000000) SELECT v FROM n"
    if names[0] == "mariadb":
        numbers = "SELECT seq AS v FROM seq_1_to_900000000"
    with pytest.raises(Cancelled):
        copy(source, target, None, "u", query=numbers, batch_size=500, on_progress=seen.append)
    assert (target.rows("SELECT v FROM u"), target.tables()) == ([(9,)], {"u"})


def test_a_cancel_between_two_sqlite_files_leaves_the_target_as_it_was(request, tmp_path, cancel_when, caplog):
    source, target = (place(request, "sqlite", tmp_path, side) for side in "st")
    source.run(
        "CREATE TABLE t AS WITH n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 100000) SELECT v FROM n"
    )
    target.run("CREATE TABLE u (v)")
    target.insert("u", [(9,)])
    seen = []
    cancel_when(lambda: seen)
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(Cancelled):
        copy(source, target, "t", "u", batch_size=5, on_progress=seen.append)
    assert (target.rows("SELECT v FROM u"), target.tables()) == ([(9,)], {"u"})
    assert "route 'attach'" in caplog.text
    target.run("INSERT INTO u VALUES (10)")
    source.run("DROP TABLE t")


def test_a_cancel_while_mariadb_writes_lines_stops_both_servers(request, tmp_path, cancel_when, caplog):
    source, target = place(request, "mariadb", tmp_path), place(request, "postgresql", tmp_path)
    target.run("CREATE TABLE u (v numeric(20))")
    target.insert("u", [(9,)])
    seen = []
    cancel_when(lambda: seen)
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises(Cancelled):
        copy(source, target, None, "u", query="SELECT seq AS v FROM seq_1_to_900000000", on_progress=seen.append)
    assert (routes(caplog), target.rows("SELECT v FROM u"), target.tables()) == (["lines"], [(9,)], {"u"})
    reading = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT CONCAT(%900000000%'"
    wait_for(lambda: source.rows(reading) == [(0,)], 2, "the statement to end")


def test_a_cancelled_statement_is_gone_on_postgresql(postgresql, cancel_when):
    active = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nomaflow:r1:s' AND state = 'active'"
    with postgresql.connect() as watcher:
        cancel_when(lambda: watcher.execute(active).fetchone()[0])
        client = SqlKind().open(Definition("c", "sql", config={"url": postgresql.url}), "nomaflow:r1:s")
        with closing(client), pytest.raises(Cancelled):
            client.execute("SELECT pg_sleep(3600)")
        wait_for(lambda: watcher.execute(active).fetchone()[0] == 0, 2, "the statement to end")


def test_a_cancelled_statement_is_gone_on_mariadb(mariadb, cancel_when):
    watcher = mariadb.connect()

    def active() -> int:
        cursor = watcher.cursor()
        cursor.execute("SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(3600%'")
        return cursor.fetchone()[0]

    cancel_when(active)
    client = SqlKind().open(Definition("c", "sql", config={"url": mariadb.url}), "nomaflow:r1:s")
    with closing(client), pytest.raises(Cancelled):
        client.execute("SELECT SLEEP(3600)")
    wait_for(lambda: active() == 0, 2, "the statement to end")
    watcher.close()


def test_a_cancelled_statement_is_gone_on_sqlite(tmp_path, cancel_when):
    client = SqlKind().open(Definition("c", "sql", config={"url": f"sqlite:///{tmp_path}/a.db"}), "x")
    cancel_when(lambda: any("sqlite" in t.name for t in threading.enumerate()))
    with closing(client), pytest.raises(Cancelled):
        client.scalar("WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n) SELECT count(*) FROM n")
    wait_for(lambda: not any("sqlite" in t.name for t in threading.enumerate()), 2, "the statement to end")


def test_a_table_is_not_copied_onto_itself(base):
    base.run("CREATE TABLE t (v integer)")
    with pytest.raises(StepFailed, match="onto itself"):
        copy(base, base, "t", "t")


def test_one_sqlite_file_under_two_names_is_still_itself(request, tmp_path):
    base = place(request, "sqlite", tmp_path)
    base.run("CREATE TABLE t (v integer)")
    (tmp_path / "link.db").symlink_to(tmp_path / "x.db")
    with pytest.raises(StepFailed, match="onto itself"):
        copy(base, Place("sqlite", f"sqlite:///{tmp_path}/link.db", base.connection), "t", "T")


def test_a_copy_beside_itself_in_one_database_works(base):
    base.run("CREATE TABLE t (v integer)")
    base.insert("t", [(1,), (2,)])
    base.run("CREATE TABLE u (v integer)")
    base.insert("u", [(7,)])
    copy(base, base, "t", "u", batch_size=1)
    assert sorted(base.rows("SELECT v FROM u")) == [(1,), (2,)]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_one_server_copies_by_itself(request, tmp_path, caplog, kind):
    base = place(request, kind, tmp_path)
    base.run("CREATE TABLE t (id integer PRIMARY KEY, v varchar(9), f real, m timestamp(6) NULL)")
    base.insert("t", [(1, "a", 0.1, "2024-03-31 02:30:00.123456"), (2, None, 1e30, None)])
    base.run("CREATE TABLE u (id integer PRIMARY KEY, v varchar(9), f real, m timestamp(6) NULL)")
    with caplog.at_level("INFO", "nomaflow.step"):
        for mode in ("append", "overwrite"):
            assert copy(base, base, "t", "u", mode=mode).output["source_rows"] == 2
    # A table that takes another's place is frozen by COPY.
    second = "binary" if kind == "postgresql" else "inside"
    assert (routes(caplog), base.tables()) == (["inside", second], {"t", "u"})
    assert base.rows("SELECT * FROM u ORDER BY id") == base.rows("SELECT * FROM t ORDER BY id")


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_row_that_one_server_refuses_is_still_named(request, tmp_path, caplog, kind):
    base = place(request, kind, tmp_path)
    base.run("CREATE TABLE t (id integer, v integer)")
    base.insert("t", [(1, 1), (2, None)])
    base.run("CREATE TABLE u (id integer, v integer NOT NULL)")
    with caplog.at_level("INFO", "nomaflow.step"), pytest.raises((StepFailed, ConnectorError), match=r"Row 2|'v'"):
        copy(base, base, "t", "u")
    assert (routes(caplog)[0], len(routes(caplog)), base.rows("SELECT * FROM u")) == ("inside", 2, [])


def test_a_server_that_copies_by_itself_does_not_wait_for_who_changes_the_source(request, tmp_path, caplog):
    base = place(request, "mariadb", tmp_path)
    base.run("CREATE TABLE t (v integer PRIMARY KEY)")
    base.insert("t", [(1,), (2,)])
    base.run("BEGIN")
    base.run("UPDATE t SET v = 3 WHERE v = 2")
    with caplog.at_level("INFO", "nomaflow.step"):
        copy(base, base, "t", "u")
    base.run("ROLLBACK")
    assert (routes(caplog), base.rows("SELECT v FROM u ORDER BY v")) == (["inside"], [(1,), (2,)])


def test_another_user_does_not_read_for_the_source(request, tmp_path, caplog):
    base = place(request, "postgresql", tmp_path)
    base.run("CREATE TABLE t AS SELECT current_user::text AS owner UNION ALL SELECT 'other'")
    base.run("ALTER TABLE t ENABLE ROW LEVEL SECURITY")
    base.run("CREATE POLICY own ON t USING (owner = current_user)")
    base.run("DROP ROLE IF EXISTS other")
    base.run("CREATE ROLE other LOGIN")
    base.run("GRANT SELECT ON t TO other")
    try:
        guest = Place("postgresql", base.url.replace("nomaflow@", "other@"), base.connection)
        with caplog.at_level("INFO", "nomaflow.step"):
            copy(guest, base, "t", "u")
        assert (routes(caplog), base.rows("SELECT * FROM u")) == (["binary"], [("other",)])
    finally:
        base.run("DROP OWNED BY other")
        base.run("DROP ROLE other")


def test_a_query_is_read_in_the_database_of_its_connector(request, tmp_path):
    source, target = (place(request, "mariadb", tmp_path, side) for side in "st")
    for base, value in ((source, 1), (target, 2)):
        base.run("CREATE TABLE t (v bigint(20))")
        base.insert("t", [(value,)])
    target.run("CREATE TABLE u (v bigint)")
    copy(source, target, None, "u", query="SELECT v FROM t")
    copy(source, target, "t", "w", where="v IN (SELECT v FROM t)")
    assert (target.rows("SELECT v FROM u"), target.rows("SELECT v FROM w")) == ([(1,)], [(1,)])


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_server_that_copies_by_itself_is_stopped(request, tmp_path, cancel_when, kind):
    base = place(request, kind, tmp_path)
    watcher = place(request, kind, tmp_path)
    base.run(f"CREATE TABLE u (v {'text' if kind == 'postgresql' else 'longtext'})")
    base.insert("u", [("old",)])
    sleep = "pg_sleep(3600)::text" if kind == "postgresql" else "concat(sleep(3600), v)"
    active = "SELECT count(*) FROM information_schema.processlist WHERE info LIKE 'INSERT INTO%sleep(3600)%'"
    if kind == "postgresql":
        active = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO%sleep(3600)%' AND state = 'active'"
        )
    cancel_when(lambda: watcher.rows(active) == [(1,)])
    with pytest.raises(Cancelled):
        copy(base, base, None, "u", query=f"SELECT {sleep} AS v FROM u", mode="append")
    wait_for(lambda: watcher.rows(active) == [(0,)], 2, "the statement to end")
    assert base.rows("SELECT v FROM u") == [("old",)]


def test_an_empty_source_empties_the_target(base):
    base.run("CREATE TABLE t (v integer)")
    base.run("CREATE TABLE u (v integer)")
    base.insert("u", [(7,)])
    assert copy(base, base, "t", "u").output["target_rows"] == 0


def test_odd_names_are_quoted(base):
    quote = "`" if base.kind == "mariadb" else '"'
    odd, new = (f"{quote}{letter} {quote * 2}; DROP--{quote}" for letter in "ab")
    base.run(f"CREATE TABLE {odd} ({odd} integer)")
    base.run(f"INSERT INTO {odd} VALUES (1)")
    copy(base, base, f"a {quote}; DROP--", f"b {quote}; DROP--")
    assert base.rows(f"SELECT {odd} FROM {new}") == [(1,)]


def test_a_missing_source_table_is_named(base):
    with pytest.raises(StepFailed, match="There is no table .*nowhere"):
        copy(base, base, "nowhere", "u")


def test_a_missing_sqlite_file_is_not_made_by_reading_it(request, tmp_path):
    base = place(request, "sqlite", tmp_path)
    lost = Place("sqlite", f"sqlite:///{tmp_path}/lost.db", base.connection)
    with pytest.raises(ConnectorError, match=r"no SQLite file at .*lost\.db"):
        copy(lost, base, "t", "u")
    assert not (tmp_path / "lost.db").exists()


def test_an_unknown_column_is_named_with_those_there_are(base):
    base.run("CREATE TABLE t (a integer, b integer)")
    with pytest.raises(StepFailed, match="no column 'c'; it has a, b"):
        copy(base, base, "t", "u", columns=["a", "c"])


def test_a_target_without_the_column_is_an_error(base):
    base.run("CREATE TABLE t (a integer, b integer)")
    base.run("CREATE TABLE u (a integer)")
    with pytest.raises(StepFailed, match=r"b \(.*\) is new at the source"):
        copy(base, base, "t", "u")


def test_an_upsert_without_any_key_says_so(base):
    base.run("CREATE TABLE t (a integer)")
    base.run("CREATE TABLE u (a integer)")
    with pytest.raises(StepFailed, match="no primary key; name the key with `key_columns`"):
        copy(base, base, "t", "u", mode="upsert")


def test_an_upsert_counts_nothing_twice_when_it_runs_again(base):
    base.run("CREATE TABLE t (a integer, b varchar(5))")
    base.insert("t", [(1, None), (2, "x")])
    base.run("CREATE TABLE u (a integer PRIMARY KEY, b varchar(5))")
    outputs = [copy(base, base, "t", "u", mode="upsert").output["target_rows"] for _ in range(2)]
    assert (outputs, base.rows("SELECT a, b FROM u ORDER BY a")) == ([2, 2], [(1, None), (2, "x")])


def test_a_second_statement_in_where_is_refused(base):
    base.run("CREATE TABLE t (a integer)")
    with pytest.raises(ConnectorError, match="expected one"):
        copy(base, base, "t", "u", where="1 = 1); DROP TABLE t; SELECT (1")
    assert base.tables() == {"t"}


def test_grants_identity_and_generated_columns_survive_on_postgresql(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    base.run("CREATE TABLE t (id integer, n integer)")
    base.insert("t", [(41, 2)])
    computed = "twice integer GENERATED ALWAYS AS (n * 2) STORED"
    base.run(f"CREATE TABLE u (id integer GENERATED ALWAYS AS IDENTITY, n integer, {computed})")
    base.run("INSERT INTO u (n) VALUES (1)")
    base.run("GRANT SELECT ON u TO PUBLIC")
    copy(base, base, "t", "u")
    base.run("INSERT INTO u (n) VALUES (5)")
    assert base.rows("SELECT id, n, twice FROM u ORDER BY id") == [(41, 2, 4), (42, 5, 10)]
    assert base.rows(
        "SELECT count(*) FROM information_schema.table_privileges WHERE grantee = 'PUBLIC' AND table_name = 'u'"
    ) == [(1,)]


def test_a_second_copy_into_the_same_table_is_refused_on_postgresql(request, tmp_path):
    base = place(request, "postgresql", tmp_path)
    base.run("CREATE TABLE t (v integer)")
    base.run("CREATE TABLE u (v integer)")
    base.run("SELECT pg_advisory_lock(hashtextextended('nomaflow copy into public.u', 0))")
    with pytest.raises(StepFailed, match="Another copy into public.u is running"):
        copy(base, base, "t", "u")


@pytest.mark.parametrize("destination", DATABASES)
def test_a_reader_never_sees_less_than_all_rows(request, tmp_path, destination):
    source, target = place(request, "sqlite", tmp_path, "s"), place(request, destination, tmp_path, "t")
    source.run("CREATE TABLE t (v integer)")
    source.insert("t", [(i,) for i in range(200)])
    target.run("CREATE TABLE u (v integer)")
    target.insert("u", [(i,) for i in range(200)])
    counts: set[int] = set()
    copy(
        source,
        target,
        "t",
        "u",
        batch_size=20,
        on_progress=lambda done: counts.add(target.rows("SELECT count(*) FROM u")[0][0]),
    )
    assert counts == {200}


def valid(**changes) -> dict:
    config = {"source": {"connector": "a", "table": "t"}, "target": {"connector": "b", "table": "t"}}
    return SqlCopyForm.check({**config, **changes}, tokens=False)


def test_columns_may_be_a_list_or_a_table_or_typed_lines():
    typed = [valid(columns=value)["columns"] for value in (["a", "b"], {"a": "x"}, "a\nb", 'a = "x"')]
    assert typed == [["a", "b"], {"a": "x"}, ["a", "b"], {"a": "x"}]


@pytest.mark.parametrize("changes", [
    {"source": {"connector": "a"}},
    {"source": {"connector": "a", "table": "t", "query": "select 1"}},
    {"decimals": {"A": 2}},
    {"type_coercion": "jde", "decimals": {"A": -1}},
    {"mode": "replace"},
    {"columns": [1]},
    {"batch_size": 0},
    {"typo": 1},
], ids=lambda c: ",".join(c))  # fmt: skip
def test_a_wrong_configuration_is_refused(changes):
    with pytest.raises(ConfigError):
        valid(**changes)


def test_the_stored_form_is_shaped_as_in_toml():
    config = {"source": {"connector": "a", "table": "t"}, "target": {"connector": "b", "table": "u"}, "mode": "upsert"}
    assert SqlCopyForm.canonical({**config, "batch_size": 10000}) == config


@pytest.mark.parametrize("destination", DATABASES)
def test_a_source_that_sends_nothing_is_stopped_too(request, tmp_path, cancel_when, postgresql, destination):
    source, target = place(request, "postgresql", tmp_path), place(request, destination, tmp_path)
    target.run("CREATE TABLE u (v varchar(10))")
    active = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND state = 'active' "
        "AND pid <> pg_backend_pid()"
    )
    with postgresql.connect() as watcher:
        cancel_when(lambda: watcher.execute(active).fetchone()[0])
        with pytest.raises(Cancelled):
            copy(source, target, None, "u", query="SELECT pg_sleep(3600)::text AS v")
        wait_for(lambda: watcher.execute(active).fetchone()[0] == 0, 1, "the statement to end")
