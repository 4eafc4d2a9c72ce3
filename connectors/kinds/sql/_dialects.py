"""The SQL dialects, found by looking into this folder: a new one is one new module."""

import importlib
from functools import cache

from connectors.definition import ConnectorError
from connectors.kinds.sql._dialect import Dialect
from nomaflow_site.lib.discovery import discover


@cache
def dialects() -> dict[str, Dialect]:
    """Every dialect by its name."""
    package = importlib.import_module("connectors.kinds.sql")
    return {name: kind() for name, kind in discover(package, Dialect).items()}


def spellings() -> dict[str, str]:
    """Every accepted name, aliases too, with what people call the product."""
    names = {name: dialect.label for name, dialect in dialects().items()}
    return {**names, **{alias: d.label for d in dialects().values() for alias in d.aliases}}


def dialect_of(spelling: str) -> Dialect:
    """The dialect of a name or alias. Raises ConnectorError naming the ones there are."""
    for dialect in dialects().values():
        if spelling == dialect.name or spelling in dialect.aliases:
            return dialect
    raise ConnectorError(f"There is no SQL dialect {spelling!r}; there are {', '.join(spellings())}.")
