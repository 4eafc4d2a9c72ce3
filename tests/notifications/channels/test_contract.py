"""What every kind of channel keeps to. A new kind is picked up by itself; its own test gives `leading_to(port)`, a definition
with canaries for secrets that leads to a port of localhost.
"""

import time
from dataclasses import replace
from importlib import import_module

import pytest
from django import forms

from connectors.definition import ConnectorError, Definition
from nomaflow_site.lib.config import ConfigError, ListField, SecretField
from nomaflow_site.lib.sealing import is_secret_name
from notifications.channels import transports
from notifications.transport import Transport, Unsent
from tests.connectors import stub
from tests.notifications.channels.sample import FAILED, HARMFUL
from tests.servers import free_port

KINDS = list(transports())
CANARY = "canary"


def leading_to(kind: str, port: int) -> Definition:
    """A complete definition of that kind."""
    made: Definition = import_module(f"tests.notifications.channels.test_{kind}").leading_to(port)
    return made


def recipient_of(transport: Transport, definition: Definition) -> str:
    return transport.default_recipients(definition.settings)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_its_module_is_named_after_it(kind: str) -> None:
    assert type(transports()[kind]).__module__ == f"notifications.channels.{kind}"
    assert transports()[kind].label


@pytest.mark.parametrize("kind", KINDS)
def test_fields_that_sound_secret_are_secret_fields(kind: str) -> None:
    for name, field in transports()[kind].form.base_fields.items():
        assert not (is_secret_name(name) and isinstance(field, forms.CharField)) or isinstance(field, SecretField), name


@pytest.mark.parametrize("kind", KINDS)
def test_no_field_has_a_name_that_every_channel_has(kind: str) -> None:
    taken = {"id", "name", "kind", "type", "description", "config", "secrets", "enabled", "is_default", "fallback"}
    assert not taken & set(transports()[kind].form.base_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_the_way_there_is_never_harmless(kind: str) -> None:
    away = {"host", "port", "url", "webhook_url", "api_url", "security", "verify_tls", "ca_file", "allow_private"}
    assert not transports()[kind].harmless & away


@pytest.mark.parametrize("kind", KINDS)
def test_its_example_is_complete_and_canonical(kind: str) -> None:
    definition = leading_to(kind, 1)
    form = transports()[kind].form
    assert form.check(form.canonical(definition.settings), tokens=False)
    assert definition.secrets
    assert all(CANARY in secret for secret in definition.secrets.values())


@pytest.mark.parametrize("kind", KINDS)
def test_it_names_somebody_and_can_reach_whom_it_names(kind: str) -> None:
    transport, definition = transports()[kind], leading_to(kind, 1)
    recipients = transport.default_recipients(definition.settings)
    assert recipients
    assert all(recipient == "" or transport.recipient_fault(recipient) is None for recipient in recipients)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "recipient", ["#a\nb", "@a\r\nb", "a@b.c\nBcc: d@e.f", "a@b.c\x00", "", " ", "a@b.c, d@e.f", "#a b"]
)
def test_no_kind_takes_what_is_no_recipient(kind: str, recipient: str) -> None:
    transport = transports()[kind]
    assert not transport.takes(recipient)
    assert transport.recipient_fault(recipient)


@pytest.mark.parametrize("kind", KINDS)
def test_it_tells_where_it_leads_without_secrets(kind: str) -> None:
    transport, definition = transports()[kind], leading_to(kind, 4711)
    assert "localhost:4711" in transport.where(definition.settings)
    assert CANARY not in transport.where(definition.settings)
    assert isinstance(transport.where({}), str)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_definition_is_an_expected_error(kind: str) -> None:
    with pytest.raises(ConnectorError, match="Channel 'empty' can't be used"):
        transports()[kind].test(Definition("empty", kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_definition_without_its_secrets_is_an_expected_error(kind: str) -> None:
    definition = replace(leading_to(kind, 1), secrets={}, hidden=())
    with pytest.raises(ConnectorError, match="Enter"):
        transports()[kind].send(definition, recipient_of(transports()[kind], definition), FAILED)


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\nb", "a\x00b", "a\x7fb"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_field_takes_a_line_break_or_control_character(kind: str, text: str) -> None:
    transport = transports()[kind]
    settings = leading_to(kind, 1).settings
    for name, field in transport.form.base_fields.items():
        if isinstance(field, forms.CharField | ListField):
            bad = {**settings, name: [text] if isinstance(field, ListField) else text}
            with pytest.raises(ConfigError) as caught:
                transport.form.canonical(bad)
            assert name in caught.value.errors, name
            with pytest.raises(ConnectorError):
                transport.send(Definition("x", kind, config=bad), "", FAILED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_faulty_secret_is_not_quoted(kind: str) -> None:
    transport = transports()[kind]
    settings = leading_to(kind, 1).settings
    for name in transport.form.secret_names():
        with pytest.raises(ConfigError) as caught:
            transport.form.canonical({**settings, name: f"{CANARY}\n://{CANARY}"})
        assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_repr_holds_no_secret(kind: str) -> None:
    definition = leading_to(kind, 1)
    assert CANARY not in f"{definition!r} {transports()[kind]!r} {transports()[kind].masker(definition)!r}"


@pytest.mark.parametrize("message", [FAILED, HARMFUL], ids=["plain", "harmful"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_unreachable_server_is_temporary_and_told_without_secrets(kind: str, message: object) -> None:
    transport, definition = transports()[kind], leading_to(kind, free_port())
    with pytest.raises(Unsent, match="localhost:.*Connection refused") as caught:
        transport.send(definition, recipient_of(transport, definition), message)  # type: ignore[arg-type]
    assert not caught.value.permanent
    assert CANARY not in caught.value.answer


@pytest.mark.parametrize("kind", KINDS)
def test_its_test_tells_the_real_answer(kind: str) -> None:
    with pytest.raises(ConnectorError, match="Connection refused"):
        transports()[kind].test(leading_to(kind, free_port()))


@pytest.mark.parametrize("behaviour", [stub.silent, stub.slow_headers, stub.hangs_up])
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_never_comes_to_an_end_is_left(
    kind: str, behaviour: stub.Behaviour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.transport.SEND_SECONDS", 0.5)
    transport = transports()[kind]
    with stub.serving(behaviour) as url:
        definition = leading_to(kind, int(url.rpartition(":")[2]))
        started = time.monotonic()
        with pytest.raises(
            Unsent, match="longer than 0.5 s|closed the connection|Connection reset|Connection reset"
        ) as caught:
            transport.send(definition, recipient_of(transport, definition), FAILED)
    assert time.monotonic() - started < 3
    assert not caught.value.permanent
    assert CANARY not in caught.value.answer


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal", "0.0.0.0"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_address_that_is_never_called_is_a_permanent_refusal(kind: str, host: str) -> None:
    transport, definition = transports()[kind], leading_to(kind, 4711)
    moved = {"config": definition.config, "secrets": definition.secrets}
    for part in moved.values():
        for name, value in part.items():
            if isinstance(value, str) and "localhost" in value:
                part[name] = value.replace("localhost", host if "://" in value else host.strip("[]"))
    with pytest.raises(Unsent, match="which Nomaflow (does not|never) calls?") as caught:
        transport.send(replace(definition, **moved), recipient_of(transport, definition), FAILED)
    assert caught.value.permanent
