"""The one door by which channels and routing rules are written, and channels handed out to who sends."""

import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from connectors.definition import ConnectorError, Definition
from connectors.endpoints import find, resolved, store
from connectors.trial import Outcome, attempt
from nomaflow_site.lib.config import ConfigError
from nomaflow_site.lib.sealing import CannotDecrypt
from notifications.channels import transports
from notifications.models import Channel, RoutingRule
from notifications.recipients import same_form
from notifications.transport import Transport, Unsent, example
from notifications.usage import uses_by_channel

# What who sends writes down about a channel; no form, import or audit entry touches it.
HEALTH_FIELDS = ("hold_until", "failing_since", "failures", "last_sent_at", "last_answer")
# How a channel stands that nothing is known of yet.
FRESH: dict[str, Any] = {"hold_until": None, "failing_since": None, "failures": 0}


def save_channel(
    name: str,
    kind: str,
    settings: Mapping[str, Any],
    *,
    description: str = "",
    enabled: bool = True,
    is_default: bool = True,
    fallback: str = "",
    forget: Collection[str] = (),
) -> Channel:
    """Create the channel or update the one of that name, in one transaction. Raises ConfigError naming every fault.

    Stored secrets stay as those of connectors do. `fallback` names another channel, "" none. How the channel fares is left
    alone, but settings that changed, or being switched on, give it a fresh start.
    """
    with transaction.atomic():
        if problem := fallback_fault(name, fallback, stored_fallbacks()):
            raise ConfigError({"fallback": [problem]})
        stored = Channel.objects.filter(name=name).first()
        before = _sends_with(stored) if stored else None
        own = {"description": description, "enabled": enabled, "is_default": is_default}
        other = Channel.objects.get(name=fallback) if fallback else None
        channel = store(Channel, name, kind, settings, forget=forget, fallback=other, **own)
        if stored and _sends_with(channel) not in (None, before):
            Channel.objects.filter(pk=channel.pk).update(**FRESH)
            channel.refresh_from_db(fields=list(FRESH))
        return channel


def _sends_with(channel: Channel) -> dict[str, Any] | None:
    """The settings that a channel sends with; None where it can't, or is switched off."""
    try:
        return channel.definition().settings if channel.enabled else None
    except CannotDecrypt:
        return None


def stored_fallbacks() -> dict[str, str]:
    """For every channel that there is the name of its fallback; "" for none."""
    return {name: other or "" for name, other in Channel.objects.values_list("name", "fallback__name")}


def fallback_fault(name: str, fallback: str, fallbacks: Mapping[str, str]) -> str | None:
    """Why `fallback` can't stand in for the channel `name`, given the fallbacks of all channels; None when it can."""
    if not fallback:
        return None
    if fallback == name:
        return "A channel can't stand in for itself; name another one, or none."
    if fallback not in fallbacks:
        there = ", ".join(other for other in sorted(fallbacks) if other != name) or "no other yet"
        return f"There is no channel {fallback!r}; there are: {there}."
    chain = [name, *chain_of(fallback, fallbacks, end=name)]
    if chain[-1] == name:
        return f"They would stand in for each other in a circle: {' -> '.join(chain)}."
    return None


def chain_of(name: str, fallbacks: Mapping[str, str], end: str = "") -> Iterator[str]:
    """The channel, its fallback, the fallback's fallback and so on, up to `end` or before one comes again."""
    seen: set[str] = set()
    while name and name not in seen:
        yield name
        if name == end:
            return
        seen.add(name)
        name = fallbacks.get(name, "")


def delete_channel(channel: Channel) -> None:
    """Delete it; what it has sent stays readable under its name. Raises ConfigError naming everything that uses it."""
    with transaction.atomic():
        if uses := uses_by_channel([channel.name])[channel.name]:
            raise ConfigError({"channel": [f"{channel.name} is used by {'; '.join(map(str, uses))}."]})
        channel.delete()


def save_rule(tag: str, channel: str, recipient: str = "", *, rule: RoutingRule | None = None) -> RoutingRule:
    """Let jobs with that tag tell this recipient of the channel ("": its own); `rule` is changed, None: one is added.

    One that says the same is given back instead of a second. Raises ConfigError naming every fault.
    """
    recipient = same_form(recipient.strip())
    kinds = dict(Channel.objects.values_list("name", "kind"))
    if faults := dict(rule_faults(tag, channel, recipient, kinds)):
        raise ConfigError({field: [message] for field, message in faults.items()})
    found = Channel.objects.get(name=channel)
    same = RoutingRule.objects.filter(tag=tag, channel=found, recipient=recipient).first()
    if same is not None and rule is None:
        return same
    rule = rule or RoutingRule()
    rule.tag, rule.channel, rule.recipient = tag, found, recipient
    try:
        rule.full_clean()
    except ValidationError as error:
        raise ConfigError({field: list(messages) for field, messages in error.message_dict.items()}) from error
    rule.save()
    return rule


def rule_faults(tag: Any, channel: Any, recipient: Any, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(field, message) for everything that's wrong with a rule; `kinds` are the channels that there are, kind by name."""
    if not isinstance(tag, str) or not 0 < len(tag.strip()) <= 50 or "," in tag or tag != tag.strip():
        yield "tag", f"Expected a tag of 1 to 50 characters without commas, found {tag!r}."
    if not isinstance(channel, str) or channel not in kinds:
        there = ", ".join(sorted(kinds)) or "none yet"
        yield "channel", f"There is no channel {channel!r}; there are: {there}."
    if not isinstance(recipient, str) or len(recipient) > 320:
        yield "recipient", f"Expected a text of at most 320 characters, found {recipient!r}."
    elif problem := recipient_fault(kinds.get(str(channel), ""), recipient):
        yield "recipient", problem


def recipient_fault(kind: str, recipient: str) -> str | None:
    """Why a channel of that kind can't reach the recipient; None when it can, or nothing is known of the kind."""
    transport = transports().get(kind)
    return transport.recipient_fault(recipient) if transport and recipient else None


def delete_rule(rule: RoutingRule) -> None:
    """Delete it."""
    rule.delete()


def channel_definition(channel: Channel) -> Definition:
    """The channel's values with every `${env:NAME}` filled from this process's environment, as NOMAFLOW_JOB_ENV allows.

    Raises ConnectorError naming channel and variable, CannotDecrypt when a key is missing.
    """
    try:
        definition = channel.definition()
    except CannotDecrypt as error:
        raise CannotDecrypt(f"Channel {channel.name!r}: {error}") from error
    return resolved(Channel, definition, os.environ, django_settings.NOMAFLOW_JOB_ENV)


def ready_channel(channel: Channel) -> Definition:
    """What a transport sends with: the definition, filled, and its relative paths made absolute. Raises as above."""
    definition = channel_definition(channel)
    return _transport(channel.kind).settled(definition, django_settings.NOMAFLOW_HOME)


def default_recipients(channel: Channel) -> list[str]:
    """Whom the channel tells when nobody is named. Of one that can't be used it's "", so that its delivery tells why."""
    try:
        return _transport(channel.kind).default_recipients(channel_definition(channel).settings)
    except (ConnectorError, CannotDecrypt):
        return [""]


def _transport(kind: str) -> Transport:
    try:
        return transports()[kind]
    except KeyError:
        raise ConnectorError(f"There is no channel type {kind!r}; there are {', '.join(transports())}.") from None


def try_channel(name: str, to: str = "") -> Outcome:
    """Send a test message with the stored channel, to its own recipients or to one. Never raises for what goes wrong.

    A message that arrives proves that the channel works, so nothing is said any more of earlier failures.
    """

    def ready() -> Definition:
        find(Channel, name)
        return ready_channel(Channel.objects.get(name=name))

    def send(definition: Definition) -> str:
        transport = _transport(definition.kind)
        if not to:
            return transport.test(definition)
        try:
            if problem := transport.recipient_fault(to):
                raise ConnectorError(problem)
            return transport.send(definition, to, example(name))
        except Unsent as error:
            raise ConnectorError(error.answer) from None

    outcome = attempt(ready, send)
    if outcome.ok:
        proof = {**FRESH, "last_sent_at": timezone.now(), "last_answer": outcome.message}
        Channel.objects.filter(name=name).update(**proof)
    return outcome
