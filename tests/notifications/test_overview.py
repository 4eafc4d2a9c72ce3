"""The page of notifications: who is told what, and which jobs tell nobody."""

from typing import Any

import pytest
from django.test import Client

from jobs.models import Job
from notifications.alerting import alerting_jobs, silent_jobs
from tests import cast

pytestmark = pytest.mark.django_db


def alerts(**values: Any) -> dict[str, Any]:
    return {"on_failure": True, "on_success": False, "on_long_run_minutes": None, "recipients": [], **values}


def test_events_and_recipients_are_told_for_each_job() -> None:
    cast.job("b", alerts=alerts(on_success=True, on_long_run_minutes=90, recipients=["#ops", "a@example.org"]))
    cast.job("a", enabled=False, alerts=alerts(on_failure=False))
    cast.job("none")
    found = [(job.job_id, job.enabled, job.events, job.recipients) for job in alerting_jobs(Job.objects.all())]
    assert found == [
        ("a", False, (), ()),
        ("b", True, ("failure", "still running after 90 min", "success"), ("#ops", "a@example.org")),
    ]


def test_an_enabled_job_without_an_alert_on_failure_tells_nobody() -> None:
    cast.job("fine", alerts=alerts())
    cast.job("silent")
    cast.job("success-only", alerts=alerts(on_failure=False, on_success=True))
    cast.job("off", enabled=False)
    assert silent_jobs(Job.objects.all()) == ["silent", "success-only"]


def test_the_page_names_only_jobs_that_one_sees(client: Client) -> None:
    job = cast.job("mine", alerts=alerts(recipients=["#ops"]))
    cast.job("secret-silent")
    cast.job("secret-loud", alerts=alerts())
    client.force_login(cast.vera(job))
    text = client.get("/notifications/").content.decode()
    assert "#ops" in text
    assert "secret" not in text


def test_the_number_of_silent_jobs_stands_on_top(client: Client) -> None:
    cast.job("a")
    cast.job("b")
    client.force_login(cast.olga())
    assert "2 enabled jobs alert nobody" in client.get("/notifications/").content.decode()
