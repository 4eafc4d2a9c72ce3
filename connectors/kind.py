"""What a kind of connector offers. Each kind is one module (or package) in `connectors/kinds/`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

from connectors.definition import Definition
from nomaflow_site.lib.config import ConfigForm


class Client(Protocol):
    """A live connector inside a step. Each kind adds its own verbs."""

    def close(self) -> None:
        """Give back what was opened; safe to call twice."""


class Kind:
    """One kind of connector: how it's described, opened and tried."""

    name: ClassVar[str]
    label: ClassVar[str]
    form: ClassVar[type[ConfigForm]]
    # Fields whose change keeps the stored secrets. A change of any other may send them somewhere else.
    harmless: ClassVar[frozenset[str]] = frozenset({"username", "timeout_seconds", "pool_size", "read_only", "schema"})
    # Secret fields that are addresses themselves: another value may send the other secrets somewhere else.
    destinations: ClassVar[frozenset[str]] = frozenset()
    # Whether connectors of this kind carry named SQL texts.
    has_queries: ClassVar[bool] = False

    def normalize(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """`settings` as given by a person (say, one `url`), spelled out as the form's fields. ConfigError when unreadable."""
        return dict(settings)

    def faults(self, settings: Mapping[str, Any]) -> dict[str, list[str]]:
        """What is missing or too much in the settings as a whole, stored secrets included: messages by field.

        A form can't tell: a secret that is left empty there may be stored.
        """
        return {}

    def settled(self, definition: Definition, home: Path) -> Definition:
        """The definition with paths made absolute that are written relative to NOMAFLOW_HOME, for a process elsewhere."""
        return definition

    def open(self, definition: Definition, application: str) -> Any:
        """A client for use in one step; connecting may wait until first use.

        `application` is what servers show as the name of the connection (`nomaflow:<run id>:<step>`).
        Raises ConnectorError when the definition can't be used.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how it is opened")

    def test(self, definition: Definition) -> str:
        """Connect for real and say what answered, in one line without secrets. Raises ConnectorError when it fails."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is tested")
