"""SQL Server 2017 and later, through mssql-python (extra `nomaflow[mssql]`), imported when a connector is opened.

Written from the driver's and server's manuals and not run against a server: try a copy on a test database first.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, ClassVar

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._dialect import BadRow, Batches, Dialect, Row, Settings, one_of, yes_no
from connectors.kinds.sql._text import bare

KINDS = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "int"),
    **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), "decimal"),
    **dict.fromkeys(("real", "float"), "float"),
    "bit": "bool",
    "date": "date",
    "time": "time",
    **dict.fromkeys(("datetime", "datetime2", "smalldatetime"), "datetime"),
    "datetimeoffset": "instant",
    **dict.fromkeys(("char", "varchar", "nchar", "nvarchar", "text", "ntext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "image"), "bytes"),
    "uniqueidentifier": "uuid",
}
SIZES = {"tinyint": 16, "smallint": 16, "int": 32, "bigint": 64, "real": 32, "float": 64}


def driver() -> Any:
    """The `mssql_python` package; ConnectorError saying what to install when there is none."""
    try:
        return import_module("mssql_python")
    except ImportError as error:
        raise ConnectorError("SQL Server's driver is missing. Install nomaflow[mssql].") from error


class SQLServer(Dialect):
    """SQL Server."""

    name = "mssql"
    label = "SQL Server"
    paramstyle = "qmark"
    add_column = "ADD"
    default_port = 1433
    quotes = ("[", "]")
    begin_sql = "BEGIN TRANSACTION"
    runs_blocks = True
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "Encrypt": one_of("yes", "strict"),
        "TrustServerCertificate": yes_no,
    }

    def connect(self, settings: Settings, application: str) -> Any:
        """Connect by a connection string in which every value is braced, so that none of them can add a keyword."""
        port = settings.get("port") or self.default_port
        parts = {
            "SERVER": f"{settings.get('host') or 'localhost'},{port}",
            "DATABASE": settings.get("database"),
            "UID": settings.get("username"),
            "PWD": settings.get("password"),
            "APP": application[:128],
            "Encrypt": "yes",
            **{
                k: ("yes" if v else "no") if isinstance(v, bool) else v
                for k, v in (settings.get("options") or {}).items()
            },
        }
        text = ";".join(f"{key}={_braced(str(value))}" for key, value in parts.items() if value)
        return driver().connect(text, autocommit=True)

    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's."""
        return (driver().Error,)

    def server_version(self, raw: Any) -> str:
        """From the server."""
        version = self.execute(raw, "SELECT CAST(SERVERPROPERTY('ProductVersion') AS varchar(50))").fetchone()[0]
        return f"{self.label} {version}"

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """Server, and the database's own id."""
        return (self.name, *self.execute(raw, "SELECT @@SERVERNAME, DB_NAME()").fetchone())

    def default_schema(self, raw: Any) -> str | None:
        """The user's."""
        return str(self.execute(raw, "SELECT SCHEMA_NAME()").fetchone()[0])

    def kill(self, raw: Any, settings: Settings) -> None:
        """Closing the connection ends its statement: the server gets an attention signal."""
        try:
            raw.close()
        except Exception:
            pass

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """From sys.columns."""
        rows = self.execute(
            raw,
            "SELECT c.default_object_id, c.is_identity, "
            "c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, c.is_computed "
            "FROM sys.columns c JOIN sys.types t ON t.user_type_id = c.system_type_id "
            "WHERE c.object_id = OBJECT_ID(?) ORDER BY c.column_id",
            [self.table(name)],
        ).fetchall()
        return [replace(_column(*row), filled=bool(default or identity)) for default, identity, *row in rows]

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """From sp_describe_first_result_set's function."""
        rows = self.execute(
            raw,
            "SELECT c.name, t.name, c.max_length, c.precision, c.scale, c.is_nullable, 0 "
            "FROM sys.dm_exec_describe_first_result_set(?, NULL, 0) c "
            "JOIN sys.types t ON t.user_type_id = c.system_type_id WHERE c.is_hidden = 0 ORDER BY c.column_ordinal",
            [bare(sql)],
        ).fetchall()
        return [_column(*row) for row in rows]

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """From sys.indexes."""
        rows = self.execute(
            raw,
            "SELECT c.name FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id "
            "AND k.index_id = i.index_id JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id "
            "WHERE i.is_primary_key = 1 AND i.object_id = OBJECT_ID(?) ORDER BY k.key_ordinal",
            [self.table(name)],
        ).fetchall()
        return [row[0] for row in rows]

    def referenced_by(self, raw: Any, name: TableName) -> list[str]:
        """From sys.foreign_keys."""
        sql = (
            "SELECT DISTINCT OBJECT_NAME(parent_object_id) FROM sys.foreign_keys "
            "WHERE referenced_object_id = OBJECT_ID(?) AND parent_object_id <> referenced_object_id"
        )
        return [row[0] for row in self.execute(raw, sql, [self.table(name)]).fetchall()]

    def type_name(self, column: Column, in_key: bool) -> str:
        """SQL Server's nearest type."""
        if column.kind == "decimal":
            return f"decimal({min(column.size, 38)},{column.scale or 0})" if column.size else "decimal(38,18)"
        if column.kind in ("text", "json", "other"):
            short = column.size if column.size and column.size <= 4000 else 255 if in_key else None
            return f"nvarchar({short or 'max'})"
        return {
            "int": {16: "smallint", 32: "int"}.get(column.size or 64, "bigint"),
            "float": "real" if column.size == 32 else "float",
            "bool": "bit",
            "date": "date",
            "time": "time(6)",
            "datetime": "datetime2(6)",
            "instant": "datetimeoffset(6)",
            "uuid": "uniqueidentifier",
            "bytes": "varbinary(255)" if in_key else "varbinary(max)",
        }[column.kind]

    def selected(self, column: Column) -> str:
        """Times as ISO texts."""
        quoted = self.quote(column.name)
        if column.kind in ("date", "time", "datetime", "instant", "uuid"):
            return f"CONVERT(varchar(40), {quoted}, 121) AS {quoted}"
        return quoted

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """In batches."""
        cursor = raw.cursor()
        cursor.execute(sql)
        while batch := cursor.fetchmany(batch_size):
            yield [tuple(row) for row in batch]

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """Array binds."""
        marks = ", ".join("?" * len(columns))
        try:
            raw.cursor().executemany(f"INSERT INTO {into} ({self.names(columns)}) VALUES ({marks})", list(rows))
        except self.errors() as error:
            raise BadRow(self.message(error)) from error

    def stash_table(self, name: TableName, stash: str) -> TableName:
        """A local temporary table."""
        return TableName(None, f"#{stash}")

    def one_row(self, table: str) -> str:
        """SQL Server's spelling."""
        return f"SELECT TOP 1 1 FROM {table}"

    def stage(self, raw: Any, name: TableName, columns: Sequence[str], stash: str) -> str:
        """The UNION keeps an identity property out of the copy."""
        quoted = self.table(self.stash_table(name, stash))
        select = f"SELECT {self.names(columns)} FROM {self.table(name)} WHERE 1 = 0"
        self.execute(raw, f"SELECT * INTO {quoted} FROM ({select} UNION ALL {select}) AS q")
        return quoted

    def first_rows(self, ordered: str, count: int) -> str:
        """Since 2012."""
        return f"{ordered} OFFSET 0 ROWS FETCH NEXT {count} ROWS ONLY"

    def lock_target(self, raw: Any, name: TableName) -> bool:
        """An application lock until the transaction ends."""
        sql = (
            "DECLARE @got int; EXEC @got = sp_getapplock @Resource = ?, @LockMode = 'Exclusive', @LockTimeout = 0; "
            "SELECT @got"
        )
        return int(self.execute(raw, sql, [f"nomaflow copy into {name}"[:255]]).fetchone()[0]) >= 0

    def differs(self, column: Column, left: str, right: str) -> str:
        """EXISTS ... EXCEPT tells NULLs apart; text byte by byte."""
        if column.kind in ("text", "json"):
            left, right = f"CAST({left} AS varbinary(max))", f"CAST({right} AS varbinary(max))"
        return f"EXISTS (SELECT {left} EXCEPT SELECT {right})"

    def update_from(self, table: str, stash: str, sets: str, match: str, changed: str) -> str:
        """A joined UPDATE."""
        return f"UPDATE t SET {sets} FROM {table} AS t JOIN {stash} AS s ON {match} WHERE {changed}"

    def delete_where(self, table: str, condition: str) -> str:
        """The form of DELETE that takes an alias."""
        return f"DELETE t FROM {table} AS t WHERE {condition}"

    def update_where(self, table: str, sets: str, condition: str) -> str:
        """The form of UPDATE that takes an alias."""
        return f"UPDATE t SET {sets} FROM {table} AS t WHERE {condition}"


def _braced(value: str) -> str:
    return "{" + value.replace("}", "}}") + "}"


def _column(name: str, data: str, length: int, precision: int, scale: int, nullable: Any, computed: Any) -> Column:
    kind = KINDS.get(data, "other")
    size: int | None = SIZES.get(data)
    if kind == "decimal":
        size = precision
    elif kind in ("text", "bytes") and data not in ("text", "ntext", "image") and length > 0:
        size = length // 2 if data.startswith("n") else length
    kept = scale if kind in ("decimal", "time", "datetime", "instant") else None
    return Column(name, data, kind, size, kept, bool(nullable), bool(computed), "mssql")
