"""What a run does next: pure decisions over its plan and its history, no database, no clock."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from jobs.plan import Plan, StepPlan
from runs.executor.supervisor import Ending, How
from runs.states import RunState


@dataclass(frozen=True)
class Attempt:
    """One row of a run's history: how an attempt of a step stands."""

    number: int
    attempt: int
    state: RunState


# Moves: what the run does now.


@dataclass(frozen=True)
class Perform:
    """Run a step."""

    step: StepPlan
    attempt: int


@dataclass(frozen=True)
class Skip:
    """Leave a step out and go on."""

    step: StepPlan
    reason: str


@dataclass(frozen=True)
class JudgeChild:
    """The child run of a `call_job` step has ended: judge the step by it."""

    step: StepPlan
    attempt: int


@dataclass(frozen=True)
class Finish:
    """End the run."""

    state: RunState
    reason: str


Move = Perform | Skip | JudgeChild | Finish


def next_move(
    plan: Plan,
    step_enabled: Mapping[str, bool],
    history: Sequence[Attempt],
    *,
    cancelled_by: str = "",
    past_deadline: bool = False,
) -> Move:
    """The next move of a run whose attempts so far are `history`, in order."""
    last = {attempt.number: attempt for attempt in history}
    for step in plan.steps:
        done = last.get(step.number)
        if done is not None and (done.state is RunState.SUCCEEDED or done.attempt == 0):
            continue
        # Where every step has succeeded the run has too: cancel and deadline stop only what would still have to run.
        if cancelled_by:
            return Finish(RunState.CANCELED, f"cancelled by {cancelled_by}")
        if past_deadline:
            return Finish(RunState.FAILED, f"timeout: the job's {plan.timeout_seconds} s were over")
        if done is not None and done.state is RunState.RUNNING:
            return JudgeChild(step, done.attempt)
        if not step_enabled.get(step.name, step.enabled):
            return Skip(step, "skipped: disabled")
        return Perform(step, done.attempt + 1 if done else 1)
    return Finish(RunState.SUCCEEDED, "")


# Verdicts: what an attempt's ending means for step and run.


@dataclass(frozen=True)
class GoOn:
    """The step succeeded."""


@dataclass(frozen=True)
class Retry:
    """The attempt failed and the step is tried again after `wait` seconds."""

    reason: str
    wait: float


@dataclass(frozen=True)
class Wait:
    """The step is a child run that has to be started and waited for."""


@dataclass(frozen=True)
class Repeat:
    """The attempt was interrupted and the step may be repeated at once."""

    reason: str


@dataclass(frozen=True)
class End:
    """The run is over. `step_state` is what the attempt's row says."""

    state: RunState
    reason: str


Verdict = GoOn | Retry | Wait | Repeat | End

NextWait = Callable[[Mapping[str, object], int, float | None], float | None]
# A step that takes its process down three times won't survive a fourth.
MOST_LOSSES = 3


def judge(
    step: StepPlan,
    attempt: int,
    ending: Ending,
    next_wait: NextWait,
    *,
    cancelled_by: str = "",
    losses: int = 0,
    seconds_left: float = float("inf"),
) -> Verdict:
    """What the ending of an attempt means.

    `losses`: how often this run lost a process before. `seconds_left`: until the job's own deadline.
    """
    match ending.how:
        case How.DONE:
            return Wait() if ending.child_job is not None else GoOn()
        case How.CANCELLED:
            return End(RunState.CANCELED, f"cancelled by {cancelled_by or 'somebody'}")
        case How.FAILED | How.TIMED_OUT:
            wait = next_wait(step.retry, attempt, ending.retry_after)
            reason = ending.error or "failed"
            if wait is not None and wait >= seconds_left:
                return End(RunState.FAILED, f"{reason}; the job's own timeout leaves no time for another attempt")
            return End(RunState.FAILED, reason) if wait is None else Retry(reason, wait)
        case How.CRASHED:
            return judge_loss(step, ending.error, losses)
        case How.INTERRUPTED:
            return judge_loss(step, "interrupted: the worker was stopped", losses)


def judge_loss(step: StepPlan, reason: str, losses: int) -> Repeat | End:
    """An attempt that ended without its own word: its outcome is unknown, so only a repeatable step goes again."""
    if step.rerun_if_lost and losses + 1 < MOST_LOSSES:
        return Repeat(reason)
    unknown = "" if step.rerun_if_lost else "; how far it came is unknown"
    return End(RunState.FAILED, f"{reason}{unknown}")
