"""Oracle 18c and later, through python-oracledb in thin mode (extra `nomaflow[oracle]`), imported when a connector is opened.

Written from the driver's and server's manuals and not run against a server: try a copy on a test schema first.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, ClassVar

from connectors.definition import ConnectorError
from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._dialect import BadRow, Batches, Dialect, Row, Settings, whole_seconds
from connectors.kinds.sql._fit import Change, fit, utc_text
from connectors.kinds.sql._text import bare

KINDS = {
    "NUMBER": "decimal",
    "FLOAT": "decimal",
    "BINARY_FLOAT": "float",
    "BINARY_DOUBLE": "float",
    "DATE": "datetime",
    **dict.fromkeys(("VARCHAR2", "NVARCHAR2", "CHAR", "NCHAR", "CLOB", "NCLOB", "ROWID"), "text"),
    **dict.fromkeys(("RAW", "BLOB"), "bytes"),
    "JSON": "json",
}
FORMATS = {
    "datetime": "YYYY-MM-DD HH24:MI:SS",
    "datetime6": "YYYY-MM-DD HH24:MI:SS.FF9",
    "instant": "YYYY-MM-DD HH24:MI:SS.FF9TZH:TZM",
}


def driver() -> Any:
    """The `oracledb` package; ConnectorError saying what to install when there is none."""
    try:
        return import_module("oracledb")
    except ImportError as error:
        raise ConnectorError("Oracle's driver is missing. Install nomaflow[oracle].") from error


class Oracle(Dialect):
    """Oracle; `database` is the service name."""

    name = "oracle"
    label = "Oracle"
    paramstyle = "named"
    default_port = 1521
    runs_blocks = True
    add_column = "ADD"
    transactional_ddl = False
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {"tcp_connect_timeout": whole_seconds}

    def connect(self, settings: Settings, application: str) -> Any:
        """Connect in thin mode with numbers as Decimal and large objects as values."""
        oracledb = driver()
        oracledb.defaults.fetch_decimals = True
        oracledb.defaults.fetch_lobs = False
        raw = oracledb.connect(
            host=settings.get("host") or "localhost",
            port=settings.get("port") or self.default_port,
            service_name=settings.get("database"),
            user=settings.get("username"),
            password=settings.get("password"),
            program=application[:48],
            **{"tcp_connect_timeout": 10, **(settings.get("options") or {})},
        )
        raw.autocommit = True
        if settings.get("schema"):
            raw.current_schema = settings["schema"]
        return raw

    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's."""
        return (driver().Error,)

    def server_version(self, raw: Any) -> str:
        """From the connection."""
        return f"{self.label} {raw.version}"

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """The database's unique name and container."""
        sql = "SELECT sys_context('USERENV', 'DB_UNIQUE_NAME'), sys_context('USERENV', 'CON_ID') FROM dual"
        return (self.name, *self.execute(raw, sql).fetchone())

    def default_schema(self, raw: Any) -> str | None:
        """The current schema."""
        return str(self.execute(raw, "SELECT sys_context('USERENV', 'CURRENT_SCHEMA') FROM dual").fetchone()[0])

    def kill(self, raw: Any, settings: Settings) -> None:
        """Break off the running call."""
        try:
            raw.cancel()
        except Exception:
            pass

    def begin(self, raw: Any) -> None:
        """Oracle begins by itself."""
        raw.autocommit = False

    def commit(self, raw: Any) -> None:
        """Keep, and back to autocommit."""
        raw.commit()
        raw.autocommit = True

    def rollback(self, raw: Any) -> None:
        """Undo, and back to autocommit."""
        raw.rollback()
        raw.autocommit = True

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """From all_tab_cols; names are matched as they're written, which is upper case for most tables."""
        rows = self.execute(
            raw,
            "SELECT column_name, data_type, data_precision, data_scale, char_length, nullable, virtual_column, default_length "
            "FROM all_tab_cols WHERE owner = coalesce(:owner, sys_context('USERENV', 'CURRENT_SCHEMA')) "
            "AND table_name = :name AND hidden_column = 'NO' ORDER BY column_id",
            {"owner": name.schema, "name": name.table},
        ).fetchall()
        return [
            replace(_column(n, t, p, s, length, null == "Y", virtual == "YES"), filled=bool(default))
            for n, t, p, s, length, null, virtual, default in rows
        ]

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """From the description of the query without rows."""
        cursor = self.execute(raw, f"SELECT * FROM ({bare(sql)}) WHERE 1 = 0")
        return [
            _column(
                c[0], c[1].name.removeprefix("DB_TYPE_"), c[4] or None, c[5] if c[4] else None, c[3] or 0, True, False
            )
            for c in cursor.description
        ]

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """From all_constraints."""
        rows = self.execute(
            raw,
            "SELECT k.column_name FROM all_constraints c JOIN all_cons_columns k ON k.owner = c.owner "
            "AND k.constraint_name = c.constraint_name WHERE c.constraint_type = 'P' "
            "AND c.owner = coalesce(:owner, sys_context('USERENV', 'CURRENT_SCHEMA')) AND c.table_name = :name "
            "ORDER BY k.position",
            {"owner": name.schema, "name": name.table},
        ).fetchall()
        return [row[0] for row in rows]

    def referenced_by(self, raw: Any, name: TableName) -> list[str]:
        """From all_constraints."""
        rows = self.execute(
            raw,
            "SELECT DISTINCT f.table_name FROM all_constraints f JOIN all_constraints p ON p.owner = f.r_owner "
            "AND p.constraint_name = f.r_constraint_name WHERE f.constraint_type = 'R' "
            "AND p.owner = coalesce(:owner, sys_context('USERENV', 'CURRENT_SCHEMA')) AND p.table_name = :name",
            {"owner": name.schema, "name": name.table},
        ).fetchall()
        return [row[0] for row in rows]

    def type_name(self, column: Column, in_key: bool) -> str:
        """Oracle's nearest type; it keeps no difference between an empty text and NULL."""
        if column.kind == "decimal":
            return f"NUMBER({min(column.size, 38)},{column.scale or 0})" if column.size else "NUMBER"
        if column.kind in ("text", "other"):
            short = column.size if column.size and column.size <= 1000 else 255 if in_key else None
            return f"VARCHAR2({short} CHAR)" if short else "CLOB"
        return {
            "int": "NUMBER(19)",
            "float": "BINARY_DOUBLE",
            "bool": "NUMBER(1)",
            "date": "DATE",
            "time": "VARCHAR2(20)",
            "datetime": "TIMESTAMP(6)",
            "instant": "TIMESTAMP(6) WITH TIME ZONE",
            "json": "CLOB",
            "uuid": "VARCHAR2(36)",
            "bytes": "BLOB",
        }[column.kind]

    def selected(self, column: Column) -> str:
        """Times as ISO texts."""
        quoted = self.quote(column.name)
        if column.kind not in ("datetime", "instant"):
            return quoted
        pattern = FORMATS["datetime" if column.type == "DATE" else "datetime6"]
        return f"to_char({quoted}, '{FORMATS['instant'] if column.kind == 'instant' else pattern}') AS {quoted}"

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """With array fetches."""
        cursor = raw.cursor()
        cursor.arraysize = cursor.prefetchrows = min(batch_size, 10_000)
        cursor.execute(sql)
        while batch := cursor.fetchmany(batch_size):
            yield batch

    def adapter(self, source: Column, target: Column) -> Change | None:
        """Texts of times are read by the session's formats, see `prepare_copy`."""
        check = fit(source, target)

        def change(value: Any) -> Any:
            value = check(value) if check else value
            return utc_text(value) if target.kind == "datetime" and isinstance(value, str) else value

        return change

    def prepare_copy(self, raw: Any) -> None:
        """ISO formats and UTC."""
        self.execute(
            raw,
            "ALTER SESSION SET time_zone = '+00:00' nls_date_format = 'YYYY-MM-DD HH24:MI:SS' "
            "nls_timestamp_format = 'YYYY-MM-DD HH24:MI:SS.FF9' "
            "nls_timestamp_tz_format = 'YYYY-MM-DD HH24:MI:SS.FF9TZH:TZM' nls_numeric_characters = '.,'",
        )

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """Array binds."""
        marks = ", ".join(f":{i + 1}" for i in range(len(columns)))
        try:
            raw.cursor().executemany(f"INSERT INTO {into} ({self.names(columns)}) VALUES ({marks})", list(rows))
        except self.errors() as error:
            raise BadRow(self.message(error), getattr(error.args[0], "offset", None)) from error

    def stage(self, raw: Any, name: TableName, columns: Sequence[str], stash: str) -> str:
        """A private temporary table; making one doesn't commit."""
        quoted = "ORA$PTT" + stash
        select = f"SELECT {self.names(columns)} FROM {self.table(name)} WHERE 1 = 0"
        self.execute(raw, f"CREATE PRIVATE TEMPORARY TABLE {quoted} ON COMMIT PRESERVE DEFINITION AS {select}")
        return quoted

    def first_rows(self, ordered: str, count: int) -> str:
        """Since 12c."""
        return f"{ordered} FETCH FIRST {count} ROWS ONLY"

    def one_row(self, table: str) -> str:
        """Oracle's spelling."""
        return f"SELECT 1 FROM {table} FETCH FIRST 1 ROWS ONLY"

    def differs(self, column: Column, left: str, right: str) -> str:
        """DECODE takes two NULLs for equal; large objects are compared by their contents."""
        if column.type in ("CLOB", "NCLOB", "BLOB"):
            return f"(dbms_lob.compare({left}, {right}) <> 0 OR DECODE(length({left}), length({right}), 0, 1) = 1)"
        return f"DECODE({left}, {right}, 0, 1) = 1"

    def update_from(self, table: str, stash: str, sets: str, match: str, changed: str) -> str:
        """A MERGE that only updates."""
        return f"MERGE INTO {table} t USING {stash} s ON ({match}) WHEN MATCHED THEN UPDATE SET {sets} WHERE {changed}"

    def delete_where(self, table: str, condition: str) -> str:
        """Oracle's aliases take no AS."""
        return f"DELETE FROM {table} t WHERE {condition}"

    def update_where(self, table: str, sets: str, condition: str) -> str:
        """Oracle's aliases take no AS."""
        return f"UPDATE {table} t SET {sets} WHERE {condition}"


def _column(
    name: str, data: str, precision: int | None, scale: int | None, length: int, nullable: bool, virtual: bool
) -> Column:
    base = data.split("(")[0]
    kind = KINDS.get(base, "other")
    if base.startswith("TIMESTAMP"):
        kind, scale = ("instant" if "TIME ZONE" in data or base.endswith("TZ") else "datetime"), 9
    size = {"BINARY_FLOAT": 32, "BINARY_DOUBLE": 64}.get(base, precision if kind == "decimal" else None)
    if kind == "text" and length:
        size = length
    kept = scale if kind in ("decimal", "instant", "datetime") else None
    return Column(name, data, kind, size, kept, nullable, virtual, "oracle")
