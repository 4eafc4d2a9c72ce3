"""The kinds of connectors, found by looking into this folder."""

import sys
from functools import cache

from connectors.definition import ConnectorError, Definition
from connectors.kind import Client, Kind
from nomaflow_site.lib.discovery import discover


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by its name."""
    return {name: kind() for name, kind in discover(sys.modules[__name__], Kind).items()}


def kind_of(definition: Definition) -> Kind:
    """The kind of a definition; ConnectorError when there is none of that name."""
    try:
        return kinds()[definition.kind]
    except KeyError:
        raise ConnectorError(
            f"Connector {definition.name!r} is of kind {definition.kind!r}; known kinds are {', '.join(kinds())}."
        ) from None


def open_connector(definition: Definition, application: str = "nomaflow") -> Client:
    """A live client for `definition`; see `Kind.open`."""
    client: Client = kind_of(definition).open(definition, application)
    return client
