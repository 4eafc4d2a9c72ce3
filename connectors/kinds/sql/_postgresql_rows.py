"""Rows from PostgreSQL."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from connectors.kinds.sql._dialect import Row


class Chunks:
    """A cursor's face over psycopg's `stream`, which holds one chunk of rows at a time."""

    def __init__(self, cursor: Any, sql: str, bound: Any) -> None:
        self._cursor = cursor
        self._rows = cursor.stream(sql, bound, size=1000)
        # The first row brings the columns.
        self._first = list(islice(self._rows, 1))
        self.rowcount = -1

    @property
    def description(self) -> Any:
        """The columns."""
        # psycopg forgets the columns of an answer without rows; that it was an answer still counts.
        return self._cursor.description or []

    def fetchmany(self, size: int) -> list[Row]:
        """The next rows, none at the end."""
        first, self._first = self._first, []
        return first + list(islice(self._rows, size - len(first)))

    def close(self) -> None:
        """Cancel what has not been sent yet."""
        self._rows.close()
        self._cursor.close()


def converted(rows: Sequence[Row], change: list[tuple[int, Callable[[str], Any]]]) -> list[Row]:
    """The rows with the texts of some columns turned into values, column by column."""
    if not change:
        return list(rows)
    columns: list[Any] = list(zip(*rows, strict=True))
    for index, convert in change:
        columns[index] = [None if text is None else convert(text) for text in columns[index]]
    return list(zip(*columns, strict=True))
