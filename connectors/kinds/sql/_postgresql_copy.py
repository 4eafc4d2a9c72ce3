"""COPY from one PostgreSQL to another, without looking at a value."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from connectors.kinds.sql._column import Column
from connectors.kinds.sql._dialect import BadRow
from connectors.kinds.sql._route import Move
from connectors.kinds.sql._text import bare

CHUNK = 256 * 1024
WHERE_IN_COPY = re.compile(
    r"^COPY .*?, line (\d+)(?:, column (.+?))?(?:: (?:\"(.*)\"|null input))?$", re.MULTILINE | re.DOTALL
)
# Types whose binary form is the same in all versions and says nothing of one database alone. Not here: interval (infinity
# came with version 17), money (counts in the locale's smallest coin), reg* types, enums, domains, composites.
BINARY = re.compile(
    r"(?:smallint|integer|bigint|numeric|real|double precision|boolean|date|uuid|jsonb?|bytea"
    r'|text|character varying|character|bpchar|bit varying|bit|"bit"|inet|cidr|macaddr8?'
    r"|(?:time|timestamp)(?:\(\d\))? with(?:out)? time zone)(?:\(\d+(?:,-?\d+)?\))?(?:\[\])?"
)


def same_binary(source: Column, target: Column) -> bool:
    """Whether the bytes of one column mean the same in the other."""
    return source.type == target.type and BINARY.fullmatch(source.type) is not None


def copy_binary(move: Move) -> None:
    """In binary format."""
    _copy(move, "binary")


def copy_text(move: Move) -> None:
    """In text format."""
    _copy(move, "text")


def into_table(into: str, names: str, fresh: bool, form: str = "text") -> str:
    """The COPY into a table with quoted names.

    Rows of a `fresh` table are frozen at once. That saves a later VACUUM the work, and shows them also to a transaction that
    looks at the table with a snapshot from before it was there: to it the table would be empty otherwise.
    """
    return f"COPY {into} ({names}) FROM STDIN (FORMAT {form}{', FREEZE' if fresh else ''})"


def _copy(move: Move, form: str) -> None:
    source, raw = move.source.raw, move.target.raw

    def work() -> None:
        try:
            with (
                source.cursor() as reader,
                raw.cursor() as writer,
                reader.copy(f"COPY ({bare(move.plain())}) TO STDOUT (FORMAT {form})") as arriving,
                writer.copy(into_table(move.into, move.names(), move.fresh, form)) as leaving,
            ):
                # The binary trailer is a message of its own; the header comes with the first one.
                for data, rows in chunks(arriving, -1 if form == "binary" else 0):
                    leaving.write(data)
                    move.on_rows(rows)
        except psycopg.Error as error:
            raise bad_row(error) from error

    move.target.call(work)


def chunks(arriving: Iterable[Any], rows: int = 0) -> Iterator[tuple[bytes, int]]:
    """(data, number of rows in it) in pieces that are worth a call. One message of the server is one row."""
    buffer: list[bytes] = []
    size = 0
    for data in arriving:
        buffer.append(bytes(data))
        size += len(data)
        if size >= CHUNK:
            yield b"".join(buffer), rows + len(buffer)
            buffer, size, rows = [], 0, 0
    yield b"".join(buffer), rows + len(buffer)


def bad_row(error: psycopg.Error) -> Exception:
    """BadRow when the server says which line of the COPY it refused, otherwise the error itself."""
    match = WHERE_IN_COPY.search(error.diag.context or "")
    if match is None:
        return error
    message = error.diag.message_primary or str(error)
    detail = f" ({error.diag.message_detail})" if error.diag.message_detail else ""
    return BadRow(message + detail, int(match[1]) - 1, match[2] or error.diag.column_name, match[3])
