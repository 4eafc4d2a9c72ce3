"""Readers hammer a table while it's overwritten again and again: each answer is one whole version of it."""

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.jobs.steps.copying import Place, copy, place
from tests.jobs.steps.test_sql_copy_swap import way
from tests.servers import wait_for

ROUNDS = int(os.environ.get("NOMAFLOW_SWAP_ROUNDS", "5"))
ROWS = 400
ANSWER = "SELECT count(*), min(version), max(version) FROM {}"
# An old snapshot in MariaDB is told that the table has been exchanged, as docs/steps.md says.
EXCHANGED = 1412


class Reader(threading.Thread):
    """Asks until it's told to stop; `answers` is what it got, `errors` what it should not have got."""

    def __init__(self, connect: Callable[[], Any], statements: list[str]) -> None:
        super().__init__(daemon=True)
        self.connect, self.statements = connect, statements
        self.stopped = threading.Event()
        self.rounds = 0
        self.answers: set[tuple[Any, ...]] = set()
        self.errors: list[BaseException] = []

    def run(self) -> None:
        try:
            with closing(self.connect()) as connection, closing(connection.cursor()) as cursor:
                while not self.stopped.is_set():
                    self._ask(cursor)
                    self.rounds += 1
        except BaseException as error:
            self.errors.append(error)

    def _ask(self, cursor: Any) -> None:
        seen = set()
        try:
            for sql in self.statements:
                cursor.execute(sql)
                if sql.startswith("SELECT"):
                    seen |= {tuple(row) for row in cursor.fetchall()}
        except Exception as error:
            if error.args[0] != EXCHANGED:
                raise
            cursor.execute("ROLLBACK")
        self.answers |= seen
        # One snapshot has one answer.
        assert len(seen) <= 1 or "BEGIN" not in self.statements[0]


def connecting(kind: str, target: Place, request: Any, path: Any) -> Callable[[], Any]:
    """Another connection of a reader, in autocommit mode."""
    if kind.startswith("sqlite"):
        return lambda: sqlite3.connect(path / "t.db", timeout=30, isolation_level=None)
    server = request.getfixturevalue(kind)
    return lambda: server.connect(target.url)


@pytest.mark.parametrize("kind", ["postgresql", "mariadb", "sqlite-wal", "sqlite-delete"])
def test_every_answer_is_a_whole_version(request, tmp_path, caplog, kind):
    source = place(request, "sqlite", tmp_path, "s")
    target = place(request, kind.split("-")[0], tmp_path, "t")
    source.run("CREATE TABLE s (id int, version int)")
    source.insert("s", [(number, 0) for number in range(ROWS)])
    if kind.startswith("sqlite"):
        target.run(f"PRAGMA journal_mode = {kind.split('-')[1]}")
    target.run("CREATE TABLE t (id int PRIMARY KEY, version int)")
    target.run("CREATE VIEW v AS SELECT * FROM t")
    copy(source, target, "s", "t")
    begin = {"postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ", "mariadb": "BEGIN"}.get(kind, "BEGIN")
    connect = connecting(kind, target, request, tmp_path)
    readers = [
        Reader(connect, [ANSWER.format("t")]),
        Reader(connect, [ANSWER.format("v")]),
        Reader(connect, [begin, ANSWER.format("t"), ANSWER.format("t"), "COMMIT"]),
    ]
    for reader in readers:
        reader.start()
    try:
        for version in range(1, ROUNDS + 1):
            source.run(f"UPDATE s SET version = {version}")
            with caplog.at_level("INFO", "nomaflow.step"):
                copy(source, target, "s", "t", batch_size=100)
            assert way(caplog) == "swap"
            before = [reader.rounds for reader in readers]
            wait_for(
                lambda before=before: all(
                    reader.rounds > count or reader.errors for reader, count in zip(readers, before, strict=True)
                ),
                30,
                "every reader to ask once more",
            )
    finally:
        for reader in readers:
            reader.stopped.set()
            reader.join(30)
    assert [reader.errors for reader in readers] == [[], [], []]
    whole = {(ROWS, version, version) for version in range(ROUNDS + 1)}
    for reader in readers:
        assert reader.answers <= whole
        assert (ROWS, ROUNDS, ROUNDS) in reader.answers
