"""A run's timeline, its first error, and what differs from the last good run; how far runs got."""

import datetime
from typing import Any

import pytest
from django.utils import timezone

from runs.models import Run, StepRun
from runs.progress import grid, last_attempts, pace_of, progress_of
from runs.timeline import differences, first_error, last_good_run, timeline_of
from tests import cast

pytestmark = pytest.mark.django_db


def attempt(
    run: Run, number: int, name: str, state: str, tries: int = 1, at: float = 0, took: float = 1, **values: Any
) -> StepRun:
    start = run.created_at + datetime.timedelta(seconds=at)
    end = None if state == "RUNNING" else start + datetime.timedelta(seconds=took)
    moments = {"started_at": start if tries else None, "finished_at": end}
    return StepRun.objects.create(
        run=run, number=number, name=name, type="sql_query", state=state, attempt=tries, **moments, **values
    )


def test_a_retry_shows_the_wait_before_it() -> None:
    run = cast.run(cast.job(), "SUCCEEDED")
    rows = [attempt(run, 0, "load", "FAILED"), attempt(run, 0, "load", "SUCCEEDED", 2, at=31)]
    chart = timeline_of(run, rows, timezone.now())
    assert chart is not None
    assert [row.label for row in chart.rows] == ["load", "load #2"]
    assert [mark.kind for mark, _ in chart.rows[1].marks] == ["wait", "succeeded"]
    assert "Waited 30.0 s before attempt 2" in chart.rows[1].marks[0][1]


def test_a_run_that_waits_for_a_worker_has_a_row_for_it() -> None:
    run = cast.run(cast.job(), "QUEUED")
    chart = timeline_of(run, [], run.created_at + datetime.timedelta(seconds=9))
    assert chart is not None
    assert [(row.step, row.label) for row in chart.rows] == [("", "waiting")]
    assert chart.now_x


def test_steps_that_never_began_are_left_out() -> None:
    run = cast.run(cast.job(), "FAILED")
    rows = [attempt(run, 0, "load", "FAILED"), attempt(run, 1, "send", "CANCELED", 0)]
    chart = timeline_of(run, rows, timezone.now())
    assert chart is not None
    assert [row.step for row in chart.rows] == ["load"]


def test_the_error_on_top_is_that_of_the_step_that_failed_for_good() -> None:
    run = cast.run(cast.job(), "FAILED")
    rows = [
        attempt(run, 0, "load", "FAILED", error="first try"),
        attempt(run, 0, "load", "SUCCEEDED", 2),
        attempt(run, 1, "send", "FAILED", error="no route"),
        attempt(run, 1, "send", "FAILED", 2, error="still no route"),
    ]
    found = first_error(rows)
    assert found is not None
    assert found.error == "still no route"


def test_parameters_are_compared_with_the_last_good_run_before() -> None:
    job = cast.job()
    cast.run(job, "SUCCEEDED", parameters={"load": {"day": 1}})
    good = cast.run(job, "SUCCEEDED", parameters={"load": {"day": 2, "old": True}})
    cast.run(job, "FAILED", parameters={"load": {"day": 3}})
    run = cast.run(job, "FAILED", parameters={"load": {"day": 4, "new": "x"}})
    cast.run(job, "SUCCEEDED", parameters={"load": {"day": 9}})
    assert last_good_run(run) == good
    found = [(difference.key, difference.was, difference.now) for difference in differences(run, good)]
    assert found == [("day", 2, 4), ("old", True, None), ("new", None, "x")]


def test_a_secret_that_changed_is_told_and_not_shown() -> None:
    job = cast.job()
    good = cast.run(job, "SUCCEEDED", parameters={"load": {"password": "one-canary"}})
    run = cast.run(job, "FAILED", parameters={"load": {"password": "two-canary"}})
    run.refresh_from_db()
    good.refresh_from_db()
    assert [(d.was, d.now) for d in differences(run, good)] == [("********", "********")]


def test_the_first_run_has_nothing_to_be_compared_with() -> None:
    assert last_good_run(cast.run(cast.job(), "FAILED")) is None


def test_progress_says_how_far_it_got_and_where_it_failed() -> None:
    run = cast.run(cast.job(), "FAILED")
    attempt(run, 0, "load", "FAILED")
    attempt(run, 0, "load", "SUCCEEDED", 2)
    attempt(run, 1, "check", "CANCELED", 0, reason="skipped: disabled")
    attempt(run, 2, "F9202", "FAILED")
    attempt(run, 3, "send", "CANCELED", 0, reason="not run")
    assert str(progress_of(4, last_attempts([run])[run.pk])) == "2 / 4, failed at F9202"
    assert str(progress_of(7, [])) == "0 / 7"


def test_the_grid_has_a_row_for_each_step_of_any_of_the_runs(django_assert_num_queries: Any) -> None:
    job = cast.job()
    old, new = cast.run(job, "SUCCEEDED"), cast.run(job, "SUCCEEDED")
    attempt(old, 0, "gone", "SUCCEEDED")
    attempt(new, 0, "load", "SUCCEEDED", 2)
    with django_assert_num_queries(1):
        rows = grid([old, new], last_attempts([old, new]))
    shown = [(name, [cell.attempt and cell.attempt.attempt for cell in cells]) for name, cells in rows]
    assert shown == [("load", [None, 2]), ("gone", [1, None])]


@pytest.mark.parametrize(
    ("done", "total", "seconds", "over", "words"),
    [
        (120_000, 480_000, 2, False, "120,000 of 480,000 (25 %), 60,000 a second, 6 s left"),
        (120_000, 480_000, 2, True, "120,000 of 480,000 (25 %), 60,000 a second"),
        (120_000, None, 2, False, "120,000, 60,000 a second"),
        (0, 10, 2, False, "0 of 10 (0 %)"),
        (12, 10, 2, False, "12 of 10 (100 %), 6 a second"),
        (5, 10, 0, False, "5 of 10 (50 %)"),
    ],
)
def test_the_pace_of_an_attempt_is_told_as_far_as_it_is_known(
    done: int, total: int | None, seconds: int, over: bool, words: str
) -> None:
    began = timezone.now()
    step = StepRun(done=done, total=total, started_at=began, progress_at=began + datetime.timedelta(seconds=seconds))
    step.finished_at = began + datetime.timedelta(seconds=seconds + 1) if over else None
    assert str(pace_of(step)) == words
    assert pace_of(StepRun(started_at=began)) is None
