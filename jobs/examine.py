"""What a step can find out before a run by connecting, with its connectors as a run would have them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from connectors.catalogue import definition_of, resolve
from connectors.definition import ConnectorError, Definition
from connectors.kinds import kind_of
from jobs.check import CheckedStep
from jobs.context import Context
from jobs.steps import step_types
from jobs.steptype import Examined, StepFailed
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.redact import Masker
from nomaflow_site.lib.sealing import CannotDecrypt


class _Connectors:
    """A `jobs.context.Link` that has connectors and nothing else."""

    def __init__(self, env: Mapping[str, str], rules: Sequence[str], home: Path, masker: Masker) -> None:
        self._env, self._rules, self._home, self._masker = env, rules, home, masker

    def connector(self, name: str) -> Definition:
        """Resolved, its secrets masked from now on."""
        found = resolve(definition_of(name), self._env, self._rules)
        for secret in found.hidden:
            self._masker.add(secret)
        return kind_of(found).settled(found, self._home)

    def progress(self, done: int, total: int | None, said: bool) -> None:
        """Nobody follows it."""

    def is_cancelled(self) -> bool:
        """Nobody can."""
        return False

    def guard(self, text: str) -> None:
        """Nobody is told before a run."""

    def prune(self, before: str) -> dict[str, int]:
        """Never before a run."""
        raise StepFailed("Nothing is removed before a run.")


def examine(step: CheckedStep, job_id: str, env: Mapping[str, str], rules: Sequence[str], home: Path) -> Examined:
    """What the step finds out. Never raises for what the other side or the configuration does wrong: that's a fault of it."""
    if not step.examines:
        return Examined((), (), faults=("There is nothing to find out before a run.",))
    kind = step_types()[step.kind]
    masker, log = Masker(), logging.getLogger("nomaflow.examine")
    log.propagate = False
    link = _Connectors(env, rules, home, masker)
    ctx = Context("check", job_id, step.name, 1, "check", "", {}, "INFO", link, log=log)
    try:
        found = kind.examine(ctx, kind.form.check(dict(step.values), tokens=False))
        return Examined(
            found.heads, found.rows, tuple(map(masker.text, found.remarks)), tuple(map(masker.text, found.faults))
        )
    except (ConfigError, StepFailed, ConnectorError, CannotDecrypt) as error:
        return Examined((), (), faults=(masker.text(str(error)),))
    except Exception as error:  # a driver's surprise is an answer too
        return Examined((), (), faults=(masker.text(f"{type(error).__name__}: {error}"),))
    finally:
        ctx.close()
