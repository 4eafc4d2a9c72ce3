"""Cancel or replay many runs: each by itself, as if it were the only one, and what became of them told together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from guardian.shortcuts import get_objects_for_user

from jobs.models import Job
from runs.control import request_cancel
from runs.models import Run
from runs.replay import replay_overrides
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run

MOST_NAMED = 5
MOST_REASONS = 3


@dataclass
class Told:
    """What became of each: in order, `refused` as sentences."""

    done: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def went_well(self) -> bool:
        """Whether something was done and nothing refused."""
        return bool(self.done) and not self.refused

    def sentences(self, done: str) -> str:
        """The whole in a few sentences, however many there were; `done` goes before those that were done."""
        parts = []
        if self.done:
            parts.append(f"{done}: {names(self.done)}.")
        if self.over:
            parts.append(f"Over already: {names(self.over)}.")
        if self.refused:
            parts.append(f"Refused: {len(self.refused)}. " + " ".join(self.refused[:MOST_REASONS]))
        if len(self.refused) > MOST_REASONS:
            parts.append(f"And {len(self.refused) - MOST_REASONS} more.")
        return " ".join(parts)


def names(run_ids: Sequence[str]) -> str:
    """`2 runs (run_a, run_b)`, or the first few of more."""
    rest = len(run_ids) - MOST_NAMED
    listed = ", ".join(run_ids[:MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return f"{len(run_ids)} run{'s' * (len(run_ids) != 1)} ({listed})"


def cancel_runs(user: Any, runs: Sequence[Run]) -> Told:
    """Ask for the end of each that the person may stop and that isn't over."""
    told = Told()
    allowed = allowed_jobs(user, "cancel_job", [run.job_id for run in runs])
    for run in runs:
        if not allowed(run.job_id):
            told.refused.append(f"{run.run_id}: you may not cancel runs of {run.job_id}.")
        elif run.is_over or not request_cancel(run, by=f"user:{user.get_username()}"):
            told.over.append(run.run_id)
        else:
            told.done.append(run.run_id)
    return told


def replay_runs(user: Any, runs: Sequence[Run]) -> Told:
    """Start each one's job again with the values that the run was given."""
    told = Told()
    name = user.get_username()
    allowed = allowed_jobs(user, "run_job", [run.job_id for run in runs])
    jobs = Job.objects.in_bulk({run.job_id for run in runs})
    for run in runs:
        job = jobs.get(run.job_id)
        if job is None:
            told.refused.append(f"{run.run_id}: job {run.job_id!r} has been deleted.")
        elif not allowed(run.job_id):
            told.refused.append(f"{run.run_id}: you may not run {run.job_id}.")
        else:
            try:
                values: dict[str, Any] = {"triggered_by": f"user:{name}", "requested_by": name, "user": user}
                again = trigger_run(job, overrides=replay_overrides(run), replay_of=run, **values)
                told.done.append(again.run_id)
            except (RunInFlight, InvalidTrigger) as refusal:
                told.refused.append(f"{run.run_id}: {refusal}")
    return told


def allowed_jobs(user: Any, permission: str, job_ids: Sequence[str]) -> Callable[[str], bool]:
    """Which of the jobs the person has the permission for, deleted ones where it's for all jobs. Asks once."""
    if user.is_superuser or user.has_perm(f"jobs.{permission}"):
        return lambda job_id: True
    granted = get_objects_for_user(user, f"jobs.{permission}", Job).filter(pk__in=set(job_ids))
    return set(granted.values_list("pk", flat=True)).__contains__
