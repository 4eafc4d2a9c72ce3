"""Which jobs tell somebody about their runs, on what and whom, and which tell nobody."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from jobs.models import Job
from notifications.models import Channel, RoutingRule
from notifications.recipients import resolve
from notifications.wanted import Wanted, wanted_of


@dataclass(frozen=True)
class Alerting:
    """One job that alerts: on which events, the recipients it names, and those that rules for its tags add, as (tag, whom).

    No recipients means the default channels; a job that hasn't declared any alerts is told of by rules only.
    """

    job_id: str
    enabled: bool
    events: tuple[str, ...]
    recipients: tuple[str, ...]
    declared: bool = True
    rules: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Silent:
    """An enabled job that alerts nobody when it fails, and why."""

    job_id: str
    why: str


@dataclass(frozen=True)
class Overview:
    """What all jobs together tell. Both lists are by id."""

    alerting: Sequence[Alerting]
    silent: Sequence[Silent]


def overview(jobs: QuerySet[Job]) -> Overview:
    """Who is told what of these jobs. Three queries."""
    rules = _rules_by_tag()
    channels = list(Channel.objects.defer("config", "secrets"))
    alerting, silent = [], []
    for job_id, enabled, alerts, tags in jobs.order_by("pk").values_list("pk", "enabled", "alerts", "tags"):
        wanted = wanted_of(alerts, tags)
        added = tuple((tag, whom) for tag in wanted.tags for whom in rules.get(tag, ()))
        if wanted.declared or added:
            alerting.append(Alerting(job_id, enabled, tuple(events(wanted)), wanted.recipients, wanted.declared, added))
        if enabled and (why := _why_silent(wanted, channels, told=bool(added))):
            silent.append(Silent(job_id, why))
    return Overview(alerting, silent)


def _rules_by_tag() -> dict[str, list[str]]:
    """Whom the rules of each tag tell, in words; those of channels that are off tell nobody."""
    rules: dict[str, list[str]] = {}
    names = ("tag", "channel__name", "recipient")
    for tag, channel, recipient in RoutingRule.objects.filter(channel__enabled=True).values_list(*names):
        rules.setdefault(tag, []).append(f"{recipient} by {channel}" if recipient else channel)
    return rules


def _why_silent(wanted: Wanted, channels: Sequence[Channel], *, told: bool) -> str:
    """Why nobody hears of the job's failures; empty when somebody does. `told`: a rule adds recipients."""
    if not wanted.declared and not told:
        return "no alerts declared"
    if not wanted.on_failure:
        return "alerts without failures"
    if told:
        return ""
    if not wanted.recipients:
        there = any(channel.enabled and channel.is_default for channel in channels)
        return "" if there else "no recipients, and no default channel that is switched on"
    targets, _ = resolve(wanted.recipients, channels)
    return (
        "" if any(target.channel.enabled for target in targets) else "no channel that is switched on for its recipients"
    )


def by_reason(silent: Iterable[Silent]) -> list[tuple[str, list[str]]]:
    """(why, ids of the jobs), the most frequent reason first."""
    groups: dict[str, list[str]] = {}
    for job in silent:
        groups.setdefault(job.why, []).append(job.job_id)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def events(wanted: Wanted) -> Iterator[str]:
    """The events that a job tells, in words."""
    minutes = wanted.on_long_run_minutes
    told = [
        (_failure(wanted), wanted.on_failure),
        (f"still running after {minutes} min", minutes),
        ("success", wanted.on_success),
        ("cancellation", wanted.on_cancel),
        ("missed fire", wanted.on_missed),
        ("skipped fire", wanted.on_skipped),
        ("guard warning", wanted.on_guard),
        ("schedule switched", wanted.on_switch),
        ("recovery", wanted.on_recovery),
    ]
    return (words for words, chosen in told if chosen)


def _failure(wanted: Wanted) -> str:
    """Failure, and when it's told."""
    first = f" from number {wanted.after_failures} in a row" if wanted.after_failures > 1 else ""
    again = "" if wanted.repeat_minutes == Wanted.repeat_minutes else f" again after {wanted.repeat_minutes} min"
    details = ",".join(filter(None, (first, again)))
    return f"failure{' (' + details.strip() + ')' if details else ''}"
