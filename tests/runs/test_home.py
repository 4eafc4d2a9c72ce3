"""The first page."""

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from runs.models import Fire, Run, WorkerNode
from tests import cast

pytestmark = pytest.mark.django_db


def page(client: Client) -> str:
    answer = client.get("/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def figures(text: str) -> dict[str, str]:
    """The figure under each heading."""
    import re

    return dict(re.findall(r"<dt>([^<]+)</dt><dd>(?:<a [^>]+>)?([^<]+)", text))


@pytest.fixture
def nightly(client: Client) -> Any:
    job = cast.job(schedule="*/30 * * * *")
    client.force_login(cast.rui(job))
    return job


def test_figures_count_what_one_sees(client: Client, nightly: Any) -> None:
    hidden = cast.job("hidden")
    for job in (nightly, hidden):
        for state in ("RUNNING", "QUEUED", "FAILED", "FAILED", "SUCCEEDED"):
            cast.run(job, state)
    late = {"scheduled_at": timezone.now(), "noticed_at": timezone.now(), "outcome": "late"}
    Fire.objects.create(job=nightly, **late)
    Fire.objects.create(job=hidden, **late)
    found = figures(page(client))
    assert [found[name] for name in ("Running", "Queued", "Failed in 24 h", "Started late in 24 h")] == [
        "1",
        "1",
        "2",
        "1",
    ]


def test_an_old_failure_is_not_of_the_last_day(client: Client, nightly: Any) -> None:
    run = cast.run(nightly, "FAILED")
    Run.objects.filter(pk=run.pk).update(finished_at=timezone.now() - datetime.timedelta(hours=25))
    text = page(client)
    assert figures(text)["Failed in 24 h"] == "0"
    assert run.run_id in text


def test_a_dead_scheduler_and_missing_workers_are_said(client: Client, nightly: Any) -> None:
    text = page(client)
    assert "schedules don&#x27;t fire" in text or "schedules don't fire" in text
    assert "none started: runs wait" in text
    now = timezone.now()
    for role in ("beat", "worker"):
        WorkerNode.objects.create(id=role, role=role, host="h", pid=1, started_at=now, seen_at=now)
    assert page(client).count("✓ <small>alive") == 2


def test_active_runs_stand_beside_their_usual_time_and_can_be_cancelled(client: Client, nightly: Any) -> None:
    done = cast.run(nightly, "SUCCEEDED")
    Run.objects.filter(pk=done.pk).update(finished_at=done.started_at + datetime.timedelta(seconds=90))
    run = cast.run(nightly)
    text = page(client)
    assert f'action="/runs/{run.run_id}/cancel/"' in text
    assert "1 min 30 s" in text


def test_who_may_only_look_sees_no_cancel(client: Client, nightly: Any) -> None:
    run = cast.run(nightly)
    client.force_login(cast.vera(nightly))
    text = page(client)
    assert run.run_id in text
    assert "✕ Cancel" not in text


def test_the_hours_are_drawn_and_written(client: Client, nightly: Any) -> None:
    for state in ("SUCCEEDED", "SUCCEEDED", "FAILED"):
        cast.run(nightly, state)
    assert ": 2 succeeded, 1 failed, 0 cancelled</title>" in page(client)


def test_what_comes_has_a_countdown(client: Client, nightly: Any) -> None:
    assert 'data-show="until"' in page(client)


def test_nobody_is_sent_to_the_login(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/login/?next=/"


def test_somebody_without_any_permission_does_not_see_the_menu(client: Client) -> None:
    cast.job()
    client.force_login(cast.user("nobody"))
    text = page(client)
    assert 'class="operate"' not in text
    assert "Nothing runs at the moment" in text
