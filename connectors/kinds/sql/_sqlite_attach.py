"""From one SQLite file to another inside SQLite: the source is attached to the target's connection."""

import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._route import Move, Refused

SOURCE = "_nomaflow_source"


def same_declared(source: Column, target: Column) -> bool:
    """SQLite converts by the declared type: under the same one values stay what they are."""
    return source.type == target.type


def copy_attached(move: Move) -> None:
    """In ranges of row numbers, all of them in one reading of the source."""
    table, rowid = _numbered(move)
    target, raw = move.target, move.target.raw
    target.call(lambda: _attach(move))
    try:
        # A transaction that only reads holds the source still and keeps nobody out of the target.
        target.call(lambda: raw.execute("BEGIN"))
        ranges = _ranges(move, table, rowid)
        while rows := target.call(lambda: next(ranges, 0)):
            move.on_rows(rows)
        target.call(lambda: raw.execute("COMMIT"))
    except Exception:
        # A full disk has ended it already.
        raw.rollback()
        raise
    finally:
        # A cancelled connection is closed by its session.
        if not raw.in_transaction:
            raw.execute(f"DETACH {SOURCE}")


def _numbered(move: Move) -> tuple[TableName, str]:
    """The source's table as the target will see it, and the name of its row number."""
    name, source = move.table, move.source
    if name is None:
        raise Refused("it takes a whole table, not a query or a condition")
    sql = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND lower(name) = lower(?)"
    if name.schema != "main" or not source.call(lambda: source.raw.execute(sql, [name.table]).fetchone()):
        raise Refused(f"{name} is not a table of the file itself")
    taken = {c.name.casefold() for c in source.call(lambda: source.dialect.columns(source.raw, name))}
    free = [word for word in ("rowid", "oid", "_rowid_") if word not in taken]
    try:
        source.raw.execute(f"SELECT {free[0]} FROM {source.dialect.table(name)} LIMIT 0")
    except (sqlite3.Error, IndexError) as error:
        raise Refused(f"{name} has no row numbers") from error
    return TableName(SOURCE, name.table), free[0]


def _attach(move: Move) -> None:
    path = move.source.raw.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()[0]
    if not path:
        raise Refused("the source is not a file")
    mode = "ro" if move.source.settings.get("read_only") else "rw"
    try:
        move.target.raw.execute(f"ATTACH ? AS {SOURCE}", [f"file:{quote(path)}?mode={mode}"])
    except sqlite3.OperationalError as error:
        raise Refused(f"the source can't be attached: {error}") from error


def _ranges(move: Move, name: TableName, rowid: str) -> Iterator[int]:
    """Copy range after range; the number of rows in each."""
    raw, table = move.target.raw, move.target.dialect.table(name)
    names = move.source.dialect.names(column.name for column in move.reads)
    insert = f"INSERT INTO {move.into} ({move.names()}) SELECT {names} FROM {table} WHERE {rowid} BETWEEN ? AND ?"
    end = f"SELECT {rowid} FROM {table} WHERE {rowid} >= ? ORDER BY {rowid} LIMIT 1 OFFSET {move.batch_size - 1}"
    first, largest = _one(raw, f"SELECT min({rowid}) FROM {table}"), _one(raw, f"SELECT max({rowid}) FROM {table}")
    # Most tables have a row to each number. Where there are gaps, SQLite has to walk along the rows to the end of a range.
    dense = False
    while first is not None:
        last = min(first + move.batch_size - 1, largest)
        if not dense:
            found = _one(raw, end, first)
            last = largest if found is None else found
        try:
            yield (rows := raw.execute(f"{insert} ORDER BY {rowid}", [first, last]).rowcount)
        except sqlite3.IntegrityError as error:
            raise Refused(f"a row was refused, and only the slower route can say which: {error}") from error
        dense = rows == last - first + 1
        first = _one(raw, f"SELECT min({rowid}) FROM {table} WHERE {rowid} > ?", last)


def _one(raw: Any, sql: str, *bound: Any) -> Any:
    row = raw.execute(sql, bound).fetchone()
    return row[0] if row else None
