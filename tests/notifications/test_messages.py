"""Alerts in words."""

from typing import Any

import pytest

from notifications.events import Event
from notifications.message import Message
from notifications.messages import LONGEST_TITLE, MOST_LINES, digest_of, message_of

RUN = {
    "run_id": "run_7f3a",
    "state": "FAILED",
    "error": "step 'load': connection refused",
    "step": "load",
    "attempt": 2,
    "triggered_by": "cron",
    "scheduled_at": "2026-07-01T02:00:00+00:00",
    "started_at": "2026-07-01T02:00:01+00:00",
    "finished_at": "2026-07-01T02:01:05+00:00",
}
INCIDENT = {"id": 12, "failures": 3, "opened_at": "2026-07-01T00:00:00+00:00"}


def told(event: Event, facts: dict[str, Any] = RUN, **values: Any) -> Message:
    return message_of(event, "nightly", facts, base_url="https://nomaflow.example", **values)


@pytest.mark.parametrize(
    ("event", "facts", "title"),
    [
        (Event.FAILED, RUN, "nightly failed: step 'load': connection refused"),
        (Event.FAILED, {"error": "no steps"}, "nightly could not be started: no steps"),
        (Event.SUCCEEDED, RUN, "nightly succeeded"),
        (Event.CANCELED, {**RUN, "error": "cancelled by rui"}, "nightly was cancelled: cancelled by rui"),
        (Event.LONG_RUNNING, {**RUN, "minutes": 30}, "nightly is still in flight after 30 min"),
        (Event.LONG_RUNNING, {"minutes": 5}, "nightly is still in flight after 5 min, waiting to be started"),
        (Event.GUARD, {**RUN, "error": "half is gone"}, "nightly warns: half is gone"),
        (Event.MISSED, {"fires": 1}, "nightly missed a fire"),
        (Event.MISSED, {"fires": 1300}, "nightly missed 1,300 fires"),
        (Event.SKIPPED, {"fires": 2}, "nightly skipped 2 fires"),
        (Event.SWITCHED_OFF, {"by": "rui"}, "nightly was switched off by rui"),
        (Event.SWITCHED_OFF, {"by": "rui", "deleted": True}, "nightly was deleted by rui"),
        (Event.SWITCHED_ON, {"by": "rui"}, "nightly was switched on by rui"),
    ],
)
def test_the_title_says_what_happened_to_which_job(event: Event, facts: dict[str, Any], title: str) -> None:
    assert told(event, facts).title == title


def test_a_repeated_failure_and_its_recovery_name_how_often() -> None:
    assert told(Event.FAILED, incident=INCIDENT).title.startswith("nightly failed 3 times in a row:")
    assert told(Event.RECOVERED, incident=INCIDENT).title == "nightly recovered after 3 failures in a row"


def test_messages_of_one_incident_share_a_thread() -> None:
    assert (
        told(Event.FAILED, incident=INCIDENT).thread == told(Event.RECOVERED, incident=INCIDENT).thread == "incident-12"
    )


def test_a_run_is_linked_and_what_has_none_links_to_its_job() -> None:
    assert told(Event.FAILED).url == "https://nomaflow.example/runs/run_7f3a/"
    assert told(Event.MISSED, {}).url == "https://nomaflow.example/jobs/nightly/"


def test_facts_name_attempts_moment_duration_and_incident() -> None:
    facts = dict(told(Event.FAILED, incident=INCIDENT).facts)
    assert facts == {
        "Attempts": "2",
        "Scheduled for": "2026-07-01T02:00:00+00:00",
        "Duration": "1 min 04 s",
        "Incident": "12, open since 2026-07-01T00:00:00+00:00",
    }


def test_a_digest_counts_names_each_and_has_the_colour_of_the_worst() -> None:
    told_of = [told(Event.SKIPPED, {"fires": 1}), *(told(Event.FAILED) for _ in range(MOST_LINES + 5))]
    digest = digest_of(told_of, base_url="https://nomaflow.example", delivery="uid")
    assert digest.title == "56 alerts: 55 failed, 1 skipped fire"
    assert digest.colour == told(Event.FAILED).colour
    lines = digest.error.splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("nightly skipped a fire", "and 6 more", MOST_LINES + 1)
    assert digest.url == "https://nomaflow.example/notifications/"


def test_a_long_error_of_many_lines_makes_a_short_title_and_stays_whole_below() -> None:
    message = told(Event.FAILED, {**RUN, "error": "line\n" * 500})
    assert len(message.title) == LONGEST_TITLE
    assert "\n" not in message.title
    assert message.error == "line\n" * 500
