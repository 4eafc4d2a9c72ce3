"""Who is told what, and which jobs tell nobody."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from notifications.alerting import Silent, overview
from notifications.models import RoutingRule
from tests import cast
from tests.notifications import told

pytestmark = pytest.mark.django_db
DEFAULT = ("missed fire", "guard warning")


def alerts(**values: Any) -> dict[str, Any]:
    return {"on_failure": True, "on_success": False, "recipients": [], **values}


def events_of(**values: Any) -> tuple[str, ...]:
    cast.job("a", alerts=alerts(**values))
    return overview(Job.objects.all()).alerting[0].events


def silent() -> list[Silent]:
    return list(overview(Job.objects.all()).silent)


def test_events_and_recipients_are_told_for_each_job() -> None:
    cast.job("b", alerts=alerts(on_success=True, on_long_run_minutes=90, recipients=["#ops", "a@example.org"]))
    cast.job("a", enabled=False, alerts=alerts(on_failure=False, on_missed=False, on_guard=False))
    cast.job("none")
    found = [(job.job_id, job.enabled, job.events, job.recipients) for job in overview(Job.objects.all()).alerting]
    told = ("failure", "still running after 90 min", "success", *DEFAULT)
    assert found == [("a", False, (), ()), ("b", True, told, ("#ops", "a@example.org"))]


def test_every_option_has_its_words() -> None:
    chosen = {f"on_{name}": True for name in ("cancel", "skipped", "switch", "recovery")}
    rest = ("cancellation", "missed fire", "skipped fire", "guard warning", "schedule switched", "recovery")
    assert events_of(**chosen) == ("failure", *rest)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"after_failures": 3}, "failure (from number 3 in a row)"),
        ({"repeat_minutes": 15}, "failure (again after 15 min)"),
        ({"after_failures": 2, "repeat_minutes": 5}, "failure (from number 2 in a row, again after 5 min)"),
    ],
)
def test_when_a_failure_is_told_stands_beside_it(values: dict[str, int], words: str) -> None:
    assert events_of(**values) == (words, *DEFAULT)


def test_a_rule_adds_whom_it_tells_and_a_switched_off_channel_nobody() -> None:
    ops, off = told.channel(), told.channel("off", enabled=False)
    RoutingRule.objects.create(tag="etl", channel=ops, recipient="#etl")
    RoutingRule.objects.create(tag="etl", channel=off)
    RoutingRule.objects.create(tag="other", channel=ops)
    cast.job("a", tags=["etl"])
    [job] = overview(Job.objects.all()).alerting
    assert job.rules == (("etl", "#etl by ops"),)
    assert not job.declared


def test_an_enabled_job_without_an_alert_on_failure_tells_nobody() -> None:
    told.channel()
    cast.job("fine", alerts=alerts())
    cast.job("silent")
    cast.job("success-only", alerts=alerts(on_failure=False, on_success=True))
    cast.job("off", enabled=False)
    assert silent() == [Silent("silent", "no alerts declared"), Silent("success-only", "alerts without failures")]


def test_a_job_whose_tag_has_a_rule_tells_somebody() -> None:
    RoutingRule.objects.create(tag="etl", channel=told.channel(is_default=False))
    cast.job("ruled", tags=["etl"])
    cast.job("ruled-and-declared", tags=["etl"], alerts=alerts())
    assert silent() == []


@pytest.mark.parametrize("values", [{"enabled": False}, {"is_default": False}])
def test_without_a_default_channel_a_job_without_recipients_tells_nobody(values: dict[str, bool]) -> None:
    told.channel(**values)
    cast.job("a", alerts=alerts())
    assert silent() == [Silent("a", "no recipients, and no default channel that is switched on")]


def test_recipients_that_lead_nowhere_tell_nobody() -> None:
    told.channel()
    told.channel("off", enabled=False)
    cast.job("a", alerts=alerts(recipients=["gone", "off"]))
    cast.job("b", alerts=alerts(recipients=["gone", "ops"]))
    assert silent() == [Silent("a", "no channel that is switched on for its recipients")]


def test_the_page_names_only_jobs_that_one_sees(client: Client) -> None:
    told.channel()
    job = cast.job("mine", alerts=alerts(recipients=["#ops"]))
    cast.job("secret-silent")
    cast.job("secret-loud", alerts=alerts())
    client.force_login(cast.vera(job))
    text = client.get("/notifications/").content.decode()
    assert "#ops" in text
    assert "secret" not in text


def test_the_number_of_silent_jobs_and_the_reasons_are_told(client: Client) -> None:
    cast.job("a")
    cast.job("b", alerts=alerts())
    client.force_login(cast.rui(Job.objects.get(pk="a")))
    text = client.get("/notifications/").content.decode()
    assert "1 enabled job alerts nobody when it fails" in text
    assert "1 job: no alerts declared" in text


def test_many_jobs_are_told_page_by_page(client: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr("notifications.views.overview.JOBS_ON_A_PAGE", 2)
    for name in "abc":
        cast.job(name, alerts=alerts(recipients=[f"to-{name}@example.org"]))
    client.force_login(cast.olga())
    first = client.get("/notifications/").content.decode()
    assert "?after=b#told" in first
    assert "to-c@" not in first
    assert "to-c@" in client.get("/notifications/?after=b").content.decode()
