"""MariaDB 10.5 and later, MySQL 8, through PyMySQL.

| kind     | type made for a new table |
|----------|---------------------------|
| int      | SMALLINT, INT, BIGINT by size |
| decimal  | DECIMAL with precision and scale; DECIMAL(65,30) when they're unknown |
| float    | FLOAT, DOUBLE |
| bool     | BOOLEAN (a TINYINT: 0 and 1) |
| date, time, datetime | DATE, TIME(6), DATETIME(6) |
| instant  | TIMESTAMP(6): 1970 to 2038 only; make the table with DATETIME(6) for others, it will hold UTC |
| text     | VARCHAR up to 255 characters, LONGTEXT; VARCHAR(255) in a key |
| json, uuid, bytes | JSON, CHAR(36), LONGBLOB (VARBINARY(255) in a key) |
| other    | LONGTEXT |

New tables compare text byte by byte, so that keys that differ only in case or accents stay two keys; a column of another
MariaDB or MySQL keeps its type and its way of comparing.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import pymysql
from pymysql.constants import FIELD_TYPE
from pymysql.converters import conversions

from connectors.kinds.sql._column import Column, Misfit, TableName
from connectors.kinds.sql._dialect import BadRow, Batches, Dialect, Row, Settings, text_options, whole_seconds, yes_no
from connectors.kinds.sql._fit import Change, fit, utc_text
from connectors.kinds.sql._mysql_checksum import MySQLChecksum
from connectors.kinds.sql._mysql_infile import Loading, copy_infile, loads_exactly
from connectors.kinds.sql._mysql_rows import Unbuffered, statements, zoned
from connectors.kinds.sql._mysql_rules import ruled
from connectors.kinds.sql._mysql_swap import MySQLSwap
from connectors.kinds.sql._mysql_types import column_of, column_of_result, type_for
from connectors.kinds.sql._route import Route, copy_inside
from connectors.kinds.sql._rule import Rule
from connectors.kinds.sql._staging import stash_of
from connectors.kinds.sql._text import bare

DATES = (FIELD_TYPE.DATE, FIELD_TYPE.TIME, FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP)
COLUMN_AT_ROW = re.compile(r"column (?:`[^`]*`\.)*[`'](.+?)[`'] at row (\d+)")
# Warnings that say nothing about a value: "unsafe for statement-based replication".
HARMLESS = frozenset({1592})
COLLATION_OF_ANOTHER_SET = 1253


class MySQL(Dialect):
    """MariaDB and MySQL."""

    name = "mysql"
    label = "MariaDB/MySQL"
    aliases = ("mariadb",)
    default_port = 3306
    quotes = ("`", "`")
    transactional_ddl = False
    begin_sql = "START TRANSACTION"
    swap = MySQLSwap
    checksum = MySQLChecksum
    keeps_previous = True
    routes: ClassVar[dict[str, Route]] = {
        "inside": Route(copy_inside, reads_itself=True),
        "infile": Route(copy_infile, loads_exactly),
    }
    # Not here on purpose: local_infile, read_default_file, init_command, unix_socket.
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "connect_timeout": whole_seconds,
        "read_timeout": whole_seconds,
        "write_timeout": whole_seconds,
        "ssl_verify_cert": yes_no,
        "ssl_verify_identity": yes_no,
        **text_options("ssl_ca ssl_cert ssl_key"),
    }

    def connect(self, settings: Settings, application: str) -> Any:
        """Connect in strict mode: a value that doesn't fit is an error, not a warning."""
        raw = self._plain(settings, application, 10)
        try:
            with raw.cursor() as cursor:
                cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
                if settings.get("read_only"):
                    cursor.execute("SET SESSION TRANSACTION READ ONLY")
        except BaseException:
            raw.close()
            raise
        return raw

    def _plain(self, settings: Settings, application: str, timeout: int) -> Any:
        options: dict[str, Any] = {"connect_timeout": timeout, **(settings.get("options") or {})}
        # LOCAL INFILE lets a server ask for any file of this machine: only the class that opens none takes it.
        bulk = bool(settings.get("bulk"))
        kind = Loading if bulk else pymysql.Connection
        return kind(
            local_infile=bulk,
            host=settings.get("host") or "localhost",
            port=settings.get("port") or self.default_port,
            database=settings.get("schema") or settings.get("database") or None,
            user=settings.get("username") or None,
            password=settings.get("password") or "",
            charset="utf8mb4",
            autocommit=True,
            program_name=application,
            **options,
        )

    def errors(self) -> tuple[type[Exception], ...]:
        """PyMySQL's, and what its client-side quoting can raise."""
        return (pymysql.Error, pymysql.Warning, UnicodeEncodeError)

    def message(self, error: Exception) -> str:
        """The server's text with its number."""
        if len(error.args) >= 2 and isinstance(error.args[0], int):
            return f"{error.args[1]} (error {error.args[0]})"
        return str(error) or type(error).__name__

    def is_lost(self, raw: Any, error: Exception) -> bool:
        """PyMySQL closes the socket of a connection that has broken off; 1927 is what the server says to one that it kills."""
        return not raw.open or bool(error.args and error.args[0] in (1927, 2006, 2013))

    def server_version(self, raw: Any) -> str:
        """MariaDB prefixes and suffixes its number with its name."""
        version = str(raw.get_server_info())
        if "MariaDB" in version:
            return "MariaDB " + version.removeprefix("5.5.5-").split("-")[0]
        return "MySQL " + version.split("-")[0]

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """Host, port and data folder of the server."""
        return (self.name, *self._rows(raw, "SELECT @@hostname, @@port, @@datadir")[0])

    def shares(self, source: Any, target: Any, named: bool) -> bool:
        """One user and, for what has no schema, one database; and a lock taken by one session is seen by the other.

        Names and folders can't tell two servers in containers apart.
        """
        lock = f"nomaflow_{secrets.token_hex(16)}"
        try:
            if not self._rows(source, "SELECT GET_LOCK(%s, 0)", [lock])[0][0]:
                return False
            holder = self._rows(target, "SELECT IS_USED_LOCK(%s)", [lock])[0][0]
        finally:
            self._rows(source, "SELECT RELEASE_LOCK(%s)", [lock])
        who = "SELECT CURRENT_USER(), DATABASE()"
        one, other = (self._rows(raw, who)[0] for raw in (source, target))
        proven = holder == source.thread_id() and self._logs_rows(target)
        return proven and one[: 1 if named else 2] == other[: 1 if named else 2]

    def default_schema(self, raw: Any) -> str | None:
        """The connection's database."""
        found = self._rows(raw, "SELECT DATABASE()")[0][0]
        return str(found) if found else None

    def kill(self, raw: Any, settings: Settings) -> None:
        """KILL QUERY from a second connection: a server in the middle of a statement doesn't notice that its client is gone."""
        try:
            other = self._plain(
                {**settings, "bulk": False, "options": _without_timeouts(settings)}, "nomaflow cancel", 1
            )
            try:
                other.cursor().execute(f"KILL QUERY {int(raw.thread_id())}")
            finally:
                other.close()
        except Exception:
            pass

    def open_stream(self, raw: Any, sql: str, bound: Any, in_transaction: bool) -> Any:
        """Unbuffered; inside a transaction buffered, because the protocol allows no other statement before the last row."""
        if in_transaction:
            return self.execute(raw, sql, bound)
        cursor = raw.cursor(Unbuffered)
        cursor.execute(sql, bound)
        return cursor

    def prepare_copy(self, raw: Any) -> None:
        """UTC, every change of a value reported, 0 kept in AUTO_INCREMENT columns, zero dates as they are."""
        modes = str(self._rows(raw, "SELECT @@sql_mode")[0][0]).split(",")
        kept = [mode for mode in modes if mode and not mode.startswith("NO_ZERO_")]
        mode = ",".join([*kept, "STRICT_ALL_TABLES", "NO_AUTO_VALUE_ON_ZERO"])
        self._rows(
            raw,
            f"SET SESSION time_zone = '+00:00', sql_mode = '{mode}', sql_notes = 1, net_write_timeout = 3600, "
            "net_read_timeout = 3600",
        )
        if self._logs_rows(raw):
            self._rows(raw, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def _logs_rows(self, raw: Any) -> bool:
        """Whether a statement may read what others are changing: otherwise INSERT ... SELECT locks every row that it reads."""
        return bool(self._rows(raw, "SELECT @@log_bin = 0 OR @@binlog_format <> 'STATEMENT'")[0][0])

    def _rows(self, raw: Any, sql: str, bound: Any = None) -> Any:
        with raw.cursor() as cursor:
            cursor.execute(sql, bound)
            return cursor.fetchall()

    # --- catalogue --------------------------------------------------------------------------------------------------

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """From information_schema."""
        rows = self._rows(
            raw,
            "SELECT column_name, column_type, data_type, is_nullable, character_maximum_length, numeric_precision, "
            "numeric_scale, datetime_precision, extra, column_default, collation_name FROM information_schema.columns "
            "WHERE table_schema = COALESCE(%s, DATABASE()) AND table_name = %s ORDER BY ordinal_position",
            [name.schema, name.table],
        )
        return [
            column_of(
                column,
                native,
                data,
                "unsigned" in native,
                length if data in ("char", "varchar", "binary", "varbinary") else precision,
                scale if scale is not None else digits,
                nullable == "YES",
                "GENERATED" in extra.upper() and "DEFAULT_GENERATED" not in extra.upper(),
                # MariaDB writes NULL as a word.
                "auto_increment" in extra or default not in (None, "NULL"),
                collation or "",
            )
            for column, native, data, nullable, length, precision, scale, digits, extra, default, collation in rows
        ]

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """From the result's own description."""
        with raw.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({bare(sql)}) AS q LIMIT 0")
            return [column_of_result(field) for field in cursor._result.fields]

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """From information_schema."""
        rows = self._rows(
            raw,
            "SELECT column_name FROM information_schema.key_column_usage WHERE constraint_name = 'PRIMARY' "
            "AND table_schema = COALESCE(%s, DATABASE()) AND table_name = %s ORDER BY ordinal_position",
            [name.schema, name.table],
        )
        return [row[0] for row in rows]

    def referenced_by(self, raw: Any, name: TableName) -> list[str]:
        """From information_schema; InnoDB checks row by row, so a table's references to itself count too."""
        rows = self._rows(
            raw,
            "SELECT DISTINCT table_name FROM information_schema.key_column_usage "
            "WHERE referenced_table_schema = COALESCE(%s, DATABASE()) AND referenced_table_name = %s ORDER BY 1",
            [name.schema, name.table],
        )
        return [row[0] for row in rows]

    def tables(self, raw: Any, schema: str | None, prefix: str) -> list[str]:
        """From information_schema."""
        sql = (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = COALESCE(%s, DATABASE()) "
            "AND LEFT(table_name, %s) = %s ORDER BY 1"
        )
        return [row[0] for row in self._rows(raw, sql, [schema, len(prefix), prefix])]

    def has_type(self, raw: Any, column: Column) -> bool:
        """A server may lack the way in which another compares texts."""
        try:
            self._rows(raw, f"SELECT '' COLLATE {column.collation}" if column.collation else "SELECT 1")
        except pymysql.Error as error:
            # That it isn't one of the connection's character set says that it's known.
            return bool(error.args[0] == COLLATION_OF_ANOTHER_SET)
        return True

    def type_name(self, column: Column, in_key: bool) -> str:
        """See the table at the top of this module."""
        return type_for(column, in_key)

    # --- copying ----------------------------------------------------------------------------------------------------

    def selected(self, column: Column) -> str:
        """A FLOAT is sent with six digits unless it's made a DOUBLE first."""
        quoted = self.quote(column.name)
        return f"CAST({quoted} AS DOUBLE) AS {quoted}" if column.kind == "float" and column.size == 32 else quoted

    def ruled(self, column: Column, rule: Rule) -> str | None:
        """Of whole numbers, decimals and texts."""
        return ruled(column, rule, self.quote(column.name))

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """Unbuffered, times as the server's texts: Python's own types know no zero date and no year beyond 9999."""
        exact = {code: convert for code, convert in conversions.items() if code not in DATES}
        raw.decoders = {**exact, FIELD_TYPE.BIT: lambda data: int.from_bytes(data, "big")}
        instants = [index for index, column in enumerate(columns) if column.kind == "instant"]
        cursor = raw.cursor(Unbuffered)
        cursor.execute(sql)
        while batch := cursor.fetchmany(batch_size):
            yield [zoned(row, instants) for row in batch] if instants else batch
        cursor.close()

    def adapter(self, source: Column, target: Column) -> Change | None:
        """Instants are written as UTC; NaN, infinities and true/false are not what the server's literals know."""
        check = fit(source, target)
        if source.dialect == self.name and target.kind != "instant" and target.kind != "datetime":
            return check
        moment = target.kind in ("datetime", "instant")

        def change(value: Any) -> Any:
            if check is not None:
                value = check(value)
            if moment and isinstance(value, str):
                return utc_text(value)
            if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
                raise Misfit("MariaDB and MySQL have no such number")
            return int(value) if isinstance(value, bool) else value

        return change

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """INSERTs of many rows each; any warning about a value is a refusal."""
        head = f"INSERT INTO {into} ({self.names(columns)}) VALUES "
        literal, start = raw.escape, 0
        with raw.cursor() as cursor:
            for count, values in statements(rows, literal):
                try:
                    cursor.execute(head + values)
                    self.check_warnings(raw, cursor)
                except (pymysql.Error, BadRow) as error:
                    raise self._bad_row(error, columns, rows, start) from error
                start += count

    def _bad_row(self, error: Exception, columns: Sequence[str], rows: Sequence[Row], start: int) -> Exception:
        message = error.message if isinstance(error, BadRow) else self.message(error)
        match = COLUMN_AT_ROW.search(message)
        if match is None:
            return BadRow(message)
        index = start + int(match[2]) - 1
        known = match[1] in columns and index < len(rows)
        return BadRow(message, index, match[1], rows[index][list(columns).index(match[1])] if known else None)

    def check_warnings(self, raw: Any, cursor: Any) -> None:
        """The server rounds and cuts with a note even in strict mode: that's a silent change, so it's refused."""
        if cursor.warning_count:
            said = [text for _, code, text in raw.show_warnings() or () if code not in HARMLESS]
            if said:
                raise BadRow("; ".join(said[:3]))

    def stash_table(self, name: TableName, stash: str) -> TableName:
        """Beside the target: a temporary table needs a database to live in."""
        return TableName(name.schema, stash)

    def unstage(self, raw: Any, stash: str) -> None:
        """Drop a staging table without ending the transaction."""
        self.execute(raw, f"DROP TEMPORARY TABLE {stash}")

    def lock_target(self, raw: Any, name: TableName) -> bool:
        """A named lock of the server, held until the connection ends."""
        return bool(self._rows(raw, "SELECT GET_LOCK(%s, 0)", [stash_of(name)])[0][0])

    def differs(self, column: Column, left: str, right: str) -> str:
        """Byte by byte: most collations take `a` for `A`."""
        if column.kind in ("text", "json", "uuid", "other"):
            left, right = f"CAST({left} AS BINARY)", f"CAST({right} AS BINARY)"
        return f"NOT ({left} <=> {right})"

    def update_from(self, table: str, stash: str, sets: str, match: str, changed: str) -> str:
        """A joined UPDATE."""
        return f"UPDATE {table} AS t JOIN {stash} AS s ON {match} SET {sets} WHERE {changed}"

    def set_clause(self, column: str) -> str:
        """With the table's alias, both sides have the column."""
        return f"t.{self.quote(column)} = s.{self.quote(column)}"

    def delete_where(self, table: str, condition: str) -> str:
        """The form of DELETE that takes an alias."""
        return f"DELETE t FROM {table} AS t WHERE {condition}"


def _without_timeouts(settings: Settings) -> dict[str, Any]:
    options = settings.get("options") or {}
    return {name: value for name, value in options.items() if not name.endswith("_timeout")}
