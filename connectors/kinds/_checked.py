"""A definition's values as its kind's form types them."""

from typing import Any

from connectors.definition import ConnectorError, Definition
from nomaflow_site.lib.config import ConfigError, ConfigForm


def checked(definition: Definition, form: type[ConfigForm]) -> dict[str, Any]:
    """All fields typed, defaults filled in. Raises ConnectorError when they can't be used."""
    try:
        return form.check(definition.settings, tokens=False)
    except ConfigError as error:
        raise ConnectorError(f"Connector {definition.name!r} can't be used: {error}") from error
