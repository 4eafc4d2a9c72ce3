"""Settling alerts: what one means for its job's incident, whether it's told, and to whom."""

import datetime
import logging
from collections.abc import Iterator
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, F, OuterRef

from nomaflow_site.lib.faults import faultpoint
from notifications import incidents
from notifications.catalogue import default_recipients
from notifications.channels import transports
from notifications.events import DeliveryState, Event
from notifications.models import Alert, Channel, Delivery, Incident, RoutingRule
from notifications.recipients import resolve, same_form
from notifications.wanted import Wanted
from runs.catalogue import HEAVY

log = logging.getLogger(__name__)
BATCH = 100


def settle_some(now: datetime.datetime, most: int = BATCH) -> int:
    """Settle alerts that wait, the oldest of each job first, so that its incident sees them in their order; how many."""
    # Asked every second, nearly always for nothing: the cheapest question first.
    if not Alert.objects.filter(settled_at=None).exists():
        return 0
    earlier = Alert.objects.filter(settled_at=None, job=OuterRef("job"), pk__lt=OuterRef("pk"))
    waiting = Alert.objects.filter(~Exists(earlier), settled_at=None).order_by("pk")
    return sum(_settle_safely(pk, now) for pk in list(waiting.values_list("pk", flat=True)[:most]))


def _settle_safely(pk: int, now: datetime.datetime) -> bool:
    try:
        return settle(pk, now)
    except (OperationalError, InterfaceError):
        raise  # the database is away or busy: later
    except Exception as error:
        # A defect of ours in one alert must not hold up the others, and must be seen.
        log.exception("alert %s could not be settled", pk)
        return _give_up(pk, f"internal error: {type(error).__name__}; the sender's log has the details", now)


def settle(pk: int, now: datetime.datetime) -> bool:
    """Decide about one alert and write its deliveries, in one transaction; False when somebody else has."""
    with transaction.atomic():
        if not Alert.objects.filter(pk=pk, settled_at=None).update(settled_at=now):
            return False
        alert = Alert.objects.select_related("run").defer(*(f"run__{name}" for name in HEAVY)).get(pk=pk)
        wanted = Wanted(**alert.wanted)
        quiet = _judge(alert, wanted, now)
        if not quiet:
            rows = [*_deliveries(alert, wanted, now)]
            Delivery.objects.bulk_create(rows)
            quiet = _outcome(rows)
        alert.outcome = quiet
        alert.save(update_fields=["event", "incident", "facts", "outcome"])
        faultpoint("routing.before_commit")
        return True


def _judge(alert: Alert, wanted: Wanted, now: datetime.datetime) -> str:
    """Bring the job's incident up to date; why nobody is told, or nothing."""
    match Event(alert.event):
        case Event.FAILED:
            return _judge_failure(alert, wanted, now)
        case Event.SUCCEEDED:
            return _judge_success(alert, wanted)
        case _:
            return ""


def _judge_failure(alert: Alert, wanted: Wanted, now: datetime.datetime) -> str:
    at = (alert.run.finished_at if alert.run else None) or alert.created_at
    incident = incidents.fold(alert.job_id, alert.run, alert.facts.get("error") or "", at)
    _belongs(alert, incident)
    quiet = incidents.why_quiet(incident, wanted, now)
    if not quiet:
        Incident.objects.filter(pk=incident.pk).update(told=F("told") + 1, told_at=now)
    # News of a success is settled in its turn, and closes it then; where that was settled before, nobody else would.
    coming = Alert.objects.filter(settled_at=None, job=alert.job_id, event=Event.SUCCEEDED)
    if not coming.exists() and (later := incidents.success_since(alert.job_id, at)):
        incidents.close_recovered(alert.job_id, later)
    return quiet


def _judge_success(alert: Alert, wanted: Wanted) -> str:
    assert alert.run is not None
    incident = incidents.close_recovered(alert.job_id, alert.run)
    if incident is not None:
        _belongs(alert, incident)
        if wanted.on_recovery and incident.told:
            alert.event = Event.RECOVERED
            return ""
    if wanted.on_success:
        return ""
    return f"closed incident {incident.pk}" if incident else "nothing to tell"


def _belongs(alert: Alert, incident: Incident) -> None:
    """The alert is about this incident, as it stands now: a message that is sent later says the same."""
    opened_at = incident.opened_at.isoformat()
    alert.incident = incident
    alert.facts = {
        **alert.facts,
        "incident": {"id": incident.pk, "failures": incident.failures, "opened_at": opened_at},
    }


def _deliveries(alert: Alert, wanted: Wanted, now: datetime.datetime) -> Iterator[Delivery]:
    """One for each recipient; one that can't be told has failed already, with the reason."""
    told: set[tuple[str, str]] = set()
    targets, faults = _targets(wanted)
    for channel, recipient in targets:
        if (who := _who(channel, recipient)) not in told:
            told.add(who)
            yield _delivery(alert, now, channel=channel, channel_name=channel.name, recipient=recipient)
    for recipient, fault in faults:
        failed: dict[str, Any] = {"state": DeliveryState.FAILED, "ended_at": now, "answer": fault}
        yield _delivery(alert, now, channel_name="", recipient=recipient, **failed)


def _who(channel: Channel, recipient: str) -> tuple[str, str]:
    """The same for the same recipient: an address is one whatever mail server leads to it, a #channel is its workspace's."""
    transport = transports().get(channel.kind)
    everywhere = recipient and transport is not None and transport.same_everywhere
    return channel.kind if everywhere else channel.name, same_form(recipient)


def _delivery(alert: Alert, now: datetime.datetime, **values: Any) -> Delivery:
    return Delivery(alert=alert, created_at=now, due_at=now, **values)


def _targets(wanted: Wanted) -> tuple[list[tuple[Channel, str]], list[tuple[str, str]]]:
    """Whom to tell: the job's own recipients, or each default channel's; and those that rules add for its tags."""
    channels = list(Channel.objects.order_by("-is_default", "name"))
    targets: list[tuple[Channel, str]] = []
    faults: list[tuple[str, str]] = []
    if wanted.recipients:
        found, faults = resolve(wanted.recipients, channels)
        for target in found:
            targets += _spread(target.channel, target.recipient)
    elif wanted.declared:
        for channel in channels:
            if channel.is_default and channel.enabled:
                targets += _spread(channel, "")
        if not targets:
            faults = [("", "the job names no recipients, and no channel that is switched on is a default one")]
    for rule in RoutingRule.objects.filter(tag__in=wanted.tags).select_related("channel").defer("channel__secrets"):
        targets += _spread(rule.channel, rule.recipient)
    return targets, faults


def _spread(channel: Channel, recipient: str) -> list[tuple[Channel, str]]:
    return [(channel, each) for each in ([recipient] if recipient else default_recipients(channel))]


def _outcome(rows: list[Delivery]) -> str:
    failed = sum(row.state == DeliveryState.FAILED for row in rows)
    told = len(rows) - failed
    words = "to 1 recipient" if told == 1 else f"to {told} recipients"
    return f"{words}, {failed} can't be told" if failed else words


def _give_up(pk: int, reason: str, now: datetime.datetime) -> bool:
    with transaction.atomic():
        if not Alert.objects.filter(pk=pk, settled_at=None).update(settled_at=now, outcome=reason):
            return False
        failed = Delivery(alert_id=pk, created_at=now, due_at=now, ended_at=now, answer=reason)
        failed.state = DeliveryState.FAILED
        failed.save()
        return True
