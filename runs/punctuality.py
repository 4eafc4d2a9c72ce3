"""What becomes of the moments of one schedule that somebody has just noticed. Pure: no database, no clock."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.models import Misfire
from jobs.timetable import Moment
from runs.states import Cause, Outcome

# A run that starts this late is still on time; up to the grace it starts late; after that the misfire policy decides, so that
# nothing runs at a surprising hour.
ON_TIME_SECONDS = 5
GRACE_SECONDS = 60


@dataclass(frozen=True)
class Policy:
    """A job's misfire policy. `within_seconds`: how late a moment may be to be caught up at all."""

    misfire: str = Misfire.SKIP
    limit: int = 10
    within_seconds: int = 24 * 3600


@dataclass(frozen=True)
class Verdict:
    """The outcome of one moment, with its reason in words where it didn't simply run."""

    outcome: Outcome
    cause: Cause = Cause.NONE
    reason: str = ""


def judge(
    moments: Sequence[Moment], now: datetime.datetime, policy: Policy, held: Callable[[datetime.datetime], str]
) -> list[Verdict]:
    """One verdict per moment, in their order (oldest first). `held(moment)`: the freeze that holds it, in words, or nothing."""
    verdicts = [_at_once(moment, now, held) for moment in moments]
    overdue = [moment.at for moment, verdict in zip(moments, verdicts, strict=True) if verdict is None]
    running = any(verdict is not None and verdict.outcome in (Outcome.RAN, Outcome.LATE) for verdict in verdicts)
    later = iter(_overdue(overdue, now, policy, running))
    return [verdict or next(later) for verdict in verdicts]


def _at_once(moment: Moment, now: datetime.datetime, held: Callable[[datetime.datetime], str]) -> Verdict | None:
    """The verdict where it doesn't take the misfire policy; None for a moment that is overdue."""
    if moment.excluded:
        return Verdict(Outcome.SKIPPED, Cause.CALENDAR, moment.excluded)
    if why := held(moment.at):
        return Verdict(Outcome.SKIPPED, Cause.FROZEN, why)
    late = _late(moment.at, now)
    if late > GRACE_SECONDS:
        return None
    # A freeze that has begun since then holds what hasn't started yet.
    if late > 0 and (why := held(now)):
        return Verdict(Outcome.SKIPPED, Cause.FROZEN, why)
    if late > ON_TIME_SECONDS:
        return Verdict(Outcome.LATE, Cause.OUTAGE, f"started {in_words(late)} late")
    return Verdict(Outcome.RAN)


def _overdue(
    overdue: Sequence[datetime.datetime], now: datetime.datetime, policy: Policy, running: bool
) -> list[Verdict]:
    if policy.misfire == Misfire.SKIP:
        return [_missed(at, now) for at in overdue]
    reachable = [at for at in overdue if _late(at, now) <= policy.within_seconds]
    if policy.misfire == Misfire.RUN_ALL:
        chosen = reachable[-policy.limit :]
    else:
        chosen = [] if running else reachable[-1:]
    return [_caught_up_or_not(at, now, policy, at in chosen, at in reachable) for at in overdue]


def _missed(at: datetime.datetime, now: datetime.datetime) -> Verdict:
    return Verdict(Outcome.MISSED, Cause.OUTAGE, f"noticed {in_words(_late(at, now))} late: no scheduler was running")


def _caught_up_or_not(
    at: datetime.datetime, now: datetime.datetime, policy: Policy, chosen: bool, reachable: bool
) -> Verdict:
    late = in_words(_late(at, now))
    if chosen:
        return Verdict(Outcome.WAITING, Cause.OUTAGE, f"noticed {late} late: no scheduler was running")
    if not reachable:
        bound = in_words(policy.within_seconds)
        return Verdict(Outcome.SKIPPED, Cause.TOO_LATE, f"noticed {late} late; the job catches up within {bound}")
    if policy.misfire == Misfire.RUN_ALL:
        return Verdict(Outcome.SKIPPED, Cause.TOO_LATE, f"the job catches up with the newest {policy.limit} only")
    return Verdict(Outcome.SKIPPED, Cause.FOLDED, "the job catches up once, with the newest moment")


def _late(at: datetime.datetime, now: datetime.datetime) -> float:
    return (now - at).total_seconds()


def in_words(seconds: float) -> str:
    """`42 s`, `7 min`, `2 h 05 min`, `3 d 4 h`."""
    minutes, hours, days = int(seconds) // 60, int(seconds) // 3600, int(seconds) // 86400
    if seconds < 120:
        return f"{seconds:.0f} s"
    if hours < 2:
        return f"{minutes} min"
    if days < 2:
        return f"{hours} h {minutes % 60:02} min"
    return f"{days} d {hours % 24} h"
