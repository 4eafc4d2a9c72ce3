"""Channels and rules in the file of import and export."""

import io
from pathlib import Path
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.core.management import call_command

from jobs.models import Job
from nomaflow_site.lib.sealing import MASK
from notifications.catalogue import ready_channel, save_channel, save_rule
from notifications.channelfile import OWN_KEYS
from notifications.channels import transports
from notifications.models import Channel, RoutingRule

pytestmark = pytest.mark.django_db

FILE = """\
[[channels]]
name = "ops-slack"
type = "slack"
description = "The team"
default = false
fallback = "mail"
token = "xoxb-canary"
recipient = "#ops"

[[channels]]
name = "mail"
type = "email"
enabled = false
host = "smtp.example.com"
sender = "n@example.com"
recipients = ["ops@example.com"]

[[channels]]
name = "hook"
type = "webhook"
url = "https://hooks.example.com/canary-path"

[channels.headers]
Authorization = "Bearer canary-header"

[[jobs]]
id = "nightly"
tags = ["etl"]
alerts = { recipients = ["#ops", "hook", "olga@example.com"] }

[[jobs.steps]]
name = "s"
type = "python"
callable = "m:f"

[[routing_rules]]
tag = "etl"
channel = "mail"
recipient = "etl@example.com"

[[routing_rules]]
tag = "etl"
channel = "hook"
"""


def export() -> str:
    out = io.StringIO()
    call_command("exportjobs", stdout=out)
    return out.getvalue()


def load(text: str, tmp_path: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code, what `importjobs` prints, and what it complains about."""
    path = tmp_path / "file.toml"
    path.write_text(text)
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("importjobs", str(path), *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, out.getvalue(), err.getvalue().replace(f"{path}: ", "")


def stored() -> list[Any]:
    channels = Channel.objects.select_related("fallback")
    rows = [(c.name, ready_channel(c).settings, c.enabled, c.is_default, str(c.fallback)) for c in channels]
    return [*rows, *map(str, RoutingRule.objects.all())]


def test_channels_come_before_the_jobs_that_name_them_and_rules_after(tmp_path: Path) -> None:
    code, out, err = load(FILE, tmp_path)
    assert (code, err) == (0, "")
    names = ["channel hook", "channel mail", "channel ops-slack", "job nightly", "routing rule"]
    places = [out.index(name) for name in names]
    assert places[-2:] == sorted(places)[-2:]
    assert [(c.name, c.enabled, c.is_default) for c in Channel.objects.all()] == [
        ("hook", True, True),
        ("mail", False, True),
        ("ops-slack", True, False),
    ]
    assert str(Channel.objects.get(name="ops-slack").fallback) == "mail"
    assert [str(rule) for rule in RoutingRule.objects.all()] == ["etl → hook", "etl → mail etl@example.com"]


def test_import_of_an_export_changes_nothing(tmp_path: Path) -> None:
    load(FILE, tmp_path)
    text, before = export(), stored()
    code, out, err = load(text, tmp_path)
    assert (code, err, stored(), export()) == (0, "", before, text)
    assert out.count(": unchanged") == 6
    assert text.index("[[channels]]") < text.index("[[jobs]]") < text.index("[[routing_rules]]")


def test_an_export_holds_placeholders_and_is_in_the_audit_trail(tmp_path: Path) -> None:
    load(FILE, tmp_path)
    text = export()
    assert "canary" not in text
    assert 'token = "${env:JOB_OPS_SLACK_TOKEN}"' in text
    assert 'Authorization = "${env:JOB_HOOK_HEADERS_AUTHORIZATION}"' in text
    access = LogEntry.objects.filter(action=LogEntry.Action.ACCESS, content_type__model="channel")
    assert set(access.values_list("object_repr", flat=True)) == {"hook", "mail", "ops-slack"}


def test_an_export_read_elsewhere_reads_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(FILE, tmp_path)
    text = export()
    for model in (Job, RoutingRule, Channel):
        model.objects.all().delete()
    monkeypatch.setenv("JOB_OPS_SLACK_TOKEN", "xoxb-elsewhere")
    assert load(text, tmp_path)[0] == 0
    assert ready_channel(Channel.objects.get(name="ops-slack")).settings["token"] == "xoxb-elsewhere"
    assert export() == text


def test_a_dry_run_shows_the_difference_and_changes_nothing(tmp_path: Path) -> None:
    load(FILE, tmp_path)
    before = stored()
    text = FILE.replace('"#ops"\n', '"#other"\n').replace("xoxb-canary", "xoxb-canary-2")
    code, out, _ = load(text, tmp_path, "--dry-run")
    assert code == 0
    assert '+recipient = "#other"' in out
    assert "~token (secret)" in out
    assert "canary" not in out
    assert stored() == before


def test_what_the_file_does_not_name_stays(tmp_path: Path) -> None:
    load(FILE, tmp_path)
    other = '[[routing_rules]]\ntag = "etl"\nchannel = "ops-slack"\n'
    code, out, _ = load(other, tmp_path)
    assert (code, RoutingRule.objects.count(), Channel.objects.count()) == (0, 3, 3)
    assert "routing rule etl → ops-slack: added" in out


def test_how_a_channel_fares_is_neither_exported_nor_imported(tmp_path: Path) -> None:
    load(FILE, tmp_path)
    Channel.objects.filter(name="hook").update(failures=3, last_answer="503 no")
    text = export()
    assert "503" not in text
    load(text, tmp_path)
    assert Channel.objects.values_list("failures", "last_answer").get(name="hook") == (3, "503 no")


CHANNEL = '[[channels]]\nname = "a"\ntype = "slack"\ntoken = "x"\nrecipient = "#a"\n'
RULE = '[[routing_rules]]\ntag = "etl"\nchannel = "a"\n'
JOB = '[[jobs]]\nid = "j"\nalerts = {{ recipients = [{}] }}\n[[jobs.steps]]\nname = "s"\ntype = "python"\ncallable = "m:f"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (CHANNEL.replace("slack", "fax"), "channel 'a': type: Found 'fax', expected one of email, slack, webhook."),
        (f"{CHANNEL}chanel = 1\n", "channel 'a': chanel: Unknown key"),
        (CHANNEL.replace('"a"', '"a b"'), "channel 'a b': name: Use letters"),
        (f"{CHANNEL}{CHANNEL}", "channel 'a': name: The file has this channel 2 times."),
        (f"{CHANNEL}enabled = 1\n", "channel 'a': enabled: Expected true or false, found 1."),
        (f'{CHANNEL}default = "no"\n', "channel 'a': default: Expected true or false, found 'no'."),
        (f'{CHANNEL}fallback = "b"\n', "channel 'a': fallback: There is no channel 'b'; there are: no other yet."),
        (f'{CHANNEL}fallback = "a"\n', "channel 'a': fallback: A channel can't stand in for itself"),
        (
            f'{CHANNEL}fallback = "b"\n{CHANNEL}fallback = "a"\n'.replace('name = "a"', 'name = "b"', 2).replace(
                'name = "b"', 'name = "a"', 1
            ),
            "channel 'a': fallback: They would stand in for each other in a circle: a -> b -> a.",
        ),
        (CHANNEL.replace('"x"', f'"{MASK}"'), "stands for a hidden value"),
        (f'{CHANNEL}description = {{ "$sealed" = "x" }}\n', "Sealed values can't be imported"),
        (f"{CHANNEL}{RULE}{RULE}", "routing rule 'etl' to 'a': tag: The file has this rule 2 times."),
        (f"{CHANNEL}{RULE}reciever = 1\n", "routing rule 'etl' to 'a': reciever: Unknown key; this takes tag,"),
        (RULE, "routing rule 'etl' to 'a': channel: There is no channel 'a'; there are: none yet."),
        (f'{CHANNEL}{RULE}recipient = "a@b.example"\n', "recipient: Slack can't reach 'a@b.example'"),
        (f"{CHANNEL}{RULE}recipient = 3\n", "recipient: Expected a text"),
        (CHANNEL + RULE.replace('"etl"', '""'), "routing rule '' to 'a': tag: Expected a tag"),
        (CHANNEL + JOB.format('"pager"'), "job 'j': alerts.recipients: \"pager\" is no channel; there are a."),
        (CHANNEL + JOB.format('"o@example.com"'), "job 'j': alerts.recipients: No channel of type E-mail is set up"),
        (JOB.format('"foo bar"'), "job 'j': alerts.recipients: \"foo bar\" is no recipient"),
    ],
)
def test_a_file_with_a_fault_is_refused_whole(tmp_path: Path, text: str, complaint: str) -> None:
    code, _, err = load(text, tmp_path)
    assert code == 2
    assert complaint in err
    assert not Channel.objects.exists()
    assert not Job.objects.exists()


def test_fallbacks_may_be_turned_round_in_one_file(tmp_path: Path) -> None:
    slack = {"token": "x", "recipient": "#a"}
    save_channel("between", "slack", slack)
    save_channel("b", "slack", slack)
    save_channel("between", "slack", slack, fallback="b")
    save_channel("a", "slack", slack)
    save_channel("b", "slack", slack, fallback="a")
    turned = CHANNEL + 'fallback = "between"\n' + CHANNEL.replace('"a"', '"b"', 1)
    code, _, err = load(turned, tmp_path)
    assert (code, err) == (0, "")
    names = {c.name: str(c.fallback) for c in Channel.objects.select_related("fallback")}
    assert names == {"a": "between", "b": "None", "between": "b"}


def test_a_rule_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    load(CHANNEL, tmp_path)
    save_rule("etl", "a", "#x")
    assert "unchanged" in load(RULE + 'recipient = "#x"\n', tmp_path)[1]
    assert RoutingRule.objects.count() == 1


@pytest.mark.parametrize("kind", transports())
def test_no_field_of_a_kind_has_a_name_that_every_channel_has(kind: str) -> None:
    taken = {"id", "name", "kind", "type", "description", "config", "secrets", "is_default", *OWN_KEYS}
    assert not taken & set(transports()[kind].form.base_fields)
