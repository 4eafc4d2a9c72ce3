"""Rows from and to MariaDB and MySQL."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pymysql.cursors import SSCursor

from connectors.kinds.sql._dialect import Row

# One INSERT of a batch is cut at about this many characters: well under the smallest usual max_allowed_packet.
STATEMENT = 512 * 1024


class Unbuffered(SSCursor):
    """Rows as they arrive. Closed early it hangs up: the driver's own would read all the rest of the answer first."""

    def close(self) -> None:
        """Let go of the connection, and hang up when an answer is still coming."""
        connection: Any = self.connection
        result: Any = vars(self).get("_result")
        vars(self)["connection"] = None
        if connection is not None and result is not None and result.unbuffered_active:
            result.unbuffered_active = False
            connection._force_close()

    __del__ = close


def statements(rows: Iterable[Row], literal: Callable[[Any], str]) -> Iterator[tuple[int, str]]:
    """(number of rows, their VALUES) for each INSERT."""
    pieces: list[str] = []
    size = 0
    for row in rows:
        piece = f"({','.join(map(literal, row))})"
        if pieces and size + len(piece) > STATEMENT:
            yield len(pieces), ",".join(pieces)
            pieces, size = [], 0
        pieces.append(piece)
        size += len(piece)
    if pieces:
        yield len(pieces), ",".join(pieces)


def zoned(row: Row, instants: list[int]) -> Row:
    """The row with the offset of UTC at its instants."""
    values = list(row)
    for index in instants:
        if values[index] is not None:
            values[index] += "+00:00"
    return values
