"""One copy by DuckDB with its extensions: run by copying.py; prints `seconds` as a JSON object. Nothing is downloaded."""

import json
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.pop(0)

EXTENSIONS = {"postgresql": "postgres_scanner", "mariadb": "mysql_scanner", "sqlite": "sqlite_scanner"}
TYPES = {"postgresql": "postgres", "mariadb": "mysql", "sqlite": "sqlite"}


def main(product: str, url: str, target_product: str, target_url: str, table: str, into: str) -> None:
    """Copy `table` to `into`, and print."""
    if find_spec("duckdb") is None:
        raise SystemExit("not installed")
    import duckdb

    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for needed in sorted({product, target_product}):
        load(connection, EXTENSIONS[needed])
    began = time.perf_counter()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"ATTACH '{place(product, url)}' AS s (TYPE {TYPES[product]}, READ_ONLY)")
    connection.execute(f"ATTACH '{place(target_product, target_url)}' AS t (TYPE {TYPES[target_product]})")
    active = "* REPLACE (active::INT AS active)" if target_product != "postgresql" else "*"
    connection.execute(f"INSERT INTO t.{into} SELECT {active} FROM s.{table}")
    print(json.dumps({"seconds": time.perf_counter() - began}))


def load(connection: Any, extension: str) -> None:
    """Load what is installed, as DuckDB does it or as a Python package; exit where neither is."""
    spec = find_spec(f"duckdb_extension_{extension}")
    files = sorted(Path(spec.origin).parent.glob(f"**/{extension}.duckdb_extension")) if spec and spec.origin else []
    try:
        connection.execute(f"LOAD '{files[0] if files else extension}'")
    except Exception as error:
        raise SystemExit(f"not installed: {extension} for DuckDB") from error


def place(product: str, url: str) -> str:
    """A database as the extension takes it."""
    parts = urlsplit(url)
    if product == "mariadb":
        return f"host={parts.hostname} port={parts.port} user={parts.username} database={parts.path.lstrip('/')}"
    return url.removeprefix("sqlite:///")


if __name__ == "__main__":
    main(*sys.argv[1:])
