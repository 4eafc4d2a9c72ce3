"""Parquet and CSV files as tables of a DuckDB connector.

A table whose name ends in .parquet, .csv or .csv.gz is a file; a relative name begins in the folder of the database. CSV files are
read as texts, because what looks like a number may be none (`007`), and an empty text in quotes is no NULL. A file is written
beside the old one, which it replaces.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.kinds.sql._column import TableName
from connectors.kinds.sql._staging import stash_of
from connectors.kinds.sql._swap import Swap

if TYPE_CHECKING:
    from connectors.kinds.sql._session import Session

READ = {
    ".parquet": "read_parquet({path})",
    ".csv": "read_csv({path}, header = true, all_varchar = true, allow_quoted_nulls = false)",
    ".csv.gz": "read_csv({path}, header = true, all_varchar = true, allow_quoted_nulls = false, compression = 'gzip')",
}
WRITTEN = {
    ".parquet": "FORMAT parquet",
    ".csv": "FORMAT csv, HEADER, COMPRESSION none",
    ".csv.gz": "FORMAT csv, HEADER, COMPRESSION gzip",
}


def ending_of(name: TableName) -> str | None:
    """The ending by which a table is a file."""
    return next((ending for ending in READ if name.table.lower().endswith(ending)), None)


def literal(path: str) -> str:
    """A path in SQL."""
    return "'" + path.replace("'", "''") + "'"


class DuckDBFile(Swap):
    """The file's next content is a temporary table first; ordinary tables are left to other ways."""

    together = False
    creating = "CREATE TEMPORARY TABLE"

    def __init__(self, session: "Session", name: TableName) -> None:
        super().__init__(session, name)
        self.ending = ending_of(name)
        self.only = self.ending is not None
        self.stash_name = TableName("temp", stash_of(name))
        self.stash = self.dialect.table(self.stash_name)

    @property
    def _beside(self) -> Path:
        """Where it's written."""
        return Path(f"{self.name.table}.nomaflow-{self.stash_name.table[-12:]}")

    def obstacles(self) -> list[str]:
        """Only files can be replaced."""
        return [] if self.only else ["DuckDB can't put one table in the place of another"]

    def make(self) -> list[str]:
        """With the columns of the file that is there."""
        self.clear()
        self.say([f"{self.creating} {self.stash} AS SELECT * FROM {self.table} LIMIT 0"])
        return []

    def publish(self, keep: TableName | None) -> None:
        """Whoever has the old file open goes on reading it."""
        if self.ending is None:
            raise AssertionError(f"{self.name} is no file")
        self.say([f"COPY {self.stash} TO {literal(str(self._beside))} ({WRITTEN[self.ending]})"])
        with self._beside.open("rb") as written:
            os.fsync(written.fileno())
        self._beside.replace(self.name.table)
        self.clear()

    def appear(self) -> None:
        """As when there was one."""
        self.publish(None)

    def clear(self) -> None:
        """The temporary table, and a file that came to no end."""
        self.say([f"DROP TABLE IF EXISTS {self.stash}"])
        self.clear_elsewhere()

    def clear_elsewhere(self) -> None:
        """The table has gone with its connection."""
        with suppress(OSError):
            self._beside.unlink(missing_ok=True)
