"""The answers for monitors."""

import datetime

import pytest
from django.test import Client
from django.utils import timezone

from runs.models import WorkerNode
from tests import cast


def beat(age: float, role: str = "beat") -> None:
    seen = timezone.now() - datetime.timedelta(seconds=age)
    WorkerNode.objects.create(id=f"{role}:{age}", role=role, host="h", pid=1, started_at=seen, seen_at=seen)


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_liveness_needs_neither_login_nor_database(client: Client, path: str) -> None:
    answer = client.get(path)  # no django_db mark: touching the database would fail the test
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_a_beat_seen_lately_is_active(client: Client) -> None:
    beat(100)
    beat(2)
    beat(7, "worker")
    answer = client.get("/admin/jobs/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "active")
    assert 2 <= answer.json()["scheduler_seen_seconds_ago"] < 4
    assert set(answer.json()) == {"status", "scheduler_seen_seconds_ago", "worker_seen_seconds_ago"}


@pytest.mark.django_db
def test_a_silent_beat_is_an_error_where_something_is_scheduled(client: Client) -> None:
    cast.job(schedule="0 2 * * *")
    beat(16)
    answer = client.get("/admin/jobs/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "error")


@pytest.mark.django_db
def test_without_beat_and_schedules_the_scheduler_stands_by(client: Client) -> None:
    cast.job(schedule="0 2 * * *", enabled=False)
    answer = client.get("/admin/jobs/health/")
    assert (answer.status_code, answer.json()["status"]) == (200, "standby")
