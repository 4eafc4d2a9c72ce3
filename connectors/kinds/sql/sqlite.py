"""SQLite 3.33 and later, through Python's own module.

| kind     | type made for a new table |
|----------|---------------------------|
| int      | INTEGER |
| decimal  | NUMERIC up to 15 digits, TEXT beyond (SQLite would make an inexact number of it) |
| float    | REAL |
| bool     | BOOLEAN (0 and 1) |
| date, time, datetime, instant | DATE, TIME, TIMESTAMP, TIMESTAMPTZ: ISO texts |
| text     | VARCHAR with its length, TEXT |
| json, uuid, other | TEXT |
| bytes    | BLOB |
"""

import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._dialect import BadRow, Batches, Dialect, Row, Settings, whole_seconds
from connectors.kinds.sql._fit import Change, fit
from connectors.kinds.sql._route import Route
from connectors.kinds.sql._sqlite_attach import copy_attached, same_declared
from connectors.kinds.sql._sqlite_checksum import SQLiteChecksum
from connectors.kinds.sql._sqlite_lock import Connection
from connectors.kinds.sql._sqlite_swap import SQLiteSwap
from connectors.kinds.sql._sqlite_types import affinity_of, column_of, kept_as_it_is, number_kept, text_kept
from connectors.kinds.sql._sqlite_values import casts, copy_values
from connectors.kinds.sql._staging import stash_of
from connectors.kinds.sql._text import bare

T = TypeVar("T")
# An offset that is written as hours alone, which other readers of SQLite's files don't know.
HOURS = re.compile(r"([+-]\d\d)\Z")


class SQLite(Dialect):
    """A database file. Statements run in a thread, so that a cancel reaches the step while SQLite works."""

    name = "sqlite"
    label = "SQLite"
    paramstyle = "named"
    # A write transaction keeps others out of the whole file: it's begun when all rows have been read.
    loads_directly = False
    stream_shares = True
    folds_case = True
    keeps_previous = True
    begin_sql = "BEGIN IMMEDIATE"
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {"timeout": whole_seconds}
    swap = SQLiteSwap
    checksum = SQLiteChecksum
    routes: ClassVar[dict[str, Route]] = {
        "attach": Route(copy_attached, same_declared, reads_itself=True, whole=True),
        "values": Route(copy_values, casts),
    }

    def connect(self, settings: Settings, application: str) -> Any:
        """Open the file; a relative path is meant from the current folder. `must_exist` in the settings refuses to make it."""
        timeout = (settings.get("options") or {}).get("timeout", 20)
        if self._in_memory(settings):
            return sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        path = self.path(settings)
        if settings.get("must_exist") and not path.is_file():
            raise ConnectorError(f"There is no SQLite file at {path}.")
        if not path.parent.is_dir():
            raise ConnectorError(f"There is no folder {path.parent} for the SQLite file {path.name}; make it first.")
        mode = "ro" if settings.get("read_only") else "rw" if settings.get("must_exist") else "rwc"
        uri = f"file:{quote(str(path))}?mode={mode}"
        return sqlite3.connect(
            uri, timeout=timeout, isolation_level=None, check_same_thread=False, uri=True, factory=Connection
        )

    def _in_memory(self, settings: Settings) -> bool:
        return settings.get("database") == ":memory:"

    def path(self, settings: Settings) -> Path:
        """The file's absolute path."""
        return Path(settings["database"]).absolute()

    def errors(self) -> tuple[type[Exception], ...]:
        """sqlite3's, and what binding a value can raise."""
        return (sqlite3.Error, sqlite3.Warning, OverflowError, UnicodeEncodeError)

    def message(self, error: Exception) -> str:
        """What SQLite says of a file that it can't write or read is little."""
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            return f"{error} ({code}): look at the disk that holds the file, and its free space"
        return super().message(error)

    def rollback(self, raw: Any) -> None:
        """SQLite may have ended the transaction already, when a disk was full."""
        raw.rollback()

    def place(self, settings: Settings) -> str:
        """The file."""
        return str(settings.get("database"))

    def server_version(self, raw: Any) -> str:
        """The library's."""
        return f"{self.label} {sqlite3.sqlite_version}"

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """Device and inode of the file, so that two paths to one file are one database."""
        path = raw.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
        if not path:
            return (self.name, id(raw))
        facts = os.stat(path)
        return (self.name, facts.st_dev, facts.st_ino)

    def default_schema(self, raw: Any) -> str | None:
        """The file itself."""
        return "main"

    def watch(self, raw: Any, settings: Settings, work: Callable[[], T]) -> T:
        """In a thread: Python delivers no signal while the main thread is inside SQLite."""
        task = _Task(work)
        try:
            Thread(target=task.run, name="nomaflow-sqlite", daemon=True).start()
            task.ended.wait()
        finally:
            task.abandon(raw.interrupt)
        if task.error is not None:
            raise task.error
        return task.result  # type: ignore[no-any-return]

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """Declared types where a column of the query is one of a table, otherwise what the first rows hold."""
        raw.execute(f"CREATE TEMP VIEW _nomaflow_query AS {bare(sql)}")
        try:
            return self.columns(raw, TableName("temp", "_nomaflow_query"))
        finally:
            raw.execute("DROP VIEW temp._nomaflow_query")

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """Declared types; a column without one is what its first rows hold."""
        rows = raw.execute(
            'SELECT name, type, "notnull", hidden, dflt_value, pk FROM pragma_table_xinfo(?, ?) WHERE hidden <> 1 ORDER BY cid',
            [name.table, name.schema or "main"],
        ).fetchall()
        alone = sum(row[5] > 0 for row in rows) == 1
        columns = [
            column_of(n, declared, not notnull, hidden in (2, 3), _filled(declared, default, alone and pk > 0))
            for n, declared, notnull, hidden, default, pk in rows
        ]
        unknown = [column.name for column in columns if column.kind == "other"]
        seen = self._seen(raw, name, unknown) if unknown else {}
        return [replace(c, kind=seen[c.name], size=None) if c.name in seen else c for c in columns]

    def _seen(self, raw: Any, name: TableName, columns: list[str]) -> dict[str, str]:
        """The kinds of the values in the first rows."""
        types = ", ".join(f"typeof({self.quote(c)})" for c in columns)
        rows = raw.execute(f"SELECT {types} FROM {self.table(name)} LIMIT 1000").fetchall()
        kinds = {}
        for index, column in enumerate(columns):
            found = {row[index] for row in rows} - {"null"}
            if found and found <= {"integer", "real"}:
                kinds[column] = "int" if found == {"integer"} else "float"
            else:
                kinds[column] = "bytes" if found == {"blob"} else "text"
        return kinds

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """From the table's declaration."""
        sql = "SELECT name FROM pragma_table_info(?, ?) WHERE pk > 0 ORDER BY pk"
        return [row[0] for row in raw.execute(sql, [name.table, name.schema or "main"]).fetchall()]

    def referenced_by(self, raw: Any, name: TableName) -> list[str]:
        """From every other table's foreign keys."""
        sql = (
            "SELECT DISTINCT m.name FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f "
            "WHERE m.type = 'table' AND lower(f.\"table\") = lower(?) AND lower(m.name) <> lower(?) ORDER BY 1"
        )
        return [row[0] for row in raw.execute(sql, [name.table, name.table]).fetchall()]

    def type_name(self, column: Column, in_key: bool) -> str:
        """See the table at the top of this module."""
        if column.dialect == self.name and column.type:
            return column.type
        if column.kind == "decimal":
            exact = column.size is not None and column.size <= 15
            return f"NUMERIC({column.size},{column.scale or 0})" if exact else "TEXT"
        if column.kind == "text" and column.size:
            return f"VARCHAR({column.size})"
        return {
            "int": "INTEGER",
            "float": "REAL",
            "bool": "BOOLEAN",
            "date": "DATE",
            "time": "TIME",
            "datetime": "TIMESTAMP",
            "instant": "TIMESTAMPTZ",
            "bytes": "BLOB",
        }.get(column.kind, "TEXT")

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """Values as SQLite holds them."""
        with closing(raw.execute(sql)) as cursor:
            while batch := cursor.fetchmany(batch_size):
                yield batch

    def prepare_copy(self, raw: Any) -> None:
        """Foreign keys count. What is replaced is only overwritten with zeros where that costs no further writing.

        Debian builds SQLite so that whatever is deleted is: a table that another takes the place of would be written once more.
        """
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("PRAGMA main.secure_delete = FAST")
        # Said apart: temporary tables aren't among the databases that a bare one reaches.
        raw.execute("PRAGMA temp.secure_delete = FAST")

    def adapter(self, source: Column, target: Column) -> Change | None:
        """SQLite takes anything anywhere and may turn it into a number: only what stays exact goes in."""
        roomy = replace(target, size=None, scale=None if target.kind == "decimal" else 9)
        check, affinity = fit(source, roomy), affinity_of(target.type)
        by_value = target.kind in ("int", "decimal", "float", "bool")

        def change(value: Any) -> Any:
            if check is not None:
                value = check(value)
            if isinstance(value, str):
                if source.kind == "instant":
                    value = HOURS.sub(r"\1:00", value)
                return value if affinity in ("TEXT", "BLOB") else text_kept(value, affinity, by_value)
            return value if isinstance(value, bytes) else number_kept(value, affinity)

        if source.dialect == self.name and source.type == target.type:
            return None
        return None if kept_as_it_is(source, target) else change

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """One prepared INSERT for all rows."""
        marks = ", ".join("?" * len(columns))
        before, alone = raw.total_changes, not raw.in_transaction
        try:
            if alone:
                raw.execute("BEGIN")
            raw.executemany(f"INSERT INTO {into} ({self.names(columns)}) VALUES ({marks})", rows)
            if alone:
                raw.execute("COMMIT")
        except self.errors() as error:
            # Rows before the refused one have been counted, also where triggers don't exist: a stash has none.
            raise BadRow(self.message(error), raw.total_changes - before) from error

    def stash_table(self, name: TableName, stash: str) -> TableName:
        """In the connection's temporary database, beside every file."""
        return TableName("temp", stash)

    def stage(self, raw: Any, name: TableName, columns: Sequence[str], stash: str) -> str:
        """Declared types are copied; `AS SELECT` would keep the affinity alone."""
        declared = {column.name: column.type for column in self.columns(raw, name)}
        quoted = self.table(self.stash_table(name, stash))
        raw.execute(f"CREATE TABLE {quoted} ({', '.join(f'{self.quote(c)} {declared[c]}' for c in columns)})")
        return quoted

    def tables(self, raw: Any, schema: str | None, prefix: str) -> list[str]:
        """From the file's own list."""
        sql = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND substr(name, 1, ?) = ? ORDER BY 1"
        return [row[0] for row in raw.execute(sql, [len(prefix), prefix]).fetchall()]

    def make_like(self, raw: Any, name: TableName, into: TableName) -> None:
        """With the declared types."""
        columns = ", ".join(f"{self.quote(column.name)} {column.type}" for column in self.columns(raw, name))
        raw.execute(f"CREATE TABLE {self.table(into)} ({columns})")

    def lock_target(self, raw: Any, name: TableName) -> bool:
        """A file beside the database, until the connection is closed."""
        path = raw.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
        return not path or raw.lock(f"{path}-nomaflow-{stash_of(name)[-12:]}")

    def differs(self, column: Column, left: str, right: str) -> str:
        """Byte by byte, whatever collation the column has."""
        return f"{left} IS NOT {right} COLLATE BINARY"


def _filled(declared: str, default: str | None, key: bool) -> bool:
    """Whether a row that comes without a value gets one: by a default, or because the column is the row's number."""
    return default not in (None, "NULL") or (key and declared.upper() == "INTEGER")


class _Task:
    """Work in another thread that can be called off at any moment, even while the thread is being started."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._running = Lock()
        self._abandoned = False
        self.ended = Event()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Do the work, unless it has been called off."""
        with self._running:
            if not self._abandoned:
                try:
                    self.result = self._work()
                except BaseException as error:
                    self.error = error
        self.ended.set()

    def abandon(self, interrupt: Callable[[], None]) -> None:
        """Return once the work has ended or can't begin any more. The connection may be closed after this, not before."""
        self._abandoned = True
        # An interrupt that comes before the statement starts does nothing: repeat it.
        while not self._running.acquire(timeout=0.02):
            interrupt()
        self._running.release()
