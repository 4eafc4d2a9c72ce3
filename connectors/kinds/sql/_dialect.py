"""What every SQL database must be able to do. Each dialect is one module beside this one; only there a driver is imported."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from connectors.definition import ConnectorError
from connectors.kinds.sql._checksum import Checksum
from connectors.kinds.sql._column import Column, TableName
from connectors.kinds.sql._fit import Change, fit
from connectors.kinds.sql._route import Route
from connectors.kinds.sql._rule import Rule
from connectors.kinds.sql._swap import Swap

T = TypeVar("T")
Settings = Mapping[str, Any]
Row = Sequence[Any]
Batches = Generator[list[Row], None, None]


class BadRow(ConnectorError):
    """A row that the database refused: `index` counts from 0 in the batch, `column` and `value` as far as they're known."""

    def __init__(self, message: str, index: int | None = None, column: str | None = None, value: Any = None) -> None:
        super().__init__(message)
        self.message, self.index, self.column, self.value = message, index, column, value


class Dialect:
    """One database product, spoken to through its DBAPI driver in autocommit mode with transactions begun explicitly.

    `raw` is a connection of the driver throughout. Statements here are in the product's own SQL.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    paramstyle: ClassVar[str] = "pyformat"
    default_port: ClassVar[int | None] = None
    # Driver parameters that a connector's `options` may set, each with what checks and converts its value.
    options: ClassVar[dict[str, Callable[[Any], Any]]] = {}
    quotes: ClassVar[tuple[str, str]] = ('"', '"')
    # Whether a CREATE TABLE is undone by a rollback.
    transactional_ddl: ClassVar[bool] = True
    # Whether a load may go straight into an empty target; otherwise rows wait in a staging table until all have been read.
    loads_directly: ClassVar[bool] = True
    # The ways into this database that are faster than `load`; jobs/copy_routes.py says when one is taken.
    routes: ClassVar[Mapping[str, Route]] = {}
    # How a table that was loaded beside another takes its place; None where rows are moved instead.
    swap: ClassVar[type[Swap] | None] = None
    # How rows are summed up; None where they can't be.
    checksum: ClassVar[type[Checksum] | None] = None
    # Whether `load` and its like show a fresh table's rows to older snapshots too, to which those of an INSERT would be missing.
    freezes: ClassVar[bool] = False
    # Whether the table that an overwrite replaces can be kept: `tables` and `make_like` are there.
    keeps_previous: ClassVar[bool] = False
    # Whether two spellings of a name that differ only in case are one table.
    folds_case: ClassVar[bool] = False
    # Whether the driver itself runs blocks of several statements.
    runs_blocks: ClassVar[bool] = False
    # Whether a stream may share its connection with other statements.
    stream_shares: ClassVar[bool] = False
    begin_sql: ClassVar[str | None] = "BEGIN"
    # What stands before a new column in an ALTER TABLE.
    add_column: ClassVar[str] = "ADD COLUMN"
    # Text between the column list and SELECT of an INSERT, so that identity columns take the copied values.
    overriding: ClassVar[str] = ""

    # --- connecting -------------------------------------------------------------------------------------------------

    def connect(self, settings: Settings, application: str) -> Any:
        """A driver connection in autocommit mode. Driver errors pass through; `application` is shown by the server."""
        raise NotImplementedError

    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's exceptions."""
        raise NotImplementedError

    def message(self, error: Exception) -> str:
        """What the driver said, in one line where it can be."""
        return str(error).strip() or type(error).__name__

    def place(self, settings: Settings) -> str:
        """Where a connector leads, for messages: no user, no password."""
        port = settings.get("port") or self.default_port
        return f"{settings.get('host') or 'localhost'}:{port}/{settings.get('database') or ''}"

    def is_lost(self, raw: Any, error: Exception) -> bool:
        """Whether the connection is gone, of which `error` tells."""
        return False

    def server_version(self, raw: Any) -> str:
        """The product and its version: `PostgreSQL 15.18`."""
        raise NotImplementedError

    def identity(self, raw: Any) -> tuple[Any, ...]:
        """What tells this database from every other one, the same through whatever connector it was reached."""
        raise NotImplementedError

    def shares(self, source: Any, target: Any, named: bool) -> bool:
        """Whether the session `target` would itself see the very rows that `source` sees, and read them without holding up others.

        `named` says that only tables with their schema are asked for. Another server taken for this one would be a wrong
        copy: only what proves to be one server is one.
        """
        return False

    def resolve(self, raw: Any, name: TableName) -> TableName:
        """The name with the schema in which the table is, or would be made."""
        return TableName(name.schema or self.default_schema(raw), name.table)

    def default_schema(self, raw: Any) -> str | None:
        """Where a table without a schema is looked up."""
        return None

    # --- running ----------------------------------------------------------------------------------------------------

    def watch(self, raw: Any, settings: Settings, work: Callable[[], T]) -> T:
        """Do `work`, which talks to the server; when the step is cancelled meanwhile, stop the statement on the server too."""
        try:
            return work()
        except Exception:
            raise
        except BaseException:
            self.kill(raw, settings)
            raise

    def kill(self, raw: Any, settings: Settings) -> None:
        """Stop what `raw` is running on the server, within a second, and never raise."""

    def execute(self, raw: Any, sql: str, bound: Any = None) -> Any:
        """A cursor that has run one statement, its rows not necessarily fetched."""
        cursor = raw.cursor()
        cursor.execute(sql) if bound is None else cursor.execute(sql, bound)
        return cursor

    def open_stream(self, raw: Any, sql: str, bound: Any, in_transaction: bool) -> Any:
        """A cursor from which rows are fetched as they come, without holding all of them in memory."""
        return self.execute(raw, sql, bound)

    def begin(self, raw: Any) -> None:
        """Start a transaction."""
        self.execute(raw, self.begin_sql or "BEGIN")

    def begin_snapshot(self, raw: Any) -> None:
        """Start a transaction in which every statement sees the same rows. Only where there are checksums."""
        for sql in self.checksum.begin if self.checksum else ():
            self.execute(raw, sql)

    def commit(self, raw: Any) -> None:
        """End the transaction and keep it."""
        self.execute(raw, "COMMIT")

    def rollback(self, raw: Any) -> None:
        """End the transaction and undo it."""
        self.execute(raw, "ROLLBACK")

    def prepare_copy(self, raw: Any) -> None:
        """Make the session exact and strict: times in UTC and ISO, full digits, no silent truncation."""

    # --- names ------------------------------------------------------------------------------------------------------

    def quote(self, name: str) -> str:
        """An identifier, quoted. Raises ConnectorError for a name that no database could hold."""
        if not name or "\0" in name:
            raise ConnectorError(f"{name!r} can't be the name of a table or column.")
        left, right = self.quotes
        return left + name.replace(right, right * 2) + right

    def table(self, name: TableName) -> str:
        """A table's quoted name, with its schema when there is one."""
        return f"{self.quote(name.schema)}.{self.quote(name.table)}" if name.schema else self.quote(name.table)

    def names(self, columns: Iterable[str], prefix: str = "") -> str:
        """Quoted column names with commas between them."""
        return ", ".join(prefix + self.quote(name) for name in columns)

    # --- catalogue --------------------------------------------------------------------------------------------------

    def columns(self, raw: Any, name: TableName) -> list[Column]:
        """The columns of a table or view in their order; empty when there is no such table."""
        raise NotImplementedError

    def query_columns(self, raw: Any, sql: str) -> list[Column]:
        """The columns that a query would answer with."""
        raise NotImplementedError

    def primary_key(self, raw: Any, name: TableName) -> list[str]:
        """The columns of the primary key in their order; empty when there is none."""
        raise NotImplementedError

    def referenced_by(self, raw: Any, name: TableName) -> list[str]:
        """The tables whose foreign keys point at this one."""
        return []

    def type_name(self, column: Column, in_key: bool) -> str:
        """The type in which this database keeps what `column`, of whatever database, holds."""
        raise NotImplementedError

    def has_type(self, raw: Any, column: Column) -> bool:
        """Whether this database has the very type of a column of its own product: an enum may be one database's alone."""
        return True

    # --- copying ----------------------------------------------------------------------------------------------------

    def selected(self, column: Column) -> str:
        """How a column is spelled in a SELECT list so that its value arrives exact."""
        return self.quote(column.name)

    def ruled(self, column: Column, rule: Rule) -> str | None:
        """The expression whose values are what `rule` makes of a column's, of the type of `type_name`; a value for which there is
        nothing breaks the statement off. None when the database can't say just the same as jobs/coercion.py.
        """
        return None

    def read(self, raw: Any, sql: str, columns: Sequence[Column], batch_size: int) -> Batches:
        """The rows of a query in batches, values as their column's kind says."""
        raise NotImplementedError

    def adapter(self, source: Column, target: Column) -> Change | None:
        """What turns a value of a source column into one that this database's `load` takes exactly; None for nothing."""
        return fit(source, target)

    def load(self, raw: Any, into: str, columns: Sequence[str], rows: Sequence[Row], fresh: bool = False) -> None:
        """Insert a batch into the table with the quoted name `into`. Raises BadRow when the database refuses a row.

        `fresh` says that the table was made in this transaction.
        """
        raise NotImplementedError

    def stash_table(self, name: TableName, stash: str) -> TableName:
        """The full name of the staging table `stash` of `name`."""
        return TableName(None, stash)

    def one_row(self, table: str) -> str:
        """A query that answers with one row when the table has any."""
        return f"SELECT 1 FROM {table} LIMIT 1"

    def first_rows(self, ordered: str, count: int) -> str:
        """A query for the first rows of one with an ORDER BY."""
        return f"{ordered} LIMIT {count}"

    def stage(self, raw: Any, name: TableName, columns: Sequence[str], stash: str) -> str:
        """Make an empty temporary table with the types of `columns` of `name`; it goes when the connection does."""
        quoted = self.table(self.stash_table(name, stash))
        select = f"SELECT {self.names(columns)} FROM {self.table(name)} WHERE 1 = 0"
        self.execute(raw, f"CREATE TEMPORARY TABLE {quoted} AS {select}")
        return quoted

    def unstage(self, raw: Any, stash: str) -> None:
        """Drop a staging table."""
        self.execute(raw, f"DROP TABLE {stash}")

    def tables(self, raw: Any, schema: str | None, prefix: str) -> list[str]:
        """The names of a schema's tables that begin with `prefix`."""
        raise NotImplementedError

    def make_like(self, raw: Any, name: TableName, into: TableName) -> None:
        """Make an empty table with the columns of `name`, all of which can be written; without keys and rules."""
        self.execute(raw, f"CREATE TABLE {self.table(into)} AS SELECT * FROM {self.table(name)} WHERE 1 = 0")

    def lock_target(self, raw: Any, name: TableName) -> bool:
        """Take the right to publish into a table until the transaction or connection ends; False when another copy has it."""
        return True

    def hold_target(self, raw: Any, name: TableName) -> bool:
        """`lock_target` beyond the end of a transaction, until the connection ends."""
        return self.lock_target(raw, name)

    def differs(self, column: Column, left: str, right: str) -> str:
        """A condition that is true when two values of a column are not exactly the same, NULLs told apart."""
        return f"{left} IS DISTINCT FROM {right}"

    def update_from(self, table: str, stash: str, sets: str, match: str, changed: str) -> str:
        """An UPDATE of table `t` from staging table `s`."""
        return f"UPDATE {table} AS t SET {sets} FROM {stash} AS s WHERE {match} AND ({changed})"

    def set_clause(self, column: str) -> str:
        """One assignment inside `update_from`."""
        return f"{self.quote(column)} = s.{self.quote(column)}"

    def delete_where(self, table: str, condition: str) -> str:
        """A DELETE from `table`, whose alias in `condition` is `t`."""
        return f"DELETE FROM {table} AS t WHERE {condition}"

    def update_where(self, table: str, sets: str, condition: str) -> str:
        """An UPDATE of `table`, whose alias in `condition` is `t`."""
        return f"UPDATE {table} AS t SET {sets} WHERE {condition}"

    def check_warnings(self, raw: Any, cursor: Any) -> None:
        """Raise BadRow when the server took the last statement only with a change to a value."""

    def after_load(self, raw: Any, name: TableName, columns: Sequence[str]) -> None:
        """Put sequences behind the values that were copied, so that the next INSERT of the application finds a free one."""


def text_options(names: str) -> dict[str, Callable[[Any], Any]]:
    """Options whose value is any text without control characters."""
    return dict.fromkeys(names.split(), plain_text)


def plain_text(value: Any) -> str:
    """A text of printable characters; ValueError otherwise."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("expected a text of printable characters")
    return value


def whole_seconds(value: Any) -> int:
    """A number from 1 to 3600; ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 3600:
        raise ValueError("expected a whole number from 1 to 3600")
    return value


def yes_no(value: Any) -> bool:
    """A boolean; ValueError otherwise."""
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def one_of(*choices: str) -> Callable[[Any], str]:
    """One of some texts; ValueError otherwise."""

    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return str(value)

    return check
