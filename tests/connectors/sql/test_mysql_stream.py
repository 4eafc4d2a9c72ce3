"""What a server sends is what is read, whatever packets it takes."""

from contextlib import closing

import pymysql
import pytest

from connectors.kinds.sql._mysql_rows import Unbuffered
from connectors.kinds.sql._mysql_stream import Texts

# Around every length that is spelled in another way, and around what a packet holds.
LENGTHS = [0, 1, 250, 251, 252, 65_535, 65_536, 300_000]
HUGE = [0xFFFFFF - 5, 0xFFFFFF - 4, 0xFFFFFF - 3, 0xFFFFFF, 0xFFFFFF + 1, 2 * 0xFFFFFF - 9, 2 * 0xFFFFFF]


def read(connection, sql):
    with closing(connection.cursor(Unbuffered)) as cursor:
        cursor.execute(sql)
        texts, found = Texts(cursor), []
        while batch := texts.batch():
            found += batch
        assert texts.batch() == []
    return found


@pytest.fixture
def connection(mariadb):
    with closing(mariadb.connect()) as plain, plain.cursor() as cursor:
        cursor.execute("SET GLOBAL max_allowed_packet = 64 * 1024 * 1024")
        with closing(mariadb.connect()) as connection:
            yield connection
        cursor.execute("SET GLOBAL max_allowed_packet = DEFAULT")


@pytest.mark.parametrize("lengths", [LENGTHS, HUGE, [1, *HUGE[:2], 0, HUGE[4], 5]])
def test_a_text_of_any_length(connection, lengths):
    rows = " UNION ALL ".join(f"SELECT {n} AS n" for n in lengths)
    sql = f"SELECT CONCAT(REPEAT(X'C3A9', n DIV 2), REPEAT('x', n % 2)) FROM ({rows}) q"
    found = read(connection, sql)
    assert [len(text) for text in found] == lengths
    assert all(text == "é".encode() * (n // 2) + b"x" * (n % 2) for text, n in zip(found, lengths, strict=True))
    assert read(connection, "SELECT 'still of use'") == [b"still of use"]


def test_many_rows_and_nulls(connection):
    sql = "SELECT IF(seq % 1000 = 0, NULL, CONCAT('row ', seq)) FROM seq_1_to_200000"
    expected = [None if n % 1000 == 0 else f"row {n}".encode() for n in range(1, 200_001)]
    assert read(connection, sql) == expected
    assert read(connection, "SELECT 1 FROM DUAL WHERE 1 = 0") == []


def test_an_error_between_the_rows_is_the_servers_own(connection):
    with pytest.raises(pymysql.err.MySQLError, match="more than 1 row"):
        read(connection, "SELECT IF(seq < 100000, seq, (SELECT seq FROM seq_1_to_2)) FROM seq_1_to_100000")
    assert read(connection, "SELECT 'still of use'") == [b"still of use"]


def test_a_connection_that_breaks_off_is_an_error(connection, mariadb):
    with closing(connection.cursor(Unbuffered)) as cursor:
        cursor.execute("SELECT REPEAT('x', 1000) FROM seq_1_to_1000000")
        texts = Texts(cursor)
        assert texts.batch()
        with closing(mariadb.connect()) as other, other.cursor() as killing:
            killing.execute(f"KILL {connection.thread_id()}")
        with pytest.raises(pymysql.OperationalError, match="Lost connection|killed"):
            while texts.batch():
                pass
