"""From one SQLite file to another inside SQLite: the source is attached to the target's connection."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._route import Move, Refused

SOURCE = "_nomaflow_source"
# SQLite counts the steps between two calls in 32 bits.
MOST_ROWS = 10_000_000


def same_declared(source: Column, target: Column) -> bool:
    """SQLite converts by the declared type: under the same one values stay what they are."""
    return source.type == target.type


def copy_attached(move: Move) -> None:
    """Record by record where SQLite can, otherwise in ranges of row numbers, all of them in one reading of the source."""
    table, rowid = _numbered(move)
    target, raw = move.target, move.target.raw
    target.call(lambda: _attach(move))
    try:
        # A transaction that only reads holds the source still and keeps nobody out of the target.
        target.call(lambda: raw.execute("BEGIN"))
        if not target.call(lambda: _copy_records(move, table)):
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


def _copy_records(move: Move, name: TableName) -> bool:
    """Copy the whole table by the one statement that doesn't look into the records; False where SQLite has no such for these two.

    SQLite calls back after so many steps of its virtual machine, which takes the same number of them for each record.
    """
    raw, table = move.target.raw, move.target.dialect.table(name)
    if [c.name for c in move.reads] != _names(raw, table) or [c.name for c in move.writes] != _names(raw, move.into):
        return False
    insert = f"INSERT INTO {move.into} SELECT * FROM {table}"
    steps = record_steps(program := [(op, to) for _, op, _, to, *_ in raw.execute(f"EXPLAIN {insert}")])
    if not steps:
        return False
    # With unique keys there's another program beside it for a table that isn't empty, and the keys' records follow the rows'.
    keyed = any(op == "IdxInsert" for op, _ in program)
    if keyed and _one(raw, f"SELECT 1 FROM {move.into} LIMIT 1"):
        return False
    most = _one(raw, f"SELECT count(*) FROM {table}") if keyed else None
    every, taken, told = max(steps * min(move.batch_size, MOST_ROWS) // 4, 1), 0, 0
    stopped: list[BaseException] = []

    def tell() -> bool:
        """Whether SQLite is to stop; it would keep an error to itself."""
        nonlocal taken, told
        taken += every
        # Every step outside the loop may have been taken before it.
        rows = max(taken - (len(program) - steps), 0) // steps
        rows = (rows if most is None else min(rows, most)) // move.batch_size * move.batch_size
        if rows > told:
            try:
                move.on_rows(rows - told)
            except BaseException as error:
                stopped.append(error)
            told = rows
        return bool(stopped)

    raw.set_progress_handler(tell, every)
    try:
        rows = raw.execute(insert).rowcount
    except sqlite3.IntegrityError as error:
        raise _refused(error) from error
    except sqlite3.OperationalError:
        if stopped:
            raise stopped[0] from None
        raise
    finally:
        raw.set_progress_handler(None, 0)
    move.on_rows(rows - told)
    return True


def record_steps(program: Sequence[tuple[str, int]]) -> int:
    """How many steps SQLite takes for each record that it copies as it is; 0 where it takes the records apart.

    `program` are the operations and second operands of SQLite's EXPLAIN. Source: xferOptimization() in its insert.c.
    """
    copied = next((at for at, (op, _) in enumerate(program) if op in ("RowData", "RowCell")), None)
    if copied is None:
        return 0
    end = next(at for at, (op, _) in enumerate(program) if op == "Next" and at > copied)
    return sum(op != "Halt" for op, _ in program[program[end][1] : end + 1])


def _names(raw: Any, table: str) -> list[str]:
    return [column[0] for column in raw.execute(f"SELECT * FROM {table} LIMIT 0").description]


def _refused(error: sqlite3.IntegrityError) -> Refused:
    return Refused(f"a row was refused, and only the slower route can say which: {error}")


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
            raise _refused(error) from error
        dense = rows == last - first + 1
        first = _one(raw, f"SELECT min({rowid}) FROM {table} WHERE {rowid} > ?", last)


def _one(raw: Any, sql: str, *bound: Any) -> Any:
    row = raw.execute(sql, bound).fetchone()
    return row[0] if row else None
