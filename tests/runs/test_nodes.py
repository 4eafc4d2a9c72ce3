"""Heartbeats, and what they tell about clocks."""

import datetime
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from runs import nodes
from runs.models import WorkerNode

pytestmark = pytest.mark.django_db


def clock(monkeypatch: pytest.MonkeyPatch, *readings: datetime.datetime) -> None:
    """What this host's clock shows, one reading after the other."""
    left = list(readings)
    monkeypatch.setattr(nodes.timezone, "now", lambda: left.pop(0) if len(left) > 1 else left[0])


@pytest.fixture
def node() -> Any:
    nodes.sign_in("here", nodes.BEAT)
    return WorkerNode.objects.get()


def skew_after_a_heartbeat() -> float:
    nodes.sign_of_life("here", nodes.BEAT)
    return WorkerNode.objects.get().clock_skew


@pytest.mark.parametrize(
    ("off", "told"), [(timedelta(0), 0), (timedelta(seconds=42), 42), (timedelta(seconds=-42), -42)]
)
def test_a_heartbeat_tells_how_far_this_hosts_clock_is_from_the_databases(
    node: Any, monkeypatch: pytest.MonkeyPatch, off: timedelta, told: int
) -> None:
    clock(monkeypatch, timezone.now() + off)
    assert skew_after_a_heartbeat() == pytest.approx(told, abs=1)


def test_a_database_that_is_slow_to_answer_does_not_look_like_a_wrong_clock(
    node: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    clock(monkeypatch, now - timedelta(seconds=9), now + timedelta(seconds=9))
    assert skew_after_a_heartbeat() == 0


def test_a_clock_that_was_set_right_is_told_of_no_longer(node: Any) -> None:
    WorkerNode.objects.update(clock_skew=42)
    assert [skewed.pk for skewed in nodes.skewed_nodes()] == ["here"]
    assert skew_after_a_heartbeat() == 0
    assert nodes.skewed_nodes() == []
