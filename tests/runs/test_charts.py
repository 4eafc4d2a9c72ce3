"""The geometry of the charts."""

import datetime

import pytest

from runs.charts import (
    DOTS_HEIGHT,
    GANTT_WIDTH,
    HOURS,
    HOURS_HEIGHT,
    LOWEST,
    STRIP_HEIGHT,
    STRIP_WIDTH,
    Span,
    dot_plot,
    hour_bars,
    round_up,
    strip,
    timeline,
)
from runs.recent import Recent

NOW = datetime.datetime(2026, 11, 25, 13, 30, tzinfo=datetime.UTC)


def run(seconds: float | None, state: str = "SUCCEEDED") -> Recent:
    end = None if seconds is None else NOW + datetime.timedelta(seconds=seconds)
    return Recent("run_x", "nightly", state, NOW, NOW, end)


def at(seconds: float) -> datetime.datetime:
    return NOW + datetime.timedelta(seconds=seconds)


def test_the_newest_run_stands_at_the_right_edge_and_the_longest_is_the_highest() -> None:
    bars = strip([run(10), run(40), run(20)])
    assert [bar.mark.height for bar in bars] == [STRIP_HEIGHT / 4, STRIP_HEIGHT, STRIP_HEIGHT / 2]
    assert bars[-1].mark.x + bars[-1].mark.width <= STRIP_WIDTH
    assert bars[-1].mark.x > STRIP_WIDTH - 12


def test_only_the_newest_twenty_are_in_the_strip() -> None:
    bars = strip([run(number) for number in range(1, 31)])
    assert [bar.run.seconds for bar in bars] == list(range(11, 31))
    assert bars[0].mark.x >= 0


def test_a_run_that_took_no_time_and_one_that_runs_are_seen() -> None:
    none, running = strip([run(0), run(None, "RUNNING")])
    assert (none.mark.height, running.mark.height) == (LOWEST, STRIP_HEIGHT)


def test_each_hour_stands_in_its_place_and_one_failure_among_many_is_seen() -> None:
    hour = NOW.replace(minute=0)
    bars = hour_bars({(hour, "SUCCEEDED"): 10000, (hour, "FAILED"): 1}, NOW)
    assert len(bars) == HOURS
    assert bars[-1].start == hour
    assert [mark.kind for mark in bars[-1].marks] == ["succeeded", "failed"]
    assert bars[-1].marks[1].height > 0.9
    assert min(mark.y for mark in bars[-1].marks) >= 0
    assert sum(mark.height for mark in bars[-1].marks) == pytest.approx(HOURS_HEIGHT, abs=0.2)
    assert bars[0].total == 0


def test_dots_lie_between_the_floor_and_the_top_and_the_median_among_them() -> None:
    plot = dot_plot([run(10), run(20), run(None, "RUNNING"), run(90, "FAILED")])
    assert plot is not None
    assert [dot.run.seconds for dot in plot.dots] == [10, 20, 90]
    assert all(0 <= dot.y <= DOTS_HEIGHT for dot in plot.dots)
    assert plot.p50_y == plot.dots[0].y
    assert [seconds for _, seconds in plot.scale] == [0, 60, 120]


def test_without_an_ended_run_there_is_nothing_to_plot() -> None:
    assert dot_plot([run(None, "RUNNING")]) is None


@pytest.mark.parametrize(
    ("seconds", "top"), [(0, 1), (0.004, 0.01), (0.4, 1), (0.7, 1), (7, 10), (400, 600), (90000, 172800)]
)
def test_a_scale_ends_at_a_round_number(seconds: float, top: float) -> None:
    assert round_up(seconds) == pytest.approx(top)


def test_a_timeline_spans_from_the_first_start_to_the_last_end() -> None:
    rows = [
        ("a", "a", [Span("a", "failed", at(0), at(5), "a")]),
        ("b", "b", [Span("b", "succeeded", at(5), at(10), "b")]),
    ]
    chart = timeline(rows, at(99), over=True)
    assert chart is not None
    marks = [mark for row in chart.rows for mark, _ in row.marks]
    assert [(mark.x, mark.width) for mark in marks] == [(0, GANTT_WIDTH / 2), (GANTT_WIDTH / 2, GANTT_WIDTH / 2)]
    assert chart.now_x is None
    assert [seconds for _, seconds in chart.ticks] == [0, 2, 4, 6, 8, 10]


def test_what_goes_on_reaches_to_now() -> None:
    chart = timeline([("a", "a", [Span("a", "running", at(0), None, "a")])], at(60), over=False)
    assert chart is not None
    assert chart.rows[0].marks[0][0].width == GANTT_WIDTH
    assert chart.now_x == GANTT_WIDTH


def test_before_anything_has_begun_there_is_no_timeline() -> None:
    assert timeline([], NOW, over=False) is None


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.9, 3, 59, 3600, 86400, 900000])
def test_there_are_a_few_ticks_whatever_the_length(seconds: float) -> None:
    chart = timeline([("a", "a", [Span("a", "succeeded", at(0), at(seconds), "a")])], NOW, over=True)
    assert chart is not None
    assert len(chart.ticks) <= 9
    assert all(0 <= x <= GANTT_WIDTH for x, _ in chart.ticks)
