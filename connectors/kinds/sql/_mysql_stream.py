"""One column of an answer of MariaDB and MySQL, as bytes, read from the packets: the driver would take longer than both servers.

What a packet is: three bytes of length (the lowest first), a number, then the row: here one value with its own length before it.
A row of 16 MB and more goes over several packets, all but the last of which have the largest length.
"""

from struct import Struct
from typing import Any

import pymysql
from pymysql.constants import CR
from pymysql.err import raise_mysql_exception
from pymysql.protocol import MysqlPacket

# What is asked of the system at once.
READ = 256 * 1024
LARGEST = 0xFFFFFF
NULL, TWO, THREE, EIGHT, ERROR = 0xFB, 0xFC, 0xFD, 0xFE, 0xFF
LENGTH = Struct("<I")


class Texts:
    """The values of the only column of an answer that has begun to come, NULLs as None."""

    def __init__(self, cursor: Any) -> None:
        self._connection, self._result = cursor.connection, cursor._result
        self._rest = b""
        # How many bytes the first packet of the rest lacks.
        self._lacks = 1

    def batch(self) -> list[bytes | None]:
        """What has come since the last call, at least one value; nothing at the end. Driver errors as the driver has them."""
        found: list[bytes | None] = []
        # Behind a row of several packets others may have come already.
        self._take(found)
        while not found and self._result.unbuffered_active:
            self._rest += self._read(self._lacks)
            self._take(found)
        return found

    def _read(self, least: int) -> bytes:
        try:
            data = self._connection._rfile.read(least) if least > READ else self._connection._rfile.read1(READ)
        except OSError as error:
            data, reason = b"", f" ({error})"
        else:
            reason = ""
        if not data:
            self._connection._force_close()
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query{reason}")
        return bytes(data)

    def _take(self, found: list[bytes | None]) -> None:
        """The rows that are there as a whole."""
        data, at, size = self._rest, 0, len(self._rest)
        while at + 5 <= size:
            length = int(LENGTH.unpack_from(data, at)[0]) & LARGEST
            end = at + 4 + length
            if end > size or length == LARGEST:
                break
            first = data[at + 4]
            if first < NULL:
                found.append(data[at + 5 : end])
            elif first == TWO:
                found.append(data[at + 7 : end])
            else:
                self._rare(first, data[at + 4 : end], found)
            at = end
        self._rest = data[at:]
        self._lacks = self._joined(found) if size - at > 4 else 1

    def _rare(self, first: int, row: bytes, found: list[bytes | None]) -> None:
        """A NULL, a long value, the end, or an error."""
        if first == NULL:
            found.append(None)
        elif first == THREE:
            found.append(row[4:])
        elif first == EIGHT and len(row) >= 9:
            found.append(row[9:])
        elif first == ERROR:
            self._result.unbuffered_active = False
            raise_mysql_exception(row)
        else:
            self._result._check_packet_is_eof(MysqlPacket(row, "utf8"))
            self._result.unbuffered_active, self._result.connection = False, None

    def _joined(self, found: list[bytes | None]) -> int:
        """A row that goes over several packets, when it's there as a whole; how many bytes are lacking otherwise."""
        data, at, parts, length = self._rest, 0, [], LARGEST
        while length == LARGEST:
            if at + 4 > len(data):
                return at + 4 - len(data)
            length = int(LENGTH.unpack_from(data, at)[0]) & LARGEST
            parts.append(data[at + 4 : at + 4 + length])
            at += 4 + length
            if at > len(data):
                return at - len(data)
        self._rest = data[at:]
        row = b"".join(parts)
        self._rare(row[0], row, found)
        return 1
