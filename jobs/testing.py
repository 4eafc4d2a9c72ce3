"""For the tests of plugin authors: a context that works without a server.

    from jobs.testing import fake_ctx

    def test_summary():
        ctx = fake_ctx(params={"target_connector": "reporting"}, connectors={"reporting": sqlite("reporting.db")})
        assert reports.summary(ctx, target_connector="reporting") == {"orders": 3}

Connectors are real ones: give definitions, such as `sqlite(path)`, and the step talks to that database.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.definition import ConnectorError, Definition
from jobs.context import Context, PreviousStep


def sqlite(path: str | Path) -> Definition:
    """The definition of a connector to a SQLite file."""
    return Definition(name="sqlite", kind="sql", config={"dialect": "sqlite", "database": str(path)})


class FakeLink:
    """A `jobs.context.Link` in one process: connectors from a dict, progress remembered, the rest by attribute."""

    def __init__(self, connectors: Mapping[str, Definition]) -> None:
        self._connectors = connectors
        self.progress_calls: list[tuple[int, int | None]] = []
        self.cancelled = False
        self.to_prune: list[dict[str, int]] = []
        self.prune_calls: list[str] = []
        self.guard_warnings: list[str] = []

    def connector(self, name: str) -> Definition:
        """The definition given under `name`; ConnectorError naming the ones there are."""
        try:
            return self._connectors[name]
        except KeyError:
            known = ", ".join(self._connectors) or "none"
            raise ConnectorError(f"There is no connector {name!r}; this test gave {known}.") from None

    def progress(self, done: int, total: int | None, said: bool) -> None:
        """Remember it."""
        self.progress_calls.append((done, total))

    def is_cancelled(self) -> bool:
        """As the test says."""
        return self.cancelled

    def guard(self, text: str) -> None:
        """Remember it."""
        self.guard_warnings.append(text)

    def prune(self, before: str) -> dict[str, int]:
        """The next batch that the test gave; then there's nothing left."""
        self.prune_calls.append(before)
        return self.to_prune.pop(0) if self.to_prune else {}


def fake_ctx(
    connectors: Mapping[str, Definition] | None = None,
    params: Mapping[str, Any] | None = None,
    plugins: tuple[Path, ...] = (),
    previous: Mapping[str, Mapping[str, Any]] | None = None,
    **facts: Any,
) -> Context:
    """A context for calling a step's function directly. `previous` maps earlier steps to their outputs; `facts` override."""
    defaults: dict[str, Any] = {
        "run_id": "run_test",
        "job_id": "test-job",
        "step_name": "test-step",
        "attempt": 1,
        "triggered_by": "cli",
        "session_user": "",
        "log_level": "INFO",
    }
    return Context(
        **{**defaults, **facts},
        params=dict(params or {}),
        link=FakeLink(connectors or {}),
        previous={name: PreviousStep("SUCCEEDED", output) for name, output in (previous or {}).items()},
        plugins=plugins,
    )
