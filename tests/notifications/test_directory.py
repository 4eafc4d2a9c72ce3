"""Recipients that lead nowhere are refused wherever a job is saved."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from jobs.catalogue import restore_version, save_job
from jobs.jobform import AlertFields
from jobs.models import Job, JobVersion
from jobs.recipients import recipient_check
from jobs.validation import InvalidJob
from notifications.catalogue import save_channel
from notifications.models import Channel
from notifications.wanted import Wanted
from tests import cast
from tests.jobs.test_admin import errors, form

pytestmark = pytest.mark.django_db

STEP = {"name": "s", "type": "python", "callable": "m:f"}
SLACK = {"token": "x", "recipient": "#ops"}


def save(*recipients: str, **more: Any) -> Job:
    return save_job({"id": "nightly", "alerts": {"recipients": list(recipients)}, "steps": [STEP], **more}, by="olga")


def test_before_the_first_channel_any_well_formed_recipient_is_taken() -> None:
    assert save("#ops", "a@b.example", "pager").alerts == {
        "on_failure": True,
        "on_success": False,
        "recipients": ["#ops", "a@b.example", "pager"],
    }
    with pytest.raises(InvalidJob, match='"foo bar" is no recipient'):
        save("foo bar")


def test_a_recipient_that_leads_nowhere_is_refused_with_the_reason() -> None:
    save_channel("ops-slack", "slack", SLACK)
    with pytest.raises(InvalidJob) as caught:
        save("#ops", "pager", "a@b.example")
    assert [str(fault) for fault in caught.value.faults] == [
        "job 'nightly': alerts.recipients: \"pager\" is no channel; there are ops-slack. "
        "Name one of them, or write #channel, @user or an address.",
        "job 'nightly': alerts.recipients: No channel of type E-mail is set up, so \"a@b.example\" can't be told; "
        "add one.",
    ]


def test_a_switched_off_channel_counts() -> None:
    save_channel("ops-slack", "slack", SLACK, enabled=False)
    assert save("#ops", "ops-slack").pk == "nightly"


def test_an_old_version_whose_channel_is_gone_is_not_restored() -> None:
    save("pager")
    save("#ops")
    save_channel("ops-slack", "slack", SLACK)
    with pytest.raises(InvalidJob, match='"pager" is no channel'):
        restore_version(JobVersion.objects.get(number=1), by="olga")


def test_the_form_says_it_beside_the_field_and_offers_the_channels(client: Client) -> None:
    save()
    save_channel("ops-slack", "slack", SLACK)
    client.force_login(cast.olga())
    page = "/admin/jobs/job/nightly/change/"
    assert "a channel's name (ops-slack)" in client.get(page).content.decode()
    response = client.post(page, form(client, page) | {"alerts_declared": "on", "alerts_recipients": "pager"})
    assert "is no channel; there are ops-slack" in errors(response)["alerts_recipients"]


def test_checkjobs_and_the_check_page_find_what_broke_since(client: Client) -> None:
    save("pager")
    save_channel("ops-slack", "slack", SLACK)
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("checkjobs", "--json", stdout=out)
    assert [fault["field"] for fault in json.loads(out.getvalue())["faults"]] == ["alerts.recipients"]
    client.force_login(cast.olga())
    assert "is no channel" in client.get("/admin/jobs/job/nightly/check/").content.decode()


def test_a_job_without_recipients_asks_for_no_channels(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert recipient_check()([]) == []


def test_a_check_reads_the_channels_once_and_no_secret(django_assert_num_queries: Any) -> None:
    save_channel("ops-slack", "slack", SLACK)
    check = recipient_check()
    with django_assert_num_queries(1) as queries:
        assert check(["#ops"]) + check(["ops-slack"]) == []
    assert "secrets" not in str(queries.captured_queries)
    assert Channel.objects.count() == 1


def test_what_a_job_leaves_out_is_what_alerts_take_for_granted() -> None:
    given = {name: value for name, value in AlertFields.defaults().items() if name != "recipients"}
    assert {name: getattr(Wanted(), name) for name in given} == given
