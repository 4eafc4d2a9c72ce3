"""One page of deliveries, however rare what the filters leave."""

from typing import Any

import pytest

from notifications import ledger
from notifications.events import DeliveryState, Event
from notifications.ledger import Filters, page_of
from tests import cast
from tests.notifications import told

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: Any) -> None:
    """A search that gives up after six rows."""
    monkeypatch.setattr(ledger, "PIECES", (2, 4))


def found(user: Any, filters: Filters, **values: Any) -> list[str]:
    return [delivery.recipient for delivery in page_of(user, filters, 3, **values).deliveries]


def test_a_rare_event_is_looked_for_page_by_page_and_how_far_it_came_is_told() -> None:
    job, olga = cast.job(), cast.olga()
    rare = told.delivery(told.alert(job, Event.RECOVERED), recipient="rare")
    common = [told.delivery(told.alert(job)) for _ in range(7)]
    first = page_of(olga, Filters(event="recovered"), 3)
    assert (list(first.deliveries), first.older, first.searched_to) == ([], common[1].pk, common[1].created_at)
    second = page_of(olga, Filters(event="recovered"), 3, before=first.older)
    assert (list(second.deliveries), second.older, second.searched_to) == ([rare], None, None)


def test_a_quiet_job_is_found_however_long_ago_it_was() -> None:
    quiet, loud, olga = cast.job("quiet"), cast.job("loud"), cast.olga()
    old = [told.delivery(quiet, recipient=f"old-{number}") for number in range(4)]
    for _ in range(9):
        told.delivery(loud)
    page = page_of(olga, Filters(job="quiet"), 3)
    assert [delivery.recipient for delivery in page.deliveries] == ["old-3", "old-2", "old-1"]
    assert page.older == old[1].pk
    assert found(olga, Filters(job="quiet"), before=page.older) == ["old-0"]
    assert found(cast.vera(quiet), Filters()) == ["old-3", "old-2", "old-1"]


def test_a_deleted_jobs_deliveries_are_found_by_who_sees_all_jobs() -> None:
    job = cast.job("gone")
    told.delivery(job, recipient="kept")
    vera, olga = cast.vera(job), cast.olga()
    job.delete()
    assert found(olga, Filters(job="gone")) == ["kept"]
    assert found(vera, Filters()) == []


@pytest.mark.parametrize(("state", "expected"), [("", ["b", "a"]), ("SENT", ["a"]), ("FAILED", ["b"]), ("PENDING", [])])
def test_state_and_channel_hold_together(state: str, expected: list[str]) -> None:
    job, mail = cast.job(), told.channel("mail")
    told.delivery(job, through=mail, recipient="a")
    told.delivery(job, DeliveryState.FAILED, mail, recipient="b")
    told.delivery(job, recipient="c")
    told.delivery(job, DeliveryState.FAILED, recipient="d")
    assert found(cast.olga(), Filters(state=state, channel="mail")) == expected


def test_filters_are_written_back_into_an_address() -> None:
    assert Filters(state="FAILED", job="a b").query(before=7) == "state=FAILED&job=a+b&before=7"
