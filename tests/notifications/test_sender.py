"""The thread that sends: real threads, a real endpoint, a database that commits."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection

from jobs.models import Job
from notifications import delivery, sender
from notifications.models import Channel, Delivery
from notifications.sender import Sender
from tests.notifications.conftest import EndRun, MakeChannel
from tests.servers import wait_for
from tests.servers.endpoint import Endpoint

Alerting = Callable[..., Job]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders that look only when they're woken."""
    monkeypatch.setattr(sender, "LOOK_SECONDS", 3600)


@pytest.fixture
def running() -> Iterator[Sender]:
    """A sender that looks often."""
    made = Sender()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def hook(channel: MakeChannel, endpoint: Endpoint) -> Channel:
    return channel("webhook", "hook", secrets={"url": endpoint.url})


def states() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


def test_an_alert_written_in_this_process_is_sent_at_once(
    hook: Channel, patient: None, running: Sender, alerting: Alerting, end: EndRun, endpoint: Endpoint
) -> None:
    end(alerting())
    endpoint.wait_for_requests(1)
    wait_for(lambda: states() == ["SENT"], 5, "the answer to be written down")


def test_a_server_that_never_answers_holds_up_nobody_else(
    hook: Channel, channel: MakeChannel, make_endpoint: Any, alerting: Alerting, end: EndRun, endpoint: Endpoint
) -> None:
    endpoint.replies(way="never")
    other = make_endpoint()
    channel("webhook", "other", secrets={"url": other.url}, is_default=False)
    for number in range(10):
        end(alerting(f"hangs-{number}", recipients=["hook"]))
    end(alerting("works", recipients=["other"]))
    running = Sender()
    running.start()
    try:
        other.wait_for_requests(1, 5)
    finally:
        endpoint.stop()
        running.stop()


def test_stopping_sends_what_is_due(hook: Channel, patient: None, alerting: Alerting, end: EndRun) -> None:
    for number in range(5):
        end(alerting(f"job-{number}"))
    made = Sender()
    made.start()
    made.stop()
    assert states() == ["SENT"] * 5


def test_an_answer_that_can_not_be_written_down_is_not_sent_again(
    hook: Channel, running: Sender, alerting: Alerting, end: EndRun, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = delivery.record, [OperationalError("database is locked")] * 3

    def record(*args: Any) -> None:
        if refused:
            raise refused.pop()
        real(*args)

    monkeypatch.setattr(delivery, "record", record)
    monkeypatch.setattr(sender, "LOOK_SECONDS", 0.05)
    end(alerting())
    wait_for(lambda: states() == ["SENT"], 10, "the answer to be written down")
    assert (len(endpoint.requests), Delivery.objects.get().attempts) == (1, 1)


def test_two_senders_share_the_work_and_send_nothing_twice(
    hook: Channel, alerting: Alerting, end: EndRun, endpoint: Endpoint
) -> None:
    for number in range(20):
        end(alerting(f"job-{number}"))
    pair = [Sender(), Sender()]
    for each in pair:
        each.start()
    try:
        wait_for(lambda: states() == ["SENT"] * 20, 20, "everything to be sent")
    finally:
        for each in pair:
            each.stop()
    assert len({request.header("X-Nomaflow-Delivery") for request in endpoint.requests}) == len(endpoint.requests) == 20
    connection.close()
