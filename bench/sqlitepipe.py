"""What the sqlite3 program does in the pipelines of `make bench-copy`, by Python's module where the program is missing.

sqlitepipe.py run FILE SQL      rows as CSV, NULL as nothing and an empty text as ""
sqlitepipe.py load FILE TABLE   CSV from the standard input, as texts
"""

import csv
import sqlite3
import sys
from contextlib import closing
from typing import Any


def main(verb: str, path: str, what: str) -> None:
    """Do it in one transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if verb == "run":
            *before, last = what.split("; ")
            for statement in before:
                connection.execute(statement)
            sys.stdout.writelines(",".join(map(_field, row)) + "\n" for row in connection.execute(last))
            return
        rows = csv.reader(sys.stdin)
        first = next(rows)
        insert = f"INSERT INTO {what} VALUES ({', '.join('?' * len(first))})"
        connection.execute("BEGIN")
        connection.execute(insert, first)
        connection.executemany(insert, rows)
        connection.execute("COMMIT")


def _field(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | float) else '"' + str(value).replace('"', '""') + '"'


if __name__ == "__main__":
    sys.stdin.reconfigure(newline="")  # type: ignore[union-attr]
    main(*sys.argv[1:])
