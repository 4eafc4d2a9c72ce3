"""Kind `email` against real mail servers."""

import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from connectors.definition import ConnectorError, Definition
from nomaflow_site.lib.config import ConfigError
from notifications.channels.email import EmailTransport
from notifications.message import Message
from notifications.transport import Unsent
from tests.connectors import stub
from tests.notifications.channels.sample import FAILED, HARMFUL
from tests.servers.smtp import PASSWORD, USER, Mail, MailServer

MakeServer = Callable[..., MailServer]


def leading_to(port: int, **config: Any) -> Definition:
    """A channel that leads to a port of localhost."""
    settings = {
        "host": "localhost",
        "port": port,
        "username": USER,
        "sender": "n@example.com",
        "recipients": ["olga@example.com"],
    }
    return channel({**settings, **config}, password=PASSWORD)


def channel(settings: dict[str, Any], **secrets: str) -> Definition:
    return Definition("mail", "email", config=settings, secrets=secrets, hidden=tuple(secrets.values()))


def sent(server: MailServer, message: Message = FAILED, **settings: Any) -> Mail:
    """The mail that arrives."""
    EmailTransport().send(channel(server.settings(**settings)), "olga@example.com", message)
    return server.mails[-1]


def refused(definition: Definition, recipient: str = "olga@example.com") -> Unsent:
    with pytest.raises(Unsent) as caught:
        EmailTransport().send(definition, recipient, FAILED)
    return caught.value


def faults(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ConfigError) as caught:
        EmailTransport.form.canonical({"host": "x", "sender": "a@b.c", "recipients": ["a@b.c"], **settings})
    return caught.value.errors


def test_the_servers_answer_is_the_receipt(mail_server: MailServer) -> None:
    said = EmailTransport().send(channel(mail_server.settings()), "olga@example.com", FAILED)
    assert said == "250 2.0.0 Ok: queued as 12345"
    assert (mail_server.mails[0].sender, mail_server.mails[0].recipients) == (
        "nomaflow@example.com",
        ["olga@example.com"],
    )


def test_the_headers_tell_who_what_and_that_no_answer_is_wanted(mail_server: MailServer) -> None:
    message = sent(mail_server).message
    assert str(message["From"]) == "Nomaflow <nomaflow@example.com>"
    assert str(message["To"]) == "olga@example.com"
    assert str(message["Subject"]) == "[Nomaflow] nightly failed: duplicate key value violates unique constraint"
    assert message["Message-ID"] == f"<{FAILED.delivery}@example.com>"
    assert message["References"] == message["In-Reply-To"] == "<incident-12@example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Date"].datetime.tzinfo is not None


def test_text_and_html_tell_the_same(mail_server: MailServer) -> None:
    mail = sent(mail_server)
    assert mail.message.get_content_type() == "multipart/alternative"
    for body in (mail.body("plain"), mail.body("html")):
        for expected in (
            "nightly failed",
            "DETAIL: Key",
            "load",
            "2026-03-01 02:00:00 +01:00",
            FAILED.url,
            "503 Service",
        ):
            assert expected in body


def test_every_value_in_html_is_escaped(mail_server: MailServer) -> None:
    html = sent(mail_server, HARMFUL).body("html")
    assert "<script" not in html
    assert "javascript:" not in html
    assert html.count("</pre>") == 1
    assert "<img" not in html


def test_nothing_from_a_job_becomes_a_header(mail_server: MailServer) -> None:
    message = sent(mail_server, HARMFUL).message
    assert message["Bcc"] is None
    assert len(str(message["Subject"])) <= 160
    assert re.fullmatch(r"<[A-Za-z0-9._-]+@example\.com>", message["Message-ID"])


@pytest.mark.parametrize("eight_bit", [True, False])
def test_only_seven_bits_and_short_lines_go_over_the_wire(make_mail_server: MakeServer, eight_bit: bool) -> None:
    error = "größer als erlaubt ✕ " * 2000 + "\n.\n..\nende"
    server = make_mail_server(eight_bit=eight_bit)
    mail = sent(server, replace(FAILED, title="größe failed ✕" * 9, error=error))
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998
    assert mail.body("plain").count("größer als erlaubt ✕") > 200
    assert "characters in all" in mail.body("plain")


def test_starttls_comes_before_the_password(make_mail_server: MakeServer, tls_authority: Any) -> None:
    server = make_mail_server(starttls=tls_authority.context(), sign_in=True)
    definition = channel(server.settings(ca_file=tls_authority.ca_file, username=USER), password=PASSWORD)
    EmailTransport().send(definition, "olga@example.com", FAILED)
    assert (server.mails[0].encrypted, server.mails[0].signed_in_as) == (True, USER)


def test_tls_from_the_first_byte(make_mail_server: MakeServer, tls_authority: Any) -> None:
    server = make_mail_server(tls=tls_authority.context(), sign_in=True)
    definition = channel(server.settings(ca_file=tls_authority.ca_file, username=USER), password=PASSWORD)
    EmailTransport().send(definition, "olga@example.com", FAILED)
    assert (server.mails[0].encrypted, server.mails[0].signed_in_as) == (True, USER)


def test_without_starttls_nothing_is_sent_in_clear_text(mail_server: MailServer) -> None:
    unsent = refused(channel(mail_server.settings(security="starttls", username=USER), password=PASSWORD))
    assert "does not offer STARTTLS, and nothing is sent in clear text" in unsent.answer
    assert not unsent.permanent
    assert not mail_server.mails


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_a_certificate_is_checked_for_authority_and_name(
    make_mail_server: MakeServer, tls_authority: Any, way: str
) -> None:
    good = make_mail_server(**{way: tls_authority.context()})
    wrong = make_mail_server(**{way: tls_authority.context("other.example")})
    for settings in (good.settings(), wrong.settings(ca_file=tls_authority.ca_file)):
        unsent = refused(channel(settings))
        assert "certificate can't be trusted" in unsent.answer
        assert not unsent.permanent
    assert sent(wrong, verify_tls=False).encrypted


def test_a_wrong_password_is_permanent_and_told_without_it(make_mail_server: MakeServer, tls_authority: Any) -> None:
    server = make_mail_server(starttls=tls_authority.context(), sign_in=True)
    unsent = refused(channel(server.settings(ca_file=tls_authority.ca_file, username=USER), password="canary-wrong"))
    assert unsent.permanent
    assert "535 " in unsent.answer
    assert "canary" not in unsent.answer


def test_a_password_beyond_ascii_can_be_sent(make_mail_server: MakeServer, tls_authority: Any) -> None:
    server = make_mail_server(starttls=tls_authority.context(), sign_in=True)
    assert (
        "535 "
        in refused(channel(server.settings(ca_file=tls_authority.ca_file, username=USER), password="gehëim")).answer
    )


def test_a_server_that_wants_a_password_says_so(make_mail_server: MakeServer, tls_authority: Any) -> None:
    server = make_mail_server(starttls=tls_authority.context(), sign_in=True)
    unsent = refused(channel(server.settings(ca_file=tls_authority.ca_file)))
    assert unsent.permanent
    assert "530 " in unsent.answer


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize(
    ("reply", "permanent"), [("451 4.7.1 Try\tagain later", False), ("550 5.1.1 No such user", True)]
)
def test_a_refusal_is_told_in_the_servers_words(
    mail_server: MailServer, command: str, reply: str, permanent: bool
) -> None:
    mail_server.refuse = {command: reply}
    unsent = refused(channel(mail_server.settings()))
    assert unsent.answer == f"localhost:{mail_server.port}: {reply}".replace("\t", " ")
    assert unsent.permanent == permanent


@pytest.mark.parametrize("command", ["EHLO", "RCPT", "DATA"])
def test_a_hanging_server_is_left(mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr("notifications.transport.SEND_SECONDS", 0.5)
    mail_server.hang_at = command
    started = time.monotonic()
    unsent = refused(channel(mail_server.settings()))
    assert "took longer than 0.5 s in total" in unsent.answer
    assert not unsent.permanent
    assert time.monotonic() - started < 3


def drips(caller: socket.socket, stop: threading.Event) -> None:
    """A greeting without an end, a byte at a time."""
    while not stop.wait(0.05):
        caller.sendall(b"2")


def greets_without_end(caller: socket.socket, stop: threading.Event) -> None:
    """A greeting of endless lines."""
    while not stop.is_set():
        caller.sendall(b"220-hello\r\n" * 500)


def speaks_http(caller: socket.socket, stop: threading.Event) -> None:
    """Somebody else's port."""
    caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (drips, "took longer than 0.5 s in total"),
        (greets_without_end, "reply does not end"),
        (speaks_http, "this is no mail server: it said HTTP/1.1 400"),
        (stub.hangs_up, "took longer than 0.5 s"),
    ],
)
@pytest.mark.parametrize("security", ["none", "tls"])
def test_what_is_no_mail_server_is_told(
    behaviour: stub.Behaviour, words: str, security: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.transport.SEND_SECONDS", 0.5)
    with stub.serving(behaviour) as url:
        started = time.monotonic()
        unsent = refused(leading_to(int(url.rpartition(":")[2]), security=security))
    assert not unsent.permanent
    assert time.monotonic() - started < 3
    assert words in unsent.answer or security == "tls"


def test_an_unknown_host_is_temporary() -> None:
    unsent = refused(leading_to(25, host="no-such-host.invalid"))
    assert "the host name can't be resolved" in unsent.answer
    assert not unsent.permanent


@pytest.mark.parametrize("address", ["a@b", "a.b+c@mail.example.com", "root@db1", "a@größe.example"])
def test_addresses_are_taken(address: str) -> None:
    assert EmailTransport().takes(address)


@pytest.mark.parametrize(
    "address",
    [
        "a",
        "@b",
        "a@",
        "a b@c",
        "a@b c",
        ".a@b.c",
        "a..b@c.d",
        "a@b,c@d",
        "<a@b>",
        "a@-b",
        "é@b.c",
        "a@b..c",
        "a" * 65 + "@b",
    ],
)
def test_anything_else_is_not(address: str) -> None:
    assert not EmailTransport().takes(address)
    assert address in faults(recipients=["ok@example.com", address])["recipients"][0]


def test_a_domain_beyond_ascii_is_sent_in_ascii(mail_server: MailServer) -> None:
    EmailTransport().send(channel(mail_server.settings()), "a@bücher.example", FAILED)
    assert mail_server.mails[0].recipients == ["a@xn--bcher-kva.example"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"host": "https://x"}, "host"),
        ({"host": "x:25"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"security": "ssl"}, "security"),
        ({"sender": "Nomaflow"}, "sender"),
        ({"sender": "A <a@b.c> <d@e.f>"}, "sender"),
        ({"recipients": []}, "recipients"),
        ({"recipients": ["#ops"]}, "recipients"),
        ({"recipients": [f"a{n}@b.c" for n in range(101)]}, "recipients"),
    ],
)
def test_odd_settings_are_refused(settings: dict[str, Any], field: str) -> None:
    assert field in faults(**settings)


@pytest.mark.parametrize("sender", ["a@b.c", "<a@b.c>", "Ops, Inc. <a@b.c>", '"Müller; Co" <a@b.c>'])
def test_a_sender_may_have_a_name(mail_server: MailServer, sender: str) -> None:
    addresses = sent(mail_server, sender=sender).message["From"].addresses
    assert [address.addr_spec for address in addresses] == ["a@b.c"]


def test_half_of_a_sign_in_is_refused(mail_server: MailServer) -> None:
    with pytest.raises(ConnectorError, match="a password and no user name"):
        EmailTransport().send(channel(mail_server.settings(), password="x"), "a@b.c", FAILED)


def test_the_port_follows_from_the_security() -> None:
    where = EmailTransport().where
    assert [where({"host": "m", "security": way}) for way in ("starttls", "tls", "none")] == ["m:587", "m:465", "m:25"]
    assert where({"host": "m"}) == "m:587"


def test_the_test_button_tells_the_answer_for_each_address(mail_server: MailServer) -> None:
    settings = mail_server.settings(recipients=["olga@example.com", "rui@example.com"])
    receipt = "250 2.0.0 Ok: queued as 12345"
    assert EmailTransport().test(channel(settings)) == f"olga@example.com: {receipt}; rui@example.com: {receipt}"
    mail_server.refuse = {"RCPT": "550 no such user"}
    with pytest.raises(ConnectorError, match="olga.*550 no such user; rui.*550 no such user"):
        EmailTransport().test(channel(settings))
