"""The fastest pipelines of the databases' own tools that `make bench-copy` knows, and other tools that copy tables.

Each is a list of commands for timed.py, or None where a program isn't installed.
"""

import sys
from pathlib import Path
from urllib.parse import urlsplit

from copydata import COLUMNS, Place, load_data
from servers import find

HERE = Path(__file__).parent
Pipeline = list[list[str]]
# Fields that may hold what the line format uses itself.
TEXTS = ("name", "note", "facts")
LOAD_CSV = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY ''"


def limit(source: Place, target: Place, table: str, into: str, file: Path) -> Pipeline | None:
    """From `table` at the source into the empty table `into`; the file holds the same rows, ready for LOAD DATA."""
    pair = (source.product, target.product)
    if pair == ("sqlite", "sqlite"):
        return [_sqlite(target, f"ATTACH '{source.path}' AS s; INSERT INTO main.{into} SELECT * FROM s.{table}")]
    if pair == ("postgresql", "mariadb"):
        loading = _mariadb(target, load_data(file, into))
        return loading and [loading]
    writing, options = _writer(source, table, pair)
    return writing and _piped(writing, _reader(target, into, options))


def _piped(first: list[str] | None, second: list[str] | None) -> Pipeline | None:
    return [first, second] if first and second else None


def _writer(source: Place, table: str, pair: tuple[str, str]) -> tuple[list[str] | None, str]:
    """The command that writes the rows to its output, and the format in COPY's words."""
    if pair == ("postgresql", "postgresql"):
        return _psql(source, f"COPY {table} TO STDOUT (FORMAT binary)"), "FORMAT binary"
    if source.product == "postgresql":
        names = ", ".join("active::int" if name == "active" else name for name in COLUMNS)
        return _psql(source, f"COPY (SELECT {names} FROM {table}) TO STDOUT (FORMAT csv)"), "FORMAT csv"
    if source.product == "sqlite":
        loaded = pair[1] == "mariadb"
        names = ", ".join(_csv_field(name, loaded) for name in COLUMNS)
        writing = _sqlite(source, f"SELECT {names} FROM {table}", "-csv", "-newline", "\n")
        return writing, LOAD_CSV if loaded else "FORMAT csv"
    if pair[1] == "sqlite":
        fields = ", ".join(f"ifnull({_quoted_text(name)}, '')" for name in COLUMNS)
        return _mariadb(source, f"SELECT concat_ws(',', {fields}) FROM {table}"), ""
    return _mariadb(source, f"SELECT concat_ws('\\t', {', '.join(map(_line_field, COLUMNS))}) FROM {table}"), ""


def _csv_field(name: str, loaded: bool) -> str:
    """A field of a line that SQLite writes; for LOAD DATA with a word for NULL, and without the offset of an instant."""
    # SQLite's own spelling of a float has 15 digits.
    field = {"ratio": "iif(ratio IS NULL, NULL, printf('%!.17g', ratio))"}.get(name, name)
    if not loaded:
        return field
    return f"ifnull({'substr(seen, 1, 26)' if name == 'seen' else field}, 'NULL')"


def _quoted_text(name: str) -> str:
    return f"""concat('"', replace({name}, '"', '""'), '"')""" if name in TEXTS else name


def _line_field(name: str) -> str:
    """A field of a line for COPY, written by MariaDB."""
    field = name
    if name in TEXTS:
        for raw, escaped in ((r"\\", r"\\\\"), (r"\t", r"\\t"), (r"\n", r"\\n")):
            field = f"replace({field}, '{raw}', '{escaped}')"
    return field if name == "id" else rf"ifnull({field}, '\\N')"


def _reader(target: Place, into: str, options: str) -> list[str] | None:
    """The command that loads its input."""
    if target.product == "postgresql":
        return _psql(target, f"COPY {into} FROM STDIN {f'({options})' if options else ''}")
    if target.product == "mariadb":
        return _mariadb(
            target, f"LOAD DATA LOCAL INFILE '/dev/stdin' INTO TABLE {into} CHARACTER SET utf8mb4 {options}"
        )
    program = find("sqlite3")
    if program:
        return [program, target.path, "-cmd", ".mode csv", f".import /dev/stdin {into}"]
    return _stand_in("load", target, into)


def _psql(place: Place, sql: str) -> list[str] | None:
    program = find("psql", "usr/lib/postgresql/*/bin")
    return (
        [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "SET TimeZone = 'UTC'", "-c", sql, place.url]
        if program
        else None
    )


def _mariadb(place: Place, sql: str) -> list[str] | None:
    program, parts = find("mariadb") or find("mysql"), urlsplit(place.url)
    if program is None:
        return None
    to = ["-h", str(parts.hostname), "-P", str(parts.port), "-u", str(parts.username), parts.path.lstrip("/")]
    format = [
        "--quick",
        "--batch",
        "--raw",
        "--skip-column-names",
        "--default-character-set=utf8mb4",
        "--local-infile=1",
    ]
    return [program, "--no-defaults", *format, "--init-command=SET time_zone = '+00:00'", *to, "-e", sql]


def _sqlite(place: Place, sql: str, *options: str) -> list[str]:
    program = find("sqlite3")
    return [program, *options, place.path, sql] if program else _stand_in("run", place, sql)


def _stand_in(verb: str, place: Place, what: str) -> list[str]:
    return [sys.executable, str(HERE / "sqlitepipe.py"), verb, place.path, what]


def limit_name(source: Place, target: Place) -> str:
    """As the table calls it."""
    sqlite = "sqlite3" if find("sqlite3") else "Python's sqlite3"
    return {
        ("postgresql", "postgresql"): "psql COPY binary | psql COPY",
        ("sqlite", "postgresql"): f"{sqlite} csv | psql COPY",
        ("mariadb", "postgresql"): "mariadb --quick | psql COPY",
        ("postgresql", "mariadb"): "LOAD DATA of a ready file",
        ("postgresql", "sqlite"): f"psql csv | {sqlite} import, NULL becomes ''",
        ("sqlite", "sqlite"): f"{sqlite} ATTACH, INSERT SELECT",
        ("sqlite", "mariadb"): f"{sqlite} csv | LOAD DATA",
        ("mariadb", "sqlite"): f"mariadb --quick csv | {sqlite} import, NULL becomes ''",
        ("mariadb", "mariadb"): "mariadb --quick | LOAD DATA",
    }[source.product, target.product]


# --- peers --------------------------------------------------------------------------------------------------------


def sling(source: Place, target: Place, table: str, into: str) -> Pipeline | None:
    """Sling makes the table itself, of its own types."""
    program = find("sling") or find("sling-linux-amd64")
    if program is None:
        return None
    ends = ["--src-conn", _sling_url(source), "--src-stream", f"{_sling_schema(source)}.{table}"]
    ends += ["--tgt-conn", _sling_url(target), "--tgt-object", f"{_sling_schema(target)}.{into}"]
    return [[program, "run", *ends, "--mode", "full-refresh"]]


def _sling_url(place: Place) -> str:
    if place.product == "sqlite":
        return f"sqlite://{place.path}"
    return place.url + "?sslmode=disable" if place.product == "postgresql" else place.url


def _sling_schema(place: Place) -> str:
    return {"postgresql": "public", "sqlite": "main"}.get(place.product) or urlsplit(place.url).path.lstrip("/")


def duckdb(source: Place, target: Place, table: str, into: str) -> Pipeline:
    """DuckDB with the extensions for both products, where they're installed with it."""
    script = str(HERE / "duckcopy.py")
    return [[sys.executable, script, source.product, source.url, target.product, target.url, table, into]]
