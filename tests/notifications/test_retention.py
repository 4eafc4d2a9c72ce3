"""What retention removes of alerts, and that it never removes a live one."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from jobs.models import Job
from notifications.models import Alert, Delivery, Incident
from runs.models import Run
from runs.retention import Counts, prune_batch
from runs.states import RunState
from tests.notifications.conftest import EndRun, MakeChannel
from tests.notifications.test_incidents import settle_all

Alerting = Callable[..., Job]
pytestmark = pytest.mark.django_db
AGES_AGO = timezone.now() - datetime.timedelta(days=200)
BEFORE = timezone.now() - datetime.timedelta(days=90)


@pytest.fixture
def old(alerting: Alerting, end: EndRun, channel: MakeChannel) -> Run:
    """A failed run of long ago whose alert was sent, and a later one that's kept as the job's last failure."""
    channel()
    job = alerting(repeat_minutes=0)
    run = end(job)
    settle_all()
    Run.objects.update(finished_at=AGES_AGO)
    Delivery.objects.update(state="SENT", ended_at=AGES_AGO)
    Alert.objects.update(created_at=AGES_AGO)
    Job.objects.update(alerts=None)
    end(Job.objects.get())
    return run


def prune() -> list[Counts]:
    batches = []
    while any(vars(batch := prune_batch(BEFORE)).values()):
        batches.append(batch)
    return batches


def test_an_alert_goes_with_its_run_and_its_deliveries(old: Run) -> None:
    (batch,) = prune()
    assert (batch.runs, batch.alerts) == (1, 2)
    assert not Alert.objects.exists()
    assert Incident.objects.get().last_run is None


@pytest.mark.parametrize("state", ["PENDING", "RETRYING"])
def test_a_run_whose_alert_is_still_to_be_sent_stays(old: Run, state: str) -> None:
    Delivery.objects.update(state=state)
    assert prune() == []
    assert Run.objects.filter(pk=old.pk).exists()


def test_a_run_whose_alert_nobody_has_looked_at_stays(old: Run) -> None:
    Alert.objects.update(settled_at=None)
    assert prune() == []


def test_an_alert_without_a_run_goes_by_its_age(db: None) -> None:
    moments: dict[str, Any] = {"created_at": AGES_AGO, "settled_at": AGES_AGO}
    for number, changes in enumerate(({}, {"settled_at": None}, {"created_at": timezone.now()})):
        Alert.objects.create(key=str(number), job_id="nightly", event="missed", **{**moments, **changes})
    assert sum(batch.alerts for batch in prune()) == 1
    assert sorted(Alert.objects.values_list("key", flat=True)) == ["1", "2"]


def test_a_closed_incident_goes_when_its_alerts_have_gone_and_an_open_one_never(old: Run) -> None:
    Incident.objects.update(opened_at=AGES_AGO, last_failed_at=AGES_AGO)
    Incident.objects.create(job_id="other", opened_at=AGES_AGO, last_failed_at=AGES_AGO, closed_at=AGES_AGO)
    prune()
    assert list(Incident.objects.values_list("job", flat=True)) == ["nightly"]


def test_a_long_list_goes_in_bounded_batches(db: None) -> None:
    Alert.objects.bulk_create(
        Alert(key=str(n), job_id="nightly", event="missed", created_at=AGES_AGO, settled_at=AGES_AGO) for n in range(25)
    )
    assert prune_batch(BEFORE, 10) == Counts(alerts=10)
    assert Alert.objects.count() == 15


def test_news_of_a_success_is_kept_as_any_other(old: Run, end: EndRun) -> None:
    Job.objects.update(alerts={"on_success": True})
    end(Job.objects.get(), RunState.SUCCEEDED)
    prune()
    assert Alert.objects.get().event == "succeeded"
