"""Channels and rules in the file of import and export: `[[channels]]` before the jobs, `[[routing_rules]]` after them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from auditlog.signals import accessed

from jobs.endpointfile import apply_endpoint, endpoint_definition, endpoint_faults, kinds_in, settings_in
from jobs.plainvalues import plain, value_faults
from jobs.sections import Change, Section, Tables
from jobs.tomltext import nested
from notifications.catalogue import chain_of, fallback_fault, rule_faults, save_channel, save_rule, stored_fallbacks
from notifications.models import Channel, RoutingRule
from notifications.recipients import same_form

# Keys of a channel's table that aren't fields of its kind, beside those that every endpoint has.
OWN_KEYS = ("enabled", "default", "fallback")
RULE_KEYS = ("tag", "channel", "recipient")


# Channels


def channel_toml(channel: Channel) -> str:
    """One `[[channels]]` table as text, secrets as placeholders; what is at its default is left out."""
    own: dict[str, Any] = {}
    if not channel.enabled:
        own["enabled"] = False
    if not channel.is_default:
        own["default"] = False
    if channel.fallback:
        own["fallback"] = channel.fallback.name
    return "\n".join(nested("channels", endpoint_definition(channel, own)))


def channel_faults(tables: Tables, document: Mapping[str, Any]) -> list[str]:
    """Everything that's wrong with the tables, as lines for people."""
    fallbacks = _fallbacks_after(tables)

    def own_faults(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for key in ("enabled", "default"):
            if not isinstance(table.get(key, True), bool):
                yield key, f"Expected true or false, found {table[key]!r}."
        fallback = table.get("fallback", "")
        if not isinstance(fallback, str):
            yield "fallback", f"Expected a channel's name, found {fallback!r}."
        elif problem := fallback_fault(str(table.get("name")), fallback, fallbacks):
            yield "fallback", problem

    return list(endpoint_faults(Channel, tables, OWN_KEYS, own_faults))


def _fallbacks_after(tables: Tables) -> dict[str, str]:
    """The fallback of every channel once the tables have been imported."""
    return {**stored_fallbacks(), **{str(table.get("name")): str(table.get("fallback", "")) for table in tables}}


def apply_channels(tables: Tables, by: str) -> list[Change]:
    """Save tables that have been checked; a channel that stands in for another one comes before it."""
    fallbacks = _fallbacks_after(tables)
    depth = {str(table["name"]): len(list(chain_of(str(table["name"]), fallbacks))) for table in tables}
    return [_apply_channel(table) for table in sorted(map(plain, tables), key=lambda table: depth[table["name"]])]


def _apply_channel(table: Mapping[str, Any]) -> Change:
    def save() -> Channel:
        return save_channel(
            table["name"],
            table["type"],
            settings_in(table, OWN_KEYS),
            description=table.get("description", ""),
            enabled=table.get("enabled", True),
            is_default=table.get("default", True),
            fallback=table.get("fallback", ""),
        )

    return apply_endpoint(Channel, table["name"], save, channel_toml)


def export_channels() -> str:
    """All channels, each export noted in the audit trail."""
    parts = []
    for channel in Channel.objects.select_related("fallback").defer("fallback__secrets"):
        parts.append(channel_toml(channel))
        accessed.send(Channel, instance=channel)
    return "\n".join(parts)


# Rules


def rule_toml(rule: RoutingRule) -> str:
    """One `[[routing_rules]]` table as text."""
    table = {"tag": rule.tag, "channel": rule.channel.name, "recipient": rule.recipient}
    return "\n".join(nested("routing_rules", {key: value for key, value in table.items() if value}))


def rule_table_faults(tables: Tables, document: Mapping[str, Any]) -> list[str]:
    """Everything that's wrong with the tables, as lines for people; channels of the same file count."""
    kinds = {**dict(Channel.objects.values_list("name", "kind")), **kinds_in(document.get("channels", []))}
    counts = Counter(_key(table) for table in tables)
    faults = [
        f"{_words(key)}: tag: The file has this rule {count} times." for key, count in counts.items() if count > 1
    ]
    for table in tables:
        faults += [f"{_words(_key(table))}: {field}: {message}" for field, message in _faults_of(plain(table), kinds)]
    return faults


def _faults_of(table: Mapping[str, Any], kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key in table:
        if key not in RULE_KEYS:
            yield key, f"Unknown key; this takes {', '.join(RULE_KEYS)}."
    if problems := list(value_faults(table)):
        yield from problems
        return
    yield from rule_faults(table.get("tag"), table.get("channel"), table.get("recipient", ""), kinds)


def _key(table: Mapping[str, Any]) -> tuple[str, str, str]:
    tag, channel, recipient = (str(table.get(key, "")) for key in RULE_KEYS)
    return tag, channel, same_form(recipient.strip())


def _words(key: tuple[str, str, str]) -> str:
    tag, channel, recipient = key
    return f"routing rule {tag!r} to {channel!r}" + (f" {recipient}" if recipient else "")


def apply_rules(tables: Tables, by: str) -> list[Change]:
    """Add what isn't there yet; rules that the file doesn't have stay."""
    return [_apply_rule(table) for table in tables]


def _apply_rule(table: Mapping[str, Any]) -> Change:
    tag, channel, recipient = _key(table)
    there = RoutingRule.objects.filter(tag=tag, channel__name=channel, recipient=recipient).exists()
    rule = save_rule(tag, channel, recipient)
    diff = [] if there else [f"+{line}" for line in rule_toml(rule).splitlines()]
    return Change("routing rule", str(rule), "unchanged" if there else "added", diff)


def export_rules() -> str:
    """All rules."""
    return "\n".join(map(rule_toml, RoutingRule.objects.select_related("channel").defer("channel__secrets")))


CHANNELS = Section("channels", channel_faults, apply_channels, export_channels, before_jobs=True)
RULES = Section("routing_rules", rule_table_faults, apply_rules, export_rules)
