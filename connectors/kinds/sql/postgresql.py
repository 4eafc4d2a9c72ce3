"""PostgreSQL 12 and later, through psycopg 3.

| kind     | type made for a new table |
|----------|---------------------------|
| int      | smallint, integer, bigint by size |
| decimal  | numeric, with precision and scale when known |
| float    | real, double precision |
| bool     | boolean |
| date, time, datetime, instant | date, time, timestamp, timestamptz |
| text     | varchar with its length, text |
| json, uuid, bytes | json, uuid, bytea |
| other    | text |

Rows are read and written with COPY in text format: every type of the server survives, also those that Python has no value
for (infinity, intervals, years BC).
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, ClassVar

import psycopg

from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._dialect import (
    Batches,
    Dialect,
    Row,
    Settings,
    one_of,
    text_options,
    whole_seconds,
)
from connectors.kinds.sql._postgresql_checksum import PostgreSQLChecksum
from connectors.kinds.sql._postgresql_copy import bad_row, copy_binary, copy_text, into_table, same_binary
from connectors.kinds.sql._postgresql_lines import copy_lines, has_line
from connectors.kinds.sql._postgresql_rows import Chunks, converted
from connectors.kinds.sql._postgresql_rules import ruled
from connectors.kinds.sql._postgresql_swap import PostgreSQLSwap
from connectors.kinds.sql._postgresql_types import FROM_TEXT, column_of, type_for
from connectors.kinds.sql._route import Route, copy_inside
from connectors.kinds.sql._rule import Rule
from connectors.kinds.sql._text import bare, only_reads

# In seconds: a dead network is noticed within a minute.
KEEPALIVES = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


class PostgreSQL(Dialect):
    """PostgreSQL."""

    name = "postgresql"
    label = "PostgreSQL"
    aliases = ("postgres",)
    default_port = 5432
    overriding = "OVERRIDING SYSTEM VALUE"
    swap = PostgreSQLSwap
    checksum = PostgreSQLChecksum
    keeps_previous = True
    freezes = True
    routes: ClassVar[dict[str, Route]] = {
        "inside": Route(copy_inside, reads_itself=True),
        "binary": Route(copy_binary, same_binary),
        "text": Route(copy_text),
        "lines": Route(copy_lines, has_line),
    }
    # Not here on purpose: service, passfile, options, hostaddr and whatever else leads a connection somewhere else.
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "sslmode": one_of("allow", "prefer", "require", "verify-ca", "verify-full"),
        "connect_timeout": whole_seconds,
        "target_session_attrs": one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
        "channel_binding": one_of("prefer", "require"),
        "gssencmode": one_of("disable", "prefer", "require"),
        **text_options("sslrootcert sslcert sslkey sslcrl krbsrvname"),
    }

    def connect(self, settings: Settings, application: str) -> Any:
        """Connect with keepalives; the server notices within a second when this process is gone."""
        driver_settings: dict[str, Any] = {**KEEPALIVES, **(settings.get("options") or {})}
        raw = psycopg.connect(
            host=settings.get("host") or None,
            port=settings.get("port") or None,
            dbname=settings.get("database") or None,
            user=settings.get("username") or None,
            password=settings.get("password") or None,
            application_name=application[:63],
            autocommit=True,
            client_encoding="UTF8",
            **driver_settings,
        )
        try:
            raw.execute("; ".join(self._session_settings(raw, settings)))  # type: ignore[arg-type]
        except BaseException:
            raw.close()
            raise
        return raw

    def _session_settings(self, raw: Any, settings: Settings) -> Iterator[str]:
        yield "SET standard_conforming_strings = on"
        if raw.info.server_version >= 140000:
            yield "SET client_connection_check_interval = '1s'"
        if settings.get("schema"):
            yield f"SET search_path TO {self.quote(settings['schema'])}, public"
        if settings.get("read_only"):
            yield "SET default_transaction_read_only = on"

    def errors(self) -> tuple[type[Exception], ...]:
        """psycopg's."""
        return (psycopg.Error,)

    def is_lost(self, raw: Any, error: Exception) -> bool:
        """As psycopg has noticed."""
        return bool(raw.closed)

    def server_version(self, raw: Any) -> str:
        """From the connection's start packet."""
        return f"{self.label} {raw.info.parameter_status('server_version').split(' ')[0]}"

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """Start time of the server (to the microsecond) and the database's oid: readable without any right."""
        sql = "SELECT pg_postmaster_start_time()::text, oid::bigint FROM pg_database WHERE datname = current_database()"
        return (self.name, *raw.execute(sql).fetchone())

    def shares(self, source: Any, target: Any, named: bool) -> bool:
        """One database, one user (row security and views look at who asks), and one search path for what has no schema."""

        def seen(raw: Any) -> tuple[Any, ...]:
            who = raw.execute("SELECT session_user, current_user, current_setting('search_path')").fetchone()
            return (*self.identity(raw), *who[: 2 if named else 3])

        return seen(source) == seen(target)

    def resolve(self, raw: Any, name: TableName) -> TableName:
        """Through the search path."""
        row = raw.execute(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.oid = to_regclass(%s)",
            [self.table(name)],
        ).fetchone()
        return TableName(*row) if row else super().resolve(raw, name)

    def default_schema(self, raw: Any) -> str | None:
        """The first schema of the search path that exists."""
        return str(raw.execute("SELECT current_schema()").fetchone()[0])

    def kill(self, raw: Any, settings: Settings) -> None:
        """Cancel what the connection's backend is doing."""
        try:
            raw.cancel_safe(timeout=1.0)
        except Exception:
            pass

    def open_stream(self, raw: Any, sql: str, bound: Any, in_transaction: bool) -> Any:
        """Chunks as the server sends them; a cursor on the server inside a transaction, where other statements may come between."""
        if not only_reads(sql):
            return self.execute(raw, sql, bound)
        if in_transaction:
            cursor = raw.cursor(name="nomaflow_stream")
            return cursor.execute(sql, bound)
        return Chunks(raw.cursor(), sql, bound)

    def prepare_copy(self, raw: Any) -> None:
        """ISO dates in UTC, shortest exact floats."""
        raw.execute(
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'postgres'; "
            "SET bytea_output = 'hex'; SET extra_float_digits = 1"
        )

    def ruled(self, column: Column, rule: Rule) -> str | None:
        """Of every type whose values are what they look like."""
        return ruled(column, rule, self.quote(column.name))

    # --- catalogue --------------------------------------------------------------------------------------------------

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """From pg_attribute; a domain counts as the type under it."""
        rows = raw.execute(
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod), "
            "format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), "
            "            CASE WHEN t.typbasetype <> 0 THEN t.typtypmod ELSE a.atttypmod END), "
            "a.attnotnull, a.attgenerated <> '', a.atthasdef OR a.attidentity <> '' "
            "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
            "WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            [self.table(name)],
        ).fetchall()
        return [column_of(n, kind, native, not full, made, filled) for n, native, kind, full, made, filled in rows]

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """What the server's planner says, types with their modifiers."""
        cursor = raw.execute(f"SELECT * FROM ({bare(sql)}) AS q LIMIT 0")
        names = [column.name for column in cursor.description]
        types = [column.type_code for column in cursor.description]
        modifiers = [cursor.pgresult.fmod(i) for i in range(len(names))]
        spelled = raw.execute(
            "SELECT format_type(oid, mod) FROM unnest(%s::oid[], %s::int[]) WITH ORDINALITY AS q(oid, mod, at) ORDER BY at",
            [types, modifiers],
        ).fetchall()
        return [column_of(name, kind, kind) for name, (kind,) in zip(names, spelled, strict=True)]

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """From pg_index."""
        rows = raw.execute(
            "SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, at) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum "
            "WHERE i.indrelid = to_regclass(%s) AND i.indisprimary ORDER BY k.at",
            [self.table(name)],
        ).fetchall()
        return [row[0] for row in rows]

    def referenced_by(self, raw: Any, name: TableName) -> list[str]:
        """From pg_constraint; a table's references to itself don't count, they are checked when a statement ends."""
        rows = raw.execute(
            "SELECT DISTINCT conrelid::regclass::text FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid = to_regclass(%s) AND conrelid <> confrelid ORDER BY 1",
            [self.table(name)],
        ).fetchall()
        return [row[0] for row in rows]

    def tables(self, raw: Any, schema: str | None, prefix: str) -> list[str]:
        """From pg_tables."""
        sql = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND starts_with(tablename, %s) ORDER BY 1"
        return [row[0] for row in raw.execute(sql, [schema, prefix]).fetchall()]

    def type_name(self, column: Column, in_key: bool) -> str:
        """See the table at the top of this module."""
        return type_for(column, in_key)

    def has_type(self, raw: Any, column: Column) -> bool:
        """By the name that format_type has given it."""
        return bool(raw.execute("SELECT to_regtype(%s) IS NOT NULL", [column.type]).fetchone()[0])

    # --- copying ----------------------------------------------------------------------------------------------------

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """COPY in text format, numbers and binary as Python values."""
        change = [(i, FROM_TEXT[c.kind]) for i, c in enumerate(columns) if c.kind in FROM_TEXT]
        with raw.cursor() as cursor, cursor.copy(f"COPY ({bare(sql)}) TO STDOUT") as copy:
            rows = copy.rows()
            while batch := list(islice(rows, batch_size)):
                yield converted(batch, change)

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """COPY in text format."""
        try:
            with raw.cursor() as cursor, cursor.copy(into_table(into, self.names(columns), fresh)) as copy:
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise bad_row(error) from error

    def stash_table(self, name: TableName, stash: str) -> TableName:
        """In the session's own schema."""
        return TableName("pg_temp", stash)

    def lock_target(self, raw: Any, name: TableName) -> bool:
        """An advisory lock until the transaction ends."""
        return self._lock(raw, name, "xact_")

    def hold_target(self, raw: Any, name: TableName) -> bool:
        """An advisory lock until the session ends."""
        return self._lock(raw, name, "")

    def _lock(self, raw: Any, name: TableName, scope: str) -> bool:
        sql = f"SELECT pg_try_advisory_{scope}lock(hashtextextended(%s, 0))"
        return bool(raw.execute(sql, [f"nomaflow copy into {name}"]).fetchone()[0])

    def differs(self, column: Column, left: str, right: str) -> str:
        """Types without equality (json, xml, point) are compared by their text."""
        if column.kind in ("json", "other"):
            left, right = f"{left}::text", f"{right}::text"
        return f"{left} IS DISTINCT FROM {right}"

    def after_load(self, raw: Any, name: TableName, columns: Sequence[str]) -> None:
        """Move serial and identity sequences forward, where that is allowed."""
        for column in columns:
            sequence = raw.execute("SELECT pg_get_serial_sequence(%s, %s)", [self.table(name), column]).fetchone()[0]
            if sequence is not None:
                raw.execute(
                    f"SELECT setval(%s, m) FROM (SELECT max({self.quote(column)})::bigint AS m FROM {self.table(name)}) AS x, "
                    f"{sequence} AS s WHERE m >= s.last_value AND has_sequence_privilege(%s, 'UPDATE')",
                    [sequence, sequence],
                )
