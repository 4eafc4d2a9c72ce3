"""Who uses a channel: rules, the channels that it stands in for, and jobs that name it or that nothing else could tell."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jobs.models import Job
from notifications.models import Channel, RoutingRule
from notifications.recipients import resolve


@dataclass(frozen=True, order=True)
class Use:
    """One user of a channel. `what` is job, rule or channel, `key` the job's id or the row's primary key."""

    what: str
    key: str
    label: str
    place: str

    def __str__(self) -> str:
        return f"{self.label} ({self.place})"


def uses_by_channel(names: Collection[str]) -> dict[str, list[Use]]:
    """For each of the channels everything that would be left without it, were all of them gone."""
    channels = list(Channel.objects.all())
    found: dict[str, list[Use]] = {name: [] for name in names}
    for name, use in (*_rules(names), *_fallbacks(names), *_jobs(names, channels)):
        found[name].append(use)
    return {name: sorted(uses) for name, uses in found.items()}


def _rules(names: Collection[str]) -> Iterator[tuple[str, Use]]:
    for rule in RoutingRule.objects.filter(channel__name__in=names).select_related("channel").defer("channel__secrets"):
        place = rule.recipient or "the channel's own recipients"
        yield rule.channel.name, Use("rule", str(rule.pk), f"rule for tag {rule.tag}", place)


def _fallbacks(names: Collection[str]) -> Iterator[tuple[str, Use]]:
    others = Channel.objects.filter(fallback__name__in=names).exclude(name__in=names)
    for pk, other, name in others.values_list("pk", "name", "fallback__name"):
        yield name, Use("channel", str(pk), f"channel {other}", "its fallback")


def _jobs(names: Collection[str], channels: Collection[Channel]) -> Iterator[tuple[str, Use]]:
    left = [channel for channel in channels if channel.name not in names]
    for job_id, alerts in Job.objects.exclude(alerts=None).order_by("pk").values_list("pk", "alerts"):
        recipients = [text for text in (alerts or {}).get("recipients") or () if isinstance(text, str)]
        if not recipients:
            continue
        gone = [recipient for recipient, _ in resolve(recipients, left)[1]]
        for recipient in gone:
            for target in resolve([recipient], channels)[0]:
                place = f"recipient {recipient}" + (", which no other channel reaches" if target.recipient else "")
                yield target.channel.name, Use("job", job_id, f"job {job_id}", place)
