"""The week's picture: days of 23, 24 and 25 hours, blocks in lanes, bands."""

import datetime
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from runs.week import clock, days_from, days_in_words, place_of
from runs.weekchart import AXIS, COLUMN, HEAD, HEIGHT, HOUR, LOWEST, Column, columns, fitting
from runs.weekwords import tints

PARIS = ZoneInfo("Europe/Paris")
SPRING, AUTUMN = datetime.date(2026, 3, 26), datetime.date(2026, 10, 22)
WEEK = days_from(datetime.date(2026, 11, 23), PARIS)


@dataclass(frozen=True)
class Thing:
    """Something to draw."""

    start: float
    end: float
    name: str = "job"
    title: str = "a title"
    link: str = "jobs/job/"
    kind: str = "tint-1"
    band: str = ""


def at(day: int, hour: float) -> float:
    return WEEK[day].start + hour * 3600


def drawn(*things: Thing, now: float = 0) -> list[Column]:
    return columns(WEEK, things, now)


def test_a_day_on_which_the_clock_is_put_on_has_23_hours_and_a_gap() -> None:
    day = days_from(SPRING, PARIS)[3]
    assert ((day.end - day.start) / 3600, day.change) == (23, "clocks go forward at 02:00")
    assert day.changed == (2 * 3600, 3 * 3600)
    assert clock(day.reading(day.start + 2 * 3600)) == "03:00"


def test_a_day_on_which_the_clock_is_put_back_has_25_hours_and_an_hour_twice() -> None:
    day = days_from(AUTUMN, PARIS)[3]
    assert ((day.end - day.start) / 3600, day.change) == (25, "clocks go back at 03:00")
    assert day.changed == (2 * 3600, 3 * 3600)
    assert [clock(day.reading(day.start + hours * 3600)) for hours in (2.5, 3.5, 25)] == ["02:30", "02:30", "24:00"]


def test_a_run_that_ends_in_the_second_of_two_hours_reaches_to_the_end_of_the_first() -> None:
    day = days_from(AUTUMN, PARIS)[3]
    assert day.span(day.start + 2.75 * 3600, day.start + 3.25 * 3600) == (2.75 * 3600, 3 * 3600)


@pytest.mark.parametrize(("first", "hours"), [(SPRING, 167), (AUTUMN, 169), (datetime.date(2026, 11, 23), 168)])
def test_every_hour_of_a_week_falls_on_one_of_its_days(first: datetime.date, hours: int) -> None:
    days = days_from(first, PARIS)
    places = [place_of(days, days[0].start + 3600 * number) for number in range(hours)]
    assert None not in places
    assert places == sorted(places, key=lambda place: place or 0)
    assert place_of(days, days[-1].end) is None


def test_some_days_are_said_in_ranges() -> None:
    assert days_in_words([0, 1, 2, 4], WEEK) == "Mon–Wed, Fri"
    assert days_in_words(range(7), WEEK) == "every day"


def test_a_block_stands_in_its_column_at_its_time_as_high_as_it_is_long() -> None:
    (block,) = drawn(Thing(at(1, 6), at(1, 8)))[1].blocks
    assert (block.y, block.height) == (HEAD + 6 * HOUR, 2 * HOUR)
    assert AXIS + COLUMN < block.x < AXIS + 2 * COLUMN


def test_a_short_run_is_high_enough_for_its_name_and_its_bar_tells_the_truth() -> None:
    (block,) = drawn(Thing(at(0, 6), at(0, 6) + 600))[0].blocks
    assert (block.height, round(block.bar, 1)) == (LOWEST, round(HOUR / 6, 1))


def test_what_begins_right_before_midnight_stays_in_its_day() -> None:
    (block,) = drawn(Thing(at(0, 23.99), at(0, 23.99)))[0].blocks
    assert block.y + block.height <= HEAD + HEIGHT


def test_a_run_over_midnight_goes_on_in_the_next_column() -> None:
    week = drawn(Thing(at(0, 23), at(1, 1)))
    assert [len(column.blocks) for column in week] == [1, 1, 0, 0, 0, 0, 0]
    assert week[1].blocks[0].y == HEAD


def test_runs_at_once_stand_beside_each_other_and_later_ones_take_the_free_lane() -> None:
    things = (Thing(at(0, 1), at(0, 5)), Thing(at(0, 2), at(0, 3)), Thing(at(0, 4), at(0, 5)))
    first, second, third = sorted(drawn(*things)[0].blocks, key=lambda block: block.y)
    assert first.x < second.x == third.x
    assert first.x + first.width <= second.x


def test_too_many_at_once_are_folded_into_one_that_names_them() -> None:
    (column, *_) = drawn(*(Thing(at(0, 2), at(0, 3), name=f"job-{number}") for number in range(30)))
    fold = next(block for block in column.blocks if "fold" in block.kind)
    assert len(column.blocks) == 3
    assert fold.label == "+28"
    assert fold.title.startswith("28 more: job-")
    assert fold.title.endswith("and 20 more")


def test_a_thousand_jobs_at_one_minute_make_few_marks() -> None:
    things = [Thing(at(day, 2), at(day, 2.5), name=f"job-{number}") for day in range(7) for number in range(1000)]
    assert sum(len(column.blocks) for column in drawn(*things)) == 21


def test_frequent_schedules_are_narrow_bands_and_the_rest_of_them_share_one() -> None:
    things = [Thing(at(0, 0), at(0, 24), band=f"often-{number}") for number in range(9)]
    blocks = drawn(*things, Thing(at(0, 6), at(0, 7)))[0].blocks
    bands = [block for block in blocks if block.kind.startswith("band")]
    assert len(bands) == 4
    assert bands[-1].title.startswith("6 more frequent schedules")
    assert min(block.x for block in blocks if block not in bands) > max(band.x + band.width for band in bands)


def test_the_line_of_now_stands_on_today_and_what_has_passed_is_marked() -> None:
    week = drawn(now=at(2, 12))
    assert [column.now for column in week] == [None, None, HEAD + 12 * HOUR, None, None, None, None]
    assert [column.past for column in week] == [HEIGHT, HEIGHT, 12 * HOUR, 0, 0, 0, 0]


def test_a_name_is_cut_to_the_room_and_left_out_where_it_would_say_little() -> None:
    assert (fitting("short", 60), fitting("a-rather-long-name", 40), fitting("long-name", 15)) == (
        "short",
        "a-rath…",
        "",
    )


def test_tags_have_colours_of_their_own_while_there_are_enough() -> None:
    names = [f"tag-{number}" for number in range(8)]
    assert len(set(tints(names).values())) == 8
    assert set(tints([*names, "one", "more"])) == {*names, "one", "more"}
