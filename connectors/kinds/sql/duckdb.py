"""DuckDB files, through the `duckdb` package (extra `nomaflow[duckdb]`), which is imported when a connector is opened.

A DuckDB "cursor" is a second connection, outside the first one's transaction and blind to its temporary tables; so statements
run on the connection itself, and only reading streams gets a connection of its own.
"""

import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, Misfit, TableName
from connectors.kinds.sql._dialect import BadRow, Batches, Dialect, Row, Settings
from connectors.kinds.sql._duckdb_checksum import DuckDBChecksum
from connectors.kinds.sql._duckdb_file import READ, DuckDBFile, ending_of, literal
from connectors.kinds.sql._fit import Change, as_text, fit
from connectors.kinds.sql._text import bare

# A file isn't worth it for fewer rows.
FEW = 50
# Of a row, in bytes.
LONGEST = 512 * 1024 * 1024
WHOLE = re.compile(r"\s*[+-]?\d+\s*")

KINDS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "int"),
    **dict.fromkeys(("DECIMAL", "HUGEINT", "UBIGINT", "UHUGEINT"), "decimal"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "float"),
    "BOOLEAN": "bool",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "datetime",
    "TIMESTAMP WITH TIME ZONE": "instant",
    "VARCHAR": "text",
    "JSON": "json",
    "UUID": "uuid",
    "BLOB": "bytes",
}
SIZES = {"TINYINT": 16, "SMALLINT": 16, "INTEGER": 32, "FLOAT": 32, "DOUBLE": 64}


def driver() -> Any:
    """The `duckdb` package; ConnectorError saying what to install when there is none."""
    try:
        return import_module("duckdb")
    except ImportError as error:
        raise ConnectorError("DuckDB's driver is missing. Install nomaflow[duckdb].") from error


class Answer:
    """What a statement on the connection gave, with the face of a driver's cursor: valid until the next statement."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.rowcount = -1
        self.description = raw.description
        # INSERT, UPDATE and DELETE answer with one row that holds their count, other statements with none.
        if self.description and [column[0] for column in self.description] == ["Count"]:
            count = raw.fetchone()
            self.rowcount, self.description = int(count[0]) if count else -1, None

    def fetchone(self) -> Any:
        """The next row."""
        return self._raw.fetchone()

    def fetchmany(self, size: int) -> list[Any]:
        """The next rows."""
        return list(self._raw.fetchmany(size))

    def fetchall(self) -> list[Any]:
        """The rest of the rows."""
        return list(self._raw.fetchall())

    def close(self) -> None:
        """Nothing of its own to close."""


class DuckDB(Dialect):
    """A DuckDB file."""

    name = "duckdb"
    label = "DuckDB"
    paramstyle = "qmark"
    stream_shares = True
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    swap = DuckDBFile
    checksum = DuckDBChecksum

    def connect(self, settings: Settings, application: str) -> Any:
        """Open the file; `must_exist` in the settings refuses to make it."""
        duckdb = driver()
        if settings["database"] == ":memory:":
            return duckdb.connect(":memory:")
        path = Path(settings["database"]).absolute()
        if settings.get("must_exist") and not path.is_file():
            raise ConnectorError(f"There is no DuckDB file at {path}.")
        return duckdb.connect(str(path), read_only=bool(settings.get("read_only")))

    def execute(self, raw: Any, sql: str, bound: Any = None) -> Any:
        """On the connection itself."""
        raw.execute(sql) if bound is None else raw.execute(sql, bound)
        return Answer(raw)

    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's one base class."""
        return (driver().Error,)

    def place(self, settings: Settings) -> str:
        """The file."""
        return str(settings.get("database"))

    def server_version(self, raw: Any) -> str:
        """From the library."""
        return f"{self.label} {raw.execute('SELECT version()').fetchone()[0].lstrip('v')}"

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """The file."""
        path = raw.execute("SELECT path FROM duckdb_databases() WHERE database_name = current_database()").fetchone()[0]
        return (self.name, str(Path(path).resolve()) if path else id(raw))

    def default_schema(self, raw: Any) -> str | None:
        """The current schema."""
        return str(raw.execute("SELECT current_schema()").fetchone()[0])

    def kill(self, raw: Any, settings: Settings) -> None:
        """Interrupt the connection."""
        try:
            raw.interrupt()
        except Exception:
            pass

    def resolve(self, raw: Any, name: TableName) -> TableName:
        """A file by its absolute path, beside the database where it's relative."""
        if ending_of(name) is None:
            return super().resolve(raw, name)
        sql = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
        database = raw.execute(sql).fetchone()[0]
        return TableName(None, str((Path(database).absolute().parent if database else Path.cwd()) / name.table))

    def table(self, name: TableName) -> str:
        """A file is read by the function for its kind."""
        ending = ending_of(name)
        return READ[ending].format(path=literal(name.table)) if ending else super().table(name)

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """From information_schema; a file's from itself."""
        if ending_of(name) is not None and not Path(name.table).is_file():
            return []
        if ending_of(name) is not None or name.schema == "temp":
            return self.query_columns(raw, f"SELECT * FROM {self.table(name)}")
        rows = raw.execute(
            "SELECT column_name, data_type, is_nullable, column_default FROM information_schema.columns "
            "WHERE table_schema = coalesce(?, current_schema()) AND table_name = ? ORDER BY ordinal_position",
            [name.schema, name.table],
        ).fetchall()
        return [
            replace(_column(column, spelled, nullable == "YES"), filled=default not in (None, "NULL"))
            for column, spelled, nullable, default in rows
        ]

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """From DESCRIBE."""
        return [_column(row[0], row[1], True) for row in raw.execute(f"DESCRIBE {bare(sql)}").fetchall()]

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """From duckdb_constraints."""
        rows = raw.execute(
            "SELECT constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY' "
            "AND schema_name = coalesce(?, current_schema()) AND table_name = ?",
            [name.schema, name.table],
        ).fetchall()
        return list(rows[0][0]) if rows else []

    def type_name(self, column: Column, in_key: bool) -> str:
        """DuckDB's nearest type; decimals of more than 38 digits become VARCHAR."""
        if column.dialect == self.name and column.type:
            return column.type
        if column.kind == "decimal":
            return f"DECIMAL({column.size},{column.scale or 0})" if column.size and column.size <= 38 else "VARCHAR"
        return {
            "int": "BIGINT",
            "float": "DOUBLE",
            "bool": "BOOLEAN",
            "date": "DATE",
            "time": "TIME",
            "datetime": "TIMESTAMP",
            "instant": "TIMESTAMPTZ",
            "json": "JSON",
            "uuid": "UUID",
            "bytes": "BLOB",
        }.get(column.kind, "VARCHAR")

    def selected(self, column: Column) -> str:
        """Times as texts."""
        quoted = self.quote(column.name)
        if column.kind in ("date", "time", "datetime", "instant", "json", "uuid", "other"):
            return f"CAST({quoted} AS VARCHAR) AS {quoted}"
        return quoted

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """In batches from a cursor of its own."""
        cursor = raw.cursor().execute(sql)
        while batch := cursor.fetchmany(batch_size):
            yield batch

    def adapter(self, source: Column, target: Column) -> Change | None:
        """DuckDB rounds a text to a whole number and says nothing."""
        check = fit(source, target)
        if target.kind != "int":
            return check

        def change(value: Any) -> Any:
            value = value if check is None else check(value)
            if isinstance(value, str) and WHOLE.fullmatch(value) is None:
                raise Misfit("it is not a whole number")
            return value

        return change

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """By a CSV file, which it reads many times faster than it takes values."""
        names = self.names(columns)
        if len(rows) < FEW:
            self._insert(raw, into, names, len(columns), rows)
            return
        known = {column[0]: str(column[1]) for column in raw.execute(f"DESCRIBE {into}").fetchall()}
        taken = [_taken(number, known[name]) for number, name in enumerate(columns)]
        spelled = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(columns)))
        with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8", newline="") as file:
            file.writelines(",".join(map(_cell, row)) + "\n" for row in rows)
            file.flush()
            read = f"read_csv({literal(file.name)}, header = false, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
            read += f"allow_quoted_nulls = false, new_line = '\\n', max_line_size = {LONGEST}, columns = {{{spelled}}})"
            try:
                raw.execute(f"INSERT INTO {into} ({names}) SELECT {', '.join(taken)} FROM {read}")
            except self.errors() as error:
                raise self._blame(raw, error, [(name, known[name]) for name in columns], rows) from error

    def _blame(self, raw: Any, error: Exception, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> BadRow:
        """The first value that its column doesn't take. Looked for by another connection: the transaction is lost."""
        with closing(raw.cursor()) as cursor:
            for index, row in enumerate(rows):
                for (name, spelled), value in zip(columns, row, strict=True):
                    try:
                        cursor.execute(f"SELECT CAST(? AS {spelled})", [value])
                    except self.errors() as why:
                        return BadRow(self.message(why), index, name, value)
        return BadRow(self.message(error))

    def _insert(self, raw: Any, into: str, names: str, width: int, rows: Sequence[Row]) -> None:
        sql = f"INSERT INTO {into} ({names}) VALUES ({', '.join('?' * width)})"
        for index, row in enumerate(rows):
            try:
                raw.execute(sql, list(row))
            except self.errors() as error:
                raise BadRow(self.message(error), index) from error

    def prepare_copy(self, raw: Any) -> None:
        """UTC."""
        raw.execute("SET TimeZone = 'UTC'")


def _column(name: str, spelled: str, nullable: bool) -> Column:
    base = spelled.split("(")[0].upper()
    numbers = [int(n) for n in re.findall(r"\d+", spelled)] if base == "DECIMAL" else []
    kind = KINDS.get(base, "other")
    size: int | None = SIZES.get(base, 64 if kind == "int" else None)
    scale = numbers[1] if numbers else 0 if kind == "decimal" else None
    return Column(name, spelled, kind, numbers[0] if numbers else size, scale, nullable, False, "duckdb")


def _cell(value: Any) -> str:
    """As CSV: a text in quotes, nothing for NULL."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.hex() or '""'
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return as_text(value)


def _taken(number: int, spelled: str) -> str:
    """The expression for a column's value from its text."""
    return f"from_hex(c{number})" if spelled == "BLOB" else f"CAST(c{number} AS {spelled})"
