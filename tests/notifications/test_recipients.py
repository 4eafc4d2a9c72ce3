"""Whom a recipient leads to, by its form."""

import pytest

from notifications.models import Channel
from notifications.recipients import is_well_formed, recipient_faults, resolve


def channel(name: str, kind: str, *, default: bool = False, enabled: bool = True) -> Channel:
    """One that stands in no database."""
    return Channel(name=name, kind=kind, is_default=default, enabled=enabled)


ALL = [
    channel("ops-slack", "slack"),
    channel("team-slack", "slack", default=True),
    channel("mail", "email"),
    channel("hook", "webhook"),
]


def told(recipients: list[str], channels: list[Channel] = ALL) -> list[tuple[str, str]]:
    """(channel, recipient) of every target."""
    return [(target.channel.name, target.recipient) for target in resolve(recipients, channels)[0]]


@pytest.mark.parametrize(
    ("recipient", "target"),
    [
        ("#ops", ("team-slack", "#ops")),
        ("@olga", ("team-slack", "@olga")),
        ("olga@example.com", ("mail", "olga@example.com")),
        ("hook", ("hook", "")),
        ("ops-slack", ("ops-slack", "")),
    ],
)
def test_a_recipient_leads_to_a_channel_by_its_form(recipient: str, target: tuple[str, str]) -> None:
    assert told([recipient]) == [target]


def test_of_two_default_channels_the_first_by_name_is_taken() -> None:
    assert told(["#ops"], [channel("b", "slack", default=True), channel("a", "slack", default=True)]) == [("a", "#ops")]


def test_a_channel_that_is_off_is_passed_over() -> None:
    channels = [channel("a", "slack", default=True, enabled=False), channel("b", "slack")]
    assert told(["#ops"], channels) == [("b", "#ops")]


def test_a_channel_that_is_off_stays_the_target_where_no_other_could_tell() -> None:
    channels = [channel("a", "slack", enabled=False), channel("mail", "email")]
    assert told(["#ops", "a"], channels) == [("a", "#ops"), ("a", "")]


def test_doubles_are_dropped_and_domains_compare_without_case() -> None:
    assert told(["Olga@Example.COM", "Olga@example.com", "#ops", "#ops"]) == [
        ("mail", "Olga@Example.COM"),
        ("team-slack", "#ops"),
    ]
    assert len(told(["olga@example.com", "Olga@example.com"])) == 2


@pytest.mark.parametrize(
    ("recipient", "channels", "reason"),
    [
        ("pager", ALL, '"pager" is no channel; there are hook, mail, ops-slack, team-slack.'),
        ("a@b.example", ALL[:2], 'No channel of type E-mail is set up, so "a@b.example" can\'t be told; add one.'),
        ("#ops", ALL[2:], 'No channel of type Slack is set up, so "#ops" can\'t be told; add one.'),
        ("foo bar", ALL, '"foo bar" is no recipient: expected #channel, @user, an address or a channel\'s name.'),
        ("", ALL, '"" is no recipient'),
        ("#", ALL, '"#" is no recipient'),
        ("olga@", ALL, '"olga@" is no recipient'),
    ],
)
def test_one_that_can_not_be_told_is_named_with_the_reason(
    recipient: str, channels: list[Channel], reason: str
) -> None:
    targets, [(named, said)] = resolve([recipient], channels)
    assert (targets, named) == ([], recipient)
    assert said.startswith(reason)


def test_a_long_wrong_recipient_is_shown_in_part() -> None:
    assert len(resolve(["x " * 5000], ALL)[1][0][1]) < 300


def test_without_any_channel_the_form_alone_counts() -> None:
    assert recipient_faults(["#ops", "a@b.example", "pager", "foo bar"], []) == [
        '"foo bar" is no recipient: expected #channel, @user, an address or a channel\'s name.'
    ]


def test_with_any_channel_each_recipient_has_to_lead_somewhere() -> None:
    assert len(recipient_faults(["#ops", "a@b.example", "hook"], [channel("hook", "webhook")])) == 2


@pytest.mark.parametrize("recipient", ["#ops", "@olga.b", "o@example.com", "mail_2"])
def test_well_formed(recipient: str) -> None:
    assert is_well_formed(recipient)
