"""What a step type offers. Each type is one module in `jobs/steps/`."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from jobs.context import Context
from nomaflow_site.lib.config import ConfigForm


class StepFailed(Exception):
    """An expected failure of a step: shown to the operator as it is, without a stack trace."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """`retry_after`: seconds the other side asked to wait before the next attempt."""
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Result:
    """What a step that ended well gives back. `output` is JSON; `rows` goes into the step's `rows_affected`."""

    output: dict[str, Any] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True)
class ChildJob:
    """The step is another job: the engine starts it as a child run, and the child's state decides the step."""

    job_id: str
    params: dict[str, Any] = field(default_factory=dict)
    op_kwargs: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Examined:
    """A table of what a step has found out before it ever runs. `faults` would make it fail."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


class StepType:
    """One type of step: the fields that describe it and the code that runs it.

    `run` gets fully substituted, typed values under the form's flat field names. Any exception fails the attempt.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    form: ClassVar[type[ConfigForm]]
    # For Nomaflow's own jobs: not offered when a step is added, and it may ask its worker for housekeeping.
    internal: ClassVar[bool] = False
    # What a button on the job's check says that has `examine` connect; empty for types that have nothing to find out.
    examines: ClassVar[str] = ""

    def run(self, ctx: Context, config: dict[str, Any]) -> Result | ChildJob:
        """Do the work and return the outcome. Raises StepFailed for an expected failure."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it runs")

    def examine(self, ctx: Context, config: dict[str, Any]) -> Examined:
        """Connect and find out what a run would meet, changing nothing. Raises StepFailed or ConnectorError as a run would."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to examine")
