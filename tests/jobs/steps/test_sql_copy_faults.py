"""Copies that are killed, cancelled and cut off at random moments leave the target as it was before or as it should be after.

Each fault ends a process of its own that copies: by SIGKILL, by a cancel as the worker sends it, by the source's or the target's
server hanging up. NOMAFLOW_COPY_FAULTS sets how many for each pair and mode (the promise: 30); a failure prints the seed.
"""

import os
import random
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pymysql
import pytest

from connectors.definition import ConnectorError
from jobs.steptype import StepFailed
from tests.jobs.steps.copying import PAIRS, Place, copy, place
from tests.servers import wait_for

FAULTS = int(os.environ.get("NOMAFLOW_COPY_FAULTS", "3"))
ROWS = 4000
KILLED, DONE, FAILED, CANCELLED = -signal.SIGKILL, 0, 3, 4
LIST = {
    "postgresql": "SELECT string_agg(d, ';' ORDER BY d) FROM (SELECT indexdef AS d FROM pg_indexes WHERE tablename = 't' "
    "UNION ALL SELECT concat(column_name, column_default, is_nullable) FROM information_schema.columns WHERE table_name = 't') x",
    "mariadb": "SHOW CREATE TABLE t",
    "sqlite": "SELECT group_concat(replace(sql, '\"t\"', 't'), ';') FROM (SELECT sql FROM sqlite_master "
    "WHERE name IN ('t', 't_v', 'seen') ORDER BY name)",
}


class Cancelled(BaseException):
    """As the step process raises it."""


def other_connections(base: Place) -> list[int]:
    """The numbers of the connections to a server's database that aren't the test's own."""
    if base.kind == "sqlite":
        return []
    if base.kind == "postgresql":
        sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    else:
        sql = "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    return [number for (number,) in base.rows(sql)]


def hang_up(base: Place) -> None:
    """End the other connections to a server's database."""
    for number in other_connections(base):
        with suppress(pymysql.err.OperationalError):  # it may have gone by itself
            base.run(f"SELECT pg_terminate_backend({number})" if base.kind == "postgresql" else f"KILL {number}")


def copying(work: Callable[[], Any]) -> int:
    """A process that copies; its number. It ends with DONE, FAILED or CANCELLED."""
    # A cancel that comes at once waits until somebody in the new process listens.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    number = os.fork()
    if number:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        return number
    code = 9
    try:
        signal.signal(signal.SIGUSR2, _cancel)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        work()
        code = DONE
    except Cancelled:
        code = CANCELLED
    except Exception as error:
        code = FAILED if isinstance(error, StepFailed | ConnectorError) else 9
        print(f"{type(error).__name__}: {error}", flush=True)
    finally:
        os._exit(code)


def _cancel(*_: object) -> None:
    # One is enough: what is cleared up after it must not be broken off by a second.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    raise Cancelled


def ending(number: int) -> int:
    """How the process ended; it's waited for."""
    deadline = time.monotonic() + 30
    while True:
        pid, status = os.waitpid(number, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            raise AssertionError("a copy didn't end")
        time.sleep(0.002)


class Case:
    """A source, a target, and what the target's rows are before and after."""

    def __init__(self, source: Place, target: Place, mode: str) -> None:
        self.source, self.target, self.mode = source, target, mode
        source.run("CREATE TABLE s (id integer PRIMARY KEY, v varchar(40), seen integer)")
        source.insert("s", [(n, f"value {n}" * 3, n % 7) for n in range(1000, 1000 + ROWS)])
        target.run("CREATE TABLE t (id integer PRIMARY KEY, v varchar(40), seen integer DEFAULT 5)")
        target.run("CREATE INDEX t_v ON t (v)")
        target.run("CREATE VIEW seen AS SELECT count(*) AS many FROM t")
        # Some rows stay, some change, some are at the target alone; none may be in the way of rows that are added.
        first = 1000 + ROWS if mode == "append" else 900
        target.run("CREATE TABLE pristine (id integer PRIMARY KEY, v varchar(40), seen integer)")
        target.insert("pristine", [(n, f"value {n}" * 3 if n % 2 else "old", n % 7) for n in range(first, first + 500)])
        self.reset()
        self.definition = self.look_at_definition()
        self.before = self.content()
        self.tables = target.tables()

    def reset(self) -> None:
        self.target.run("BEGIN")
        self.target.run("DELETE FROM t")
        self.target.run("INSERT INTO t (id, v, seen) SELECT id, v, seen FROM pristine")
        self.target.run("COMMIT")

    def content(self) -> list[tuple]:
        return self.target.rows("SELECT id, v, seen FROM t ORDER BY id")

    def look_at_definition(self) -> str:
        return str(self.target.rows(LIST[self.target.kind])[0][-1])

    def copy(self) -> Any:
        return copy(self.source, self.target, "s", "t", mode=self.mode, batch_size=200)

    def quiet(self) -> None:
        """Whatever the copy's connections have begun has ended."""
        for base in (self.source, self.target):
            wait_for(lambda base=base: not other_connections(base), 20, "the server to notice")


def faults_of(case: Case) -> dict[str, Callable[[int], None]]:
    """What can go wrong, by name; each takes the number of the copying process."""
    found: dict[str, Callable[[int], None]] = {
        "kill": lambda number: os.kill(number, signal.SIGKILL),
        "cancel": lambda number: os.kill(number, signal.SIGUSR2),
    }
    for side, base in (("source", case.source), ("target", case.target)):
        if base.kind != "sqlite":
            found[f"{side} cut"] = lambda number, base=base: hang_up(base)
    return found


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert"])
@pytest.mark.parametrize("names", PAIRS, ids="->".join)
def test_a_target_is_as_before_or_as_after_whatever_happens(request, tmp_path, names, mode):
    source, target = (place(request, name, tmp_path, side) for side, name in zip("st", names, strict=True))
    case = Case(source, target, mode)
    began = time.perf_counter()
    case.copy()
    lasts = time.perf_counter() - began
    after = case.content()
    assert after != case.before
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    faults = faults_of(case)
    seen = []
    for turn in range(FAULTS):
        case.reset()
        name = list(faults)[turn % len(faults)]
        delay = dice.uniform(0, lasts * 1.1)
        number = copying(case.copy)
        time.sleep(delay)
        faults[name](number)
        how = ending(number)
        case.quiet()
        found = case.content()
        told = f"seed {seed}, turn {turn}: {name} after {delay:.3f} s of {lasts:.3f}, ended {how}; {len(found)} rows"
        assert how in (DONE, FAILED, CANCELLED, KILLED), told
        assert found in (case.before, after), told
        if how == DONE:
            assert found == after, told
        assert case.look_at_definition() == case.definition, told
        assert target.rows("SELECT many FROM seen") == [(len(found),)], told
        seen.append((name, how))
        # The next copy works and leaves nothing of the last one.
        case.reset()
        case.copy()
        assert (case.content(), target.tables()) == (after, case.tables), told
    assert seen


CUTS = [
    (*names, side)
    for names in PAIRS
    for side, name in zip(("source", "target"), names, strict=True)
    if name != "sqlite"
]


@pytest.mark.parametrize(("origin", "destination", "side"), CUTS)
def test_the_error_says_which_connection_broke_off(request, tmp_path, origin, destination, side):
    source, target = (
        place(request, name, tmp_path, end) for end, name in zip("st", (origin, destination), strict=True)
    )
    # More than what is on its way between two processes.
    numbers = "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 200000) SELECT v"
    numbers, origin = ("SELECT seq AS v", "seq_1_to_200000") if source.kind == "mariadb" else (numbers, "n")
    source.run(f"CREATE TABLE s AS {numbers}, '{'x' * 200}' AS x FROM {origin}")
    lost = source if side == "source" else target
    label = {"postgresql": "PostgreSQL", "mariadb": "MariaDB/MySQL"}[lost.kind]
    target.run("CREATE TABLE t (v numeric(12), x text)")

    def cut(done: int) -> None:
        hang_up(lost)

    with pytest.raises(Exception, match=f"The connection to {label} at .*/{lost.url.split('/')[-1]} broke off"):
        copy(source, target, "s", "t", batch_size=100, on_progress=cut)


@pytest.mark.parametrize("mode", ["overwrite", "append", "upsert"])
def test_a_full_disk_leaves_the_target_as_it_was(request, tmp_path, mode, capfd):
    source, target = (place(request, "sqlite", tmp_path, side) for side in "st")
    case = Case(source, target, mode)
    size = (tmp_path / "t.db").stat().st_size

    def on_a_full_disk() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40_000, size + 40_000))
        case.copy()

    assert ending(copying(on_a_full_disk)) == FAILED
    assert "look at the disk that holds the file" in capfd.readouterr().out
    assert (case.content(), case.look_at_definition()) == (case.before, case.definition)
    case.copy()
    assert (target.tables(), target.rows("PRAGMA integrity_check")) == (case.tables, [("ok",)])


WAITS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    # Not innodb_trx, which shows the same as before to whoever asks more often than ten times a second.
    "mariadb": "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status "
    "WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'",
}


@pytest.mark.parametrize("kind", list(WAITS))
def test_of_two_writers_in_each_others_way_one_has_changed_nothing(request, tmp_path, kind, capfd):
    source, target = place(request, "sqlite", tmp_path), place(request, kind, tmp_path)
    case = Case(source, target, "upsert")
    server = request.getfixturevalue(kind)
    other = server.connect(target.url)
    watcher = server.connect(target.url)
    say = other.cursor().execute
    try:
        say("BEGIN")
        if kind == "postgresql":
            # Ours is to find out first; if it's slow, the other one does.
            say("SET LOCAL deadlock_timeout = '5s'")
        say("UPDATE t SET seen = seen + 0, v = 'mine' WHERE id = 1398")
        number = copying(case.copy)

        def waits() -> bool:
            cursor = watcher.cursor()
            cursor.execute(WAITS[kind])
            return cursor.fetchone()[0] > 0

        wait_for(waits, 20, "the copy to wait for a row")
        try:
            say("UPDATE t SET v = 'mine' WHERE id = 1000")
        except (psycopg.errors.DeadlockDetected, pymysql.err.OperationalError):
            lost = "theirs"
            say("ROLLBACK")
        else:
            lost = "ours"
            say("ROLLBACK")
        how = ending(number)
    finally:
        other.close()
        watcher.close()
    told = capfd.readouterr().out
    if lost == "ours":
        assert how == FAILED
        assert "deadlock" in told.lower()
        assert case.content() == case.before
    else:
        assert how == DONE, told
        assert len(case.content()) == 100 + ROWS
    case.quiet()
    case.copy()
    assert target.tables() == case.tables


SLOW = {
    "postgresql": "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; "
    "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slow()",
    "mariadb": "CREATE TRIGGER slow BEFORE INSERT ON t FOR EACH ROW DO SLEEP(60)",
}
SLEEPS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
    "mariadb": "SELECT count(*) FROM information_schema.processlist WHERE db = DATABASE() AND state = 'User sleep'",
}


@pytest.mark.parametrize("kind", list(SLOW))
def test_a_cancel_in_the_middle_of_publishing_takes_new_columns_back(request, tmp_path, kind):
    source, target = place(request, "sqlite", tmp_path), place(request, kind, tmp_path)
    case = Case(source, target, "upsert")
    source.run("ALTER TABLE s ADD COLUMN fresh integer")
    target.run(SLOW[kind])
    number = copying(lambda: copy(source, target, "s", "t", mode="upsert", schema_drift="add", batch_size=200))
    wait_for(lambda: target.rows(SLEEPS[kind]) == [(1,)], 20, "the copy to publish")
    os.kill(number, signal.SIGUSR2)
    assert ending(number) == CANCELLED
    case.quiet()
    assert (case.look_at_definition(), case.content()) == (case.definition, case.before)
