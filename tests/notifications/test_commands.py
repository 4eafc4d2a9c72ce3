"""`manage.py testchannel`."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from notifications.catalogue import save_channel
from tests.servers.endpoint import Endpoint
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    out, err = StringIO(), StringIO()
    try:
        call_command("testchannel", *arguments, stdout=out, stderr=err)
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_message_that_is_taken_exits_0_with_the_answer(endpoint: Endpoint) -> None:
    save_channel("hook", "webhook", {"url": endpoint.url})
    code, out, _ = run("hook")
    assert (code, len(endpoint.requests)) == (0, 1)
    assert "200 OK" in out


def test_a_refusal_exits_1_with_the_reason_and_without_secrets(endpoint: Endpoint) -> None:
    endpoint.replies(404, "no canary-path here")
    save_channel("hook", "webhook", {"url": f"{endpoint.url}/canary-path"})
    code, out, err = run("hook")
    assert (code, out) == (1, "")
    assert "404" in err
    assert "canary" not in err


def test_mail_goes_to_the_named_recipient_alone(mail_server: MailServer) -> None:
    save_channel("mail", "email", mail_server.settings())
    code, _, _ = run("mail", "--to", "vera@example.com")
    assert code == 0
    assert [mail.recipients for mail in mail_server.wait_for_mails(1)] == [["vera@example.com"]]


def test_a_recipient_of_another_form_exits_1(mail_server: MailServer) -> None:
    save_channel("mail", "email", mail_server.settings())
    code, _, err = run("mail", "--to", "#ops")
    assert code == 1
    assert "E-mail can't reach '#ops'" in err


def test_an_unknown_channel_exits_2_and_names_similar_ones() -> None:
    save_channel("ops-slack", "slack", {"token": "x", "recipient": "#ops"})
    code, _, err = run("ops-slak")
    assert code == 2
    assert "There is no channel named 'ops-slak'. Did you mean ops-slack?" in err


@pytest.mark.parametrize(("name", "code", "ok"), [("hook", 0, True), ("nope", 2, False)])
def test_json_is_one_object(endpoint: Endpoint, name: str, code: int, ok: bool) -> None:
    save_channel("hook", "webhook", {"url": endpoint.url})
    found, out, _ = run(name, "--json")
    said = json.loads(out)
    assert (found, said["channel"], said["ok"], set(said)) == (
        code,
        name,
        ok,
        {"channel", "ok", "message", "elapsed_ms"},
    )
