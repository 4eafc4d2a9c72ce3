"""Freezes: times in which schedules don't fire, by whom and why. The decision is pure; below it the queries and the verbs.

A freeze holds the moments from its start up to, not including, its end. It ends by itself and stays as history.
"""

import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from connectors.models import Connector
from jobs.definition import definition_of
from jobs.models import Freeze, FreezeScope, Job
from jobs.plainvalues import value_faults
from jobs.stepconfig import connector_names

LONGEST = datetime.timedelta(days=366)
LONGEST_REASON = 1000
LONGEST_TARGET = 100
OVER = "This freeze is over and stays as it was; set another one."


class BadFreeze(ValueError):
    """A freeze that can't be; `errors` are messages by field, "" for what is about none."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        self.errors = dict(errors)
        super().__init__(" ".join(f"{name}: {message}" if name else message for name, message in self.errors.items()))


# The decision


def holds(
    freezes: Iterable[Freeze],
    job_id: str,
    tags: Collection[str],
    connectors: Collection[str],
    moment: datetime.datetime,
) -> Freeze | None:
    """The freeze that holds a job's moment; of several the one that ends last."""
    return latest([freeze for freeze in freezes if reaches(freeze, job_id, tags, connectors)], moment)


def latest(freezes: Iterable[Freeze], moment: datetime.datetime) -> Freeze | None:
    """Of the freezes that hold the moment the one that ends last."""
    found = (freeze for freeze in freezes if freeze.starts_at <= moment < freeze.ends_at)
    return max(found, key=lambda freeze: freeze.ends_at, default=None)


def reaches(freeze: Freeze, job_id: str, tags: Collection[str], connectors: Collection[str]) -> bool:
    """Whether the freeze is about the job at all."""
    targets = {
        FreezeScope.ALL: (freeze.target,),
        FreezeScope.TAG: tags,
        FreezeScope.JOB: (job_id,),
        FreezeScope.CONNECTOR: connectors,
    }
    return freeze.target in targets[FreezeScope(freeze.scope)]


@dataclass(frozen=True)
class Frozen:
    """Some freezes and what they have to know of the jobs, so that many moments can be asked about without a query."""

    freezes: Collection[Freeze]
    tags: Mapping[str, Collection[str]] = field(default_factory=dict)
    connectors: Mapping[str, Collection[str]] = field(default_factory=dict)

    def of(self, job_id: str) -> list[Freeze]:
        """The freezes that are about the job."""
        tags, connectors = self.tags.get(job_id, ()), self.connectors.get(job_id, ())
        return [freeze for freeze in self.freezes if reaches(freeze, job_id, tags, connectors)]

    def holding(self, job_id: str, moment: datetime.datetime) -> Freeze | None:
        """The freeze that holds the job's moment."""
        return holds(self.freezes, job_id, self.tags.get(job_id, ()), self.connectors.get(job_id, ()), moment)


def why(freeze: Freeze) -> str:
    """For whoever asks why nothing ran: "frozen by alice until 2026-12-01 06:00 UTC: year-end close"."""
    end = freeze.ends_at.astimezone(datetime.UTC)
    return f"frozen by {freeze.owner} until {end:%Y-%m-%d %H:%M} UTC: {' '.join(freeze.reason.split())}"


def state(freeze: Freeze, now: datetime.datetime) -> str:
    """In one word: planned, active, over, or cancelled before it began."""
    if freeze.ends_at <= freeze.starts_at:
        return "cancelled"
    if freeze.ends_at <= now:
        return "over"
    return "active" if freeze.starts_at <= now else "planned"


# Queries


def active_freezes(now: datetime.datetime) -> list[Freeze]:
    """Those that hold something now, the one that ends last first."""
    return list(Freeze.objects.filter(starts_at__lte=now, ends_at__gt=now).order_by("-ends_at", "-pk"))


def freezes_between(start: datetime.datetime, end: datetime.datetime) -> list[Freeze]:
    """Those that hold some moment from `start` up to and including `end`."""
    held = Q(starts_at__lte=end, ends_at__gt=start) & Q(ends_at__gt=F("starts_at"))
    return list(Freeze.objects.filter(held))


def frozen_by(freezes: Collection[Freeze], jobs: QuerySet[Job] | None = None) -> Frozen:
    """These freezes with what they have to know of the jobs (all when none are given); no query that no freeze needs."""
    scopes = {freeze.scope for freeze in freezes}
    jobs = Job.objects.all() if jobs is None else jobs
    tags = dict(jobs.values_list("pk", "tags")) if FreezeScope.TAG in scopes else {}
    names = {freeze.target for freeze in freezes if freeze.scope == FreezeScope.CONNECTOR}
    return Frozen(freezes, tags, connectors_among(names, jobs) if names else {})


def connectors_among(names: Collection[str], jobs: QuerySet[Job]) -> dict[str, set[str]]:
    """By job those of the connectors that its steps name; jobs that name none are left out."""
    found = {}
    for job in jobs.prefetch_related("steps", "presets"):
        # Reading a step's fields is slow, and most jobs have none of these names anywhere.
        texts = str([job.step_defaults, *(step.config for step in job.steps.all())])
        if any(name in texts for name in names) and (named := connector_names(definition_of(job)) & set(names)):
            found[job.id] = named
    return found


# Verbs


def draft_freeze(
    scope: str,
    target: str,
    reason: str,
    starts_at: datetime.datetime | None,
    ends_at: datetime.datetime,
    *,
    by: str,
    now: datetime.datetime | None = None,
) -> tuple[Freeze, list[str]]:
    """A freeze that could be saved as it is, and what's odd about it, in words. Raises BadFreeze."""
    now = now or timezone.now()
    target, reason = target.strip(), reason.strip()
    # What has passed can't be held back any more.
    starts_at = max(starts_at or now, now)
    errors = {
        "target": _target_fault(scope, target),
        "reason": _reason_fault(reason),
        "ends_at": _end_fault(starts_at, ends_at, now),
    }
    if scope not in FreezeScope.values:
        errors = {"scope": f"Found {scope!r}, expected one of {', '.join(FreezeScope.values)}."}
    if found := {name: message for name, message in errors.items() if message}:
        raise BadFreeze(found)
    draft = Freeze(scope=scope, target=target, reason=reason, starts_at=starts_at, ends_at=ends_at, owner=by)
    return draft, list(_oddities(draft))


def freeze(
    scope: str,
    target: str,
    reason: str,
    starts_at: datetime.datetime | None,
    ends_at: datetime.datetime,
    *,
    by: str,
    user: Any = None,
    now: datetime.datetime | None = None,
) -> Freeze:
    """Hold the schedules back from `starts_at` (None or the past: now) until `ends_at`. Raises BadFreeze."""
    made, _ = draft_freeze(scope, target, reason, starts_at, ends_at, by=by, now=now)
    made.user = user
    made.save()
    return made


def draft_end(freeze: Freeze, ends_at: datetime.datetime, now: datetime.datetime) -> Freeze:
    """What is left of the freeze if it ends then, not saved: from now on, or from its start. Raises BadFreeze."""
    if state(freeze, now) in ("over", "cancelled"):
        raise BadFreeze({"": OVER})
    if fault := _end_fault(freeze.starts_at, ends_at, now):
        raise BadFreeze({"ends_at": fault})
    kept = {"scope": freeze.scope, "target": freeze.target, "reason": freeze.reason, "owner": freeze.owner}
    return Freeze(**kept, starts_at=max(freeze.starts_at, now), ends_at=ends_at)


def change_end(freeze: Freeze, ends_at: datetime.datetime, *, by: str, now: datetime.datetime | None = None) -> Freeze:
    """Let it end earlier or later than was said. Raises BadFreeze, also for one that's over: that one is history."""
    now = now or timezone.now()
    with transaction.atomic():
        locked = Freeze.objects.select_for_update().get(pk=freeze.pk)
        draft_end(locked, ends_at, now)
        locked.ends_at = ends_at
        locked.save(update_fields=["ends_at"])
    return locked


def end_freeze(freeze: Freeze, *, by: str, now: datetime.datetime | None = None) -> Freeze:
    """End it now; one that hasn't begun never does. Raises BadFreeze for one that's over."""
    now = now or timezone.now()
    with transaction.atomic():
        locked = Freeze.objects.select_for_update().get(pk=freeze.pk)
        if state(locked, now) in ("over", "cancelled"):
            raise BadFreeze({"": OVER})
        locked.ends_at, locked.ended_by = max(now, locked.starts_at), by
        locked.save(update_fields=["ends_at", "ended_by"])
    return locked


def _target_fault(scope: str, target: str) -> str:
    if scope == FreezeScope.ALL:
        return f"Found {target!r}, expected nothing: every job is held back." if target else ""
    if not target:
        return f"Expected the name of the {scope}."
    if len(target) > LONGEST_TARGET or _text_fault(target):
        return _text_fault(target) or f"Found {len(target):,} characters; {LONGEST_TARGET} is the limit."
    if scope == FreezeScope.JOB and not Job.objects.filter(pk=target).exists():
        return f"There is no job {target!r}."
    if scope == FreezeScope.CONNECTOR and not Connector.objects.filter(name=target).exists():
        return f"There is no connector {target!r}."
    return ""


def _reason_fault(reason: str) -> str:
    if not reason:
        return "Say why, for whoever wonders that nothing runs."
    if len(reason) > LONGEST_REASON:
        return f"Found {len(reason):,} characters; {LONGEST_REASON:,} is the limit."
    return _text_fault(reason)


def _text_fault(text: str) -> str:
    return next((message for _, message in value_faults(text)), "")


def _end_fault(starts_at: datetime.datetime, ends_at: datetime.datetime, now: datetime.datetime) -> str:
    if ends_at <= now:
        return "Expected a time in the future."
    if ends_at <= starts_at:
        return "Expected a time after the start."
    if ends_at - starts_at > LONGEST:
        return f"A freeze lasts {LONGEST.days} days at most."
    return ""


def _oddities(draft: Freeze) -> Iterator[str]:
    if draft.scope == FreezeScope.TAG and not _is_tag(draft.target):
        yield f"No job has the tag {draft.target!r} now; jobs that get it later are held back."
    if draft.scope == FreezeScope.CONNECTOR and not connectors_among({draft.target}, Job.objects.all()):
        yield f"No job's steps use the connector {draft.target!r} now."


def _is_tag(tag: str) -> bool:
    return any(tag in tags for tags in Job.objects.values_list("tags", flat=True))
