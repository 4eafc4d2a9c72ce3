"""Try a stored connector for real: what the Test button and `testconnector` do."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.catalogue import definition_of, resolve
from connectors.definition import ConnectorError, Definition
from connectors.kinds import kind_of
from nomaflow_site.lib.redact import Masker
from nomaflow_site.lib.sealing import CannotDecrypt


@dataclass(frozen=True)
class Outcome:
    """How a test went, in one line without secrets."""

    ok: bool
    message: str
    elapsed_ms: int


def attempt(make: Callable[[], Definition], use: Callable[[Definition], str]) -> Outcome:
    """What `use` answers to the definition that `make` gives, its secrets masked. Never raises for what either does wrong."""
    started = time.monotonic()
    masker = Masker()
    try:
        definition = make()
        for secret in definition.hidden:
            masker.add(secret)
        message, ok = use(definition), True
    except (ConnectorError, CannotDecrypt) as error:
        message, ok = str(error), False
    except Exception as error:  # a driver's surprise is an answer too
        message, ok = f"{type(error).__name__}: {error}", False
    return Outcome(ok, masker.text(" ".join(message.split())), round((time.monotonic() - started) * 1000))


def try_connector(name: str, env: Mapping[str, str], rules: Sequence[str], home: Path) -> Outcome:
    """Connect with the stored definition. Never raises for what the other side or the definition does wrong.

    `home` is where relative paths begin.
    """

    def connect(definition: Definition) -> str:
        kind = kind_of(definition)
        return kind.test(kind.settled(definition, home))

    return attempt(lambda: resolve(definition_of(name), env, rules), connect)
