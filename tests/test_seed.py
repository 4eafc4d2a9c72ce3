"""The tables of the product's founding document, row by row."""

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from jobs.catalogue import save_job
from jobs.cron import BadCron, Cron
from jobs.models import Job
from jobs.parameters import Overrides
from jobs.permissions import grant_job
from jobs.retry import next_wait
from jobs.steps import step_types
from jobs.tomlfile import import_file
from jobs.validation import InvalidJob
from notifications.models import Alert, Delivery
from notifications.routing import settle_some
from runs import janitor
from runs.models import Run, StepRun
from runs.states import FINAL, RunState
from runs.trigger import trigger_run
from tests.notifications.conftest import begun, end_run

STEP = {"name": "load", "type": "python", "callable": "p:f"}


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.dispatch.wake", lambda run_pk: True)


def save(**fields: Any) -> Job:
    return save_job({"id": "my-job", "steps": [STEP], **fields}, by="olga")


# Job


@pytest.mark.parametrize("job_id", ["my-job", "nomajde-daily-sync", "A_1"])
def test_an_id_is_url_safe(db: None, job_id: str) -> None:
    assert save(id=job_id).id == job_id


@pytest.mark.parametrize("job_id", ["", "my job", "a/b", "ä", "a.b"])
def test_an_id_that_is_not_url_safe_is_refused(db: None, job_id: str) -> None:
    with pytest.raises(InvalidJob):
        save(id=job_id)


def test_an_empty_schedule_means_manual_only(db: None) -> None:
    from django_celery_beat.models import PeriodicTask

    assert save().schedule == ""
    assert not PeriodicTask.objects.exists()


def test_the_cron_is_evaluated_in_the_jobs_zone() -> None:
    summer = datetime.datetime(2026, 7, 1, tzinfo=datetime.UTC)
    assert Cron("0 2 * * *", "Europe/Paris").next(summer).hour == 0
    assert Cron("0 2 * * *", "America/New_York").next(summer).hour == 6


def test_the_properties_of_a_job_and_their_defaults(db: None) -> None:
    job = save(description="why", tags=["etl", "nightly", "legal"])
    assert (job.description, job.tags) == ("why", ["etl", "nightly", "legal"])
    assert (job.enabled, job.log_level, job.params, job.alerts) == (True, "INFO", {}, None)
    assert (job.retry_attempts, job.timeout_seconds) == (1, 14400)


def test_a_disabled_job_can_still_be_run_by_hand(db: None) -> None:
    assert trigger_run(save(enabled=False), triggered_by="user:olga").state == RunState.QUEUED


def test_at_least_one_step_is_required(db: None) -> None:
    with pytest.raises(InvalidJob, match="step"):
        save(steps=[])


# Step


@pytest.mark.parametrize("name", ["sql_query", "sql_copy", "python", "http", "ldap_sync", "call_job"])
def test_the_step_types_are_there_and_described(name: str) -> None:
    assert step_types()[name].label


def test_a_step_can_be_disabled(db: None) -> None:
    assert not save(steps=[{**STEP, "enabled": False}]).steps.get().enabled


# Schedule

FIELDS = [
    ("0 * * * *", "59 * * * *", "60 * * * *"),
    ("0 0 * * *", "0 23 * * *", "0 24 * * *"),
    ("0 0 1 * *", "0 0 31 * *", "0 0 32 * *"),
    ("0 0 1 1 *", "0 0 1 12 *", "0 0 1 13 *"),
    ("0 0 * * 0", "0 0 * * 6", "0 0 * * 8"),
    ("0 0 * * * 0", "0 0 * * * 59", "0 0 * * * 60"),
]


@pytest.mark.parametrize(("low", "high", "beyond"), FIELDS)
def test_each_field_takes_its_range_and_no_more(low: str, high: str, beyond: str) -> None:
    Cron(low, "UTC")
    Cron(high, "UTC")
    with pytest.raises(BadCron):
        Cron(beyond, "UTC")


START = datetime.datetime(2026, 7, 1, 10, 7, 30)  # a Wednesday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 2 * * *", "2026-07-02 02:00:00"),
        ("30 9 * * 1", "2026-07-06 09:30:00"),
        ("15 * * * *", "2026-07-01 10:15:00"),
        ("*/5 * * * *", "2026-07-01 10:10:00"),
        ("0 0 1 * *", "2026-08-01 00:00:00"),
        ("* * * * * 45", "2026-07-01 10:07:45"),
    ],
)
def test_the_common_patterns_fire_when_they_say(expression: str, expected: str) -> None:
    zone = ZoneInfo("Europe/Paris")
    following = Cron(expression, "Europe/Paris").next(START.replace(tzinfo=zone)).astimezone(zone)
    assert f"{following:%Y-%m-%d %H:%M:%S}" == expected


# Trigger


@pytest.mark.parametrize("source", ["cron", "user:olga", "api", "cli"])
def test_all_four_triggers_go_through_the_same_door_and_are_recorded(db: None, source: str) -> None:
    assert Run.objects.get(pk=trigger_run(save(), triggered_by=source).pk).triggered_by == source


# Run


def test_a_run_carries_what_the_document_lists(db: None) -> None:
    run = trigger_run(save(params={"apps_id": 10}), triggered_by="cli")
    assert run.run_id.startswith("run_")
    assert run.run_id == run.run_id.lower()
    assert len(run.run_id) < 16
    assert (run.job_id, run.state, run.parameters) == ("my-job", "QUEUED", {"load": {"apps_id": 10}})
    fields = {field.name for field in StepRun._meta.get_fields()}
    assert {"name", "type", "started_at", "finished_at", "state", "rows_affected", "error"} <= fields


def test_the_states_are_the_five_of_the_document() -> None:
    assert RunState.values == ["QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED"]
    assert set(FINAL) == {"SUCCEEDED", "FAILED", "CANCELED"}


# Parameters


def test_step_op_kwargs_override_job_params(db: None) -> None:
    step = {**STEP, "op_kwargs": {"target_connector": "nomasx1-backup"}}
    run = trigger_run(save(params={"target_connector": "nomasx1"}, steps=[step]), triggered_by="cli")
    assert run.parameters["load"]["target_connector"] == "nomasx1-backup"


def test_the_four_layers_in_their_order(db: None) -> None:
    names = ["a", "b", "c", "d"]
    step = {**STEP, "op_kwargs": dict.fromkeys(names[1:], 2)}
    fire = Overrides(params=dict.fromkeys(names[2:], 3), op_kwargs={"load": {"d": 4}})
    run = trigger_run(save(params=dict.fromkeys(names, 1), steps=[step]), triggered_by="cli", overrides=fire)
    assert run.parameters["load"] == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_an_override_changes_one_fire_only(db: None) -> None:
    job = save(params={"apps_id": 10}, overlap="allow")
    sandbox = trigger_run(job, triggered_by="cli", overrides=Overrides(params={"apps_id": 99}))
    nightly = trigger_run(job, triggered_by="cron")
    assert [run.parameters["load"]["apps_id"] for run in (sandbox, nightly)] == [99, 10]


# Retry policy


@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        ({"attempts": 1, "backoff": "fixed", "base_seconds": 60}, []),
        ({"attempts": 2, "backoff": "fixed", "base_seconds": 60}, [60]),
        ({"attempts": 4, "backoff": "fixed", "base_seconds": 5}, [5, 5, 5]),
        ({"attempts": 4, "backoff": "exponential", "base_seconds": 5}, [5, 10, 20]),
        ({}, []),
    ],
)
def test_attempts_backoff_and_base_seconds(policy: dict[str, Any], waits: list[float]) -> None:
    found = []
    while (wait := next_wait(policy, len(found) + 1)) is not None:
        found.append(wait)
    assert found == waits


# Log level


@pytest.mark.parametrize(
    ("of_job", "of_fire", "expected"), [("INFO", None, "INFO"), ("DEBUG", None, "DEBUG"), ("INFO", "DEBUG", "DEBUG")]
)
def test_the_log_level_is_the_jobs_or_the_fires(db: None, of_job: str, of_fire: str | None, expected: str) -> None:
    run = trigger_run(save(log_level=of_job), triggered_by="cli", overrides=Overrides(log_level=of_fire))
    assert run.log_level == expected


# Alerts


CHANNELS = b"""
[[channels]]
name = "slack"
type = "slack"
token = "xoxb-1"
recipient = "#ops"
[[channels]]
name = "mail"
type = "email"
default = false
host = "localhost"
sender = "n@example.org"
recipients = ["ops@example.org"]
[[channels]]
name = "hook"
type = "webhook"
default = false
url = "http://127.0.0.1:9/"
"""
JOB_FILE = b"""
[[jobs]]
id = "nightly-reporting-refresh"
steps = [{name = "load", type = "python", callable = "reports:load"}]
"""


def test_a_declared_alerts_block_alerts_on_failure(db: None) -> None:
    job = save(alerts={"on_long_run_minutes": 30, "recipients": ["#ops", "ops@example.org", "@olga"]})
    assert job.alerts
    assert job.alerts["on_failure"] is True
    assert (job.alerts["on_long_run_minutes"], job.alerts["recipients"]) == (30, ["#ops", "ops@example.org", "@olga"])


def alerted(toml: bytes, **ending: Any) -> list[tuple[str, str, str]]:
    """What is told after the job of a file has run: (event, channel, recipient) of every delivery."""
    import_file(CHANNELS + JOB_FILE + toml, by="olga")
    end_run(Job.objects.get(pk="nightly-reporting-refresh"), **ending)
    while settle_some(timezone.now()):
        pass
    told = Delivery.objects.exclude(state="FAILED").values_list("alert__event", "channel_name", "recipient")
    return sorted(told)


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (b"", []),
        (b"[jobs.alerts]\n", [("failed", "slack", "#ops")]),
        (b"[jobs.alerts]\non_failure = true\n", [("failed", "slack", "#ops")]),
        (b"[jobs.alerts]\non_failure = false\n", []),
        (b"[jobs.alerts]\non_failure = false\non_long_run_minutes = 30\n", []),
        (
            b'[jobs.alerts]\nrecipients = ["a@example.org", "hook"]\n',
            [("failed", "hook", ""), ("failed", "mail", "a@example.org")],
        ),
        (b'[jobs.alerts]\nrecipients = ["@olga"]\n', [("failed", "slack", "@olga")]),
    ],
)
def test_an_alerts_block_in_a_file_behaves_as_its_table_says(
    db: None, block: bytes, told: list[tuple[str, str, str]]
) -> None:
    assert alerted(block) == told


def test_a_run_that_succeeds_or_is_cancelled_emits_no_alert_by_itself(db: None) -> None:
    assert alerted(b"[jobs.alerts]\n", state=RunState.SUCCEEDED) == []
    assert alerted(b"[jobs.alerts]\n", state=RunState.CANCELED) == []


def test_a_run_still_in_flight_after_its_minutes_emits_an_alert_and_keeps_going(db: None) -> None:
    import_file(CHANNELS + JOB_FILE + b"[jobs.alerts]\non_long_run_minutes = 30\n", by="olga")
    run = begun(Job.objects.get(pk="nightly-reporting-refresh")).run
    for minutes, told in ((29, 0), (31, 1), (300, 1)):
        Run.objects.update(started_at=timezone.now() - datetime.timedelta(minutes=minutes))
        janitor.notice_long()
        assert Alert.objects.filter(event="long_running").count() == told
    assert Run.objects.get(pk=run.pk).state == RunState.RUNNING


# Permissions


def test_a_grant_for_one_job_or_for_all(db: None, django_user_model: Any) -> None:
    from jobs.permissions import may_run, visible_jobs

    first, second = save(), save(id="other")
    rui, olga = (django_user_model.objects.create_user(name) for name in ("rui", "olga"))
    grant_job(rui, first)
    grant_job(olga, "*")
    rui, olga = (django_user_model.objects.get(pk=user.pk) for user in (rui, olga))
    assert [job.id for job in visible_jobs(rui)] == ["my-job"]
    assert (may_run(rui, first), may_run(rui, second), may_run(olga, second)) == (True, False, True)
