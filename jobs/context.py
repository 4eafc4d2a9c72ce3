"""What a running step sees of its run: the `ctx` of a Python step and of every built-in type."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from connectors.definition import Definition
from connectors.kinds import open_connector


class Link(Protocol):
    """How a step reaches whoever supervises it. The real one speaks over a socket; tests give a fake."""

    def connector(self, name: str) -> Definition:
        """The definition of a connector, secrets opened; ConnectorError when there is none of that name."""

    def progress(self, done: int, total: int | None, said: bool) -> None:
        """Tell how far the step has come; `said`: its own log tells it already."""

    def is_cancelled(self) -> bool:
        """Whether the step has been told to stop."""

    def guard(self, text: str) -> None:
        """Have somebody told, while the step goes on; it's recorded when this returns."""

    def prune(self, before: str) -> dict[str, int]:
        """Have one bounded batch of runs that ended before that ISO time removed; how many rows of what, all 0 when none is left.

        Raises StepFailed when it's refused: only steps of an internal type may ask.
        """


@dataclass(frozen=True)
class PreviousStep:
    """How an earlier step of the same run ended."""

    state: str
    output: Mapping[str, Any]


@dataclass
class Context:
    """The run's facts and the step's tools. Values are plain; nothing here touches Nomaflow's own database."""

    run_id: str
    job_id: str
    step_name: str
    attempt: int
    triggered_by: str
    session_user: str
    params: dict[str, Any]
    log_level: str
    link: Link
    scheduled_at: str | None = None
    started_at: str | None = None
    previous: Mapping[str, PreviousStep] = field(default_factory=dict)
    plugins: tuple[Path, ...] = ()
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("nomaflow.step"))
    _opened: dict[str, Any] = field(default_factory=dict, repr=False)
    _http: Any = field(default=None, repr=False)

    def get_connector(self, name: str) -> Any:
        """The live client of a connector, opened on first use and closed when the step ends.

        `sql`: `execute`, `scalar`, `fetch_all`, `stream`, `transaction`; `http`: `request`; `ldap`: `search`.
        Raises ConnectorError when there is no connector of that name or it can't be used.
        """
        if name not in self._opened:
            application = f"nomaflow:{self.run_id}:{self.step_name}"
            self._opened[name] = open_connector(self.link.connector(name), application)
        return self._opened[name]

    @property
    def http(self) -> Any:
        """A `requests`-like session with the same guards as the http step."""
        if self._http is None:
            from connectors.kinds.http import guarded_session

            self._http = guarded_session()
        return self._http

    def previous_step(self, name: str) -> PreviousStep:
        """How an earlier step ended: `.state` and `.output`. KeyError naming the steps that have run."""
        try:
            return self.previous[name]
        except KeyError:
            known = ", ".join(self.previous) or "none"
            raise KeyError(f"No step named {name!r} has run before this one; steps so far: {known}.") from None

    def is_cancelled(self) -> bool:
        """Whether the step should stop now."""
        return self.link.is_cancelled()

    def progress(self, done: int, total: int | None = None, *, said: bool = False) -> None:
        """Show how far the step has come, on the run's page and (unless it's `said` there already) in the log.

        Whole numbers of whatever is counted; `total` when it's known. Told at most once a second, the end always.
        """
        self.link.progress(int(done), None if total is None else int(total), said)

    def guard_warning(self, text: str) -> None:
        """Warn in the log, and let those who are told of this job's failures hear it now; the step goes on.

        For what is suspicious but no reason to fail: half of a table gone, a mirror that shrank. The same text is told once a run.
        """
        self.link.guard(text)

    def close(self) -> None:
        """Give back every connector that was opened. Called by whoever runs the step."""
        while self._opened:
            _, client = self._opened.popitem()
            try:
                client.close()
            except Exception as error:
                self.log.debug("closing a connector failed: %s", error)
        if self._http is not None:
            self._http.close()
            self._http = None
