"""What a connector is once it has left the database: plain values, secrets opened, ready for the process that connects."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Definition:
    """A connector's values. `config` and `secrets` are checked by its kind's form; `queries` are named SQL texts."""

    name: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    queries: dict[str, str] = field(default_factory=dict)
    # Every secret text in it, wherever it stands: what has to be masked in logs.
    hidden: tuple[str, ...] = field(default=(), repr=False)

    @property
    def settings(self) -> dict[str, Any]:
        """Configuration and secrets in one, as the kind's form names them."""
        return {**self.config, **self.secrets}


class ConnectorError(Exception):
    """A connector that can't be found, opened or used; the message is fit for an operator and holds no secret."""
