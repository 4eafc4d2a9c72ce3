"""Which jobs run at the same time."""

import datetime
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from runs.collisions import Interval, Overlap, collisions
from runs.week import DAY, days_from
from runs.weekclashes import clashes_of
from runs.weekfires import Entry

ALL = {"a": {"db"}, "b": {"db"}, "c": {"crm"}}
UTC = datetime.UTC
DAYS = days_from(datetime.date(2026, 11, 23), ZoneInfo("UTC"))


def found(*intervals: tuple[float, float, str], connectors: Mapping[str, set[str]] = ALL) -> list[Overlap]:
    return collisions([Interval(*interval) for interval in intervals], connectors)


def test_jobs_on_the_same_connector_come_first() -> None:
    assert found((0, 10, "a"), (5, 20, "b"), (6, 7, "c")) == [
        Overlap(5, 10, frozenset("ab"), "db"),
        Overlap(5, 10, frozenset("abc")),
    ]


def test_the_same_jobs_are_not_told_twice() -> None:
    assert found((0, 10, "a"), (5, 20, "b")) == [Overlap(5, 10, frozenset("ab"), "db")]


def test_what_ends_when_another_begins_does_not_overlap_it() -> None:
    assert found((0, 10, "a"), (10, 20, "b")) == []


def test_a_job_does_not_collide_with_itself() -> None:
    assert found((0, 10, "a"), (5, 15, "a")) == []
    assert found((0, 10, "a"), (5, 15, "a"), (12, 13, "b")) == [Overlap(12, 13, frozenset("ab"), "db")]


def test_a_thousand_jobs_at_the_same_minute_are_one_overlap() -> None:
    names = [f"job-{number}" for number in range(1000)]
    overlaps = found(*((0, 60, name) for name in names), connectors={name: {"db"} for name in names})
    assert overlaps == [Overlap(0, 60, frozenset(names), "db")]


def entry(job: str, day: int, hour: int, minute: int = 0, **values: object) -> Entry:
    at = datetime.datetime(2026, 11, 23, hour, minute, tzinfo=UTC) + datetime.timedelta(days=day)
    return Entry(at, job, "", day, **values)  # type: ignore[arg-type]


def test_what_happens_every_day_is_one_line() -> None:
    entries = [entry(job, day, 2, minute) for day in range(7) for job, minute in (("a", 0), ("b", 30))]
    clashes = clashes_of(entries, [2400.0] * 14, ALL, DAYS)
    (line,) = clashes.lines
    assert (line.when, line.jobs, line.connector, line.lasts) == (
        "every day 02:30–02:40",
        ("a", "b"),
        "db",
        "10 min 00 s",
    )
    assert set(clashes.marks) == set(range(14))


def test_what_is_off_or_frozen_or_never_measured_collides_with_nobody() -> None:
    entries = [entry("a", 0, 2), entry("b", 0, 2, off=True), entry("b", 0, 2, frozen="why"), entry("b", 0, 2)]
    assert clashes_of(entries, [60.0, 60.0, 60.0, None], ALL, DAYS).lines == []


def test_many_jobs_are_named_in_part() -> None:
    entries = [entry(f"job-{number}", 0, 2) for number in range(20)]
    (line,) = clashes_of(entries, [60.0] * 20, {}, DAYS).lines
    assert (len(line.jobs), line.more) == (6, 14)


def test_of_very_frequent_schedules_some_are_left_out_and_counted() -> None:
    until = datetime.datetime(2026, 11, 23, 23, 59, 59, tzinfo=UTC)
    entries = [entry(f"often-{number}", 0, 0, count=1500, until=until) for number in range(3)]
    assert clashes_of(entries, [1.0] * 3, {}, DAYS).left_out == 2


def test_one_run_after_midnight_of_the_last_day_reads_as_a_time_of_day() -> None:
    entries = [entry("a", 6, 23), entry("b", 6, 23)]
    (line,) = clashes_of(entries, [DAY / 12] * 2, ALL, DAYS).lines
    assert line.when == "Sun 23:00–01:00"


def test_jobs_that_share_two_connectors_are_one_line() -> None:
    both = {"a": {"db", "crm"}, "b": {"db", "crm"}}
    (line,) = clashes_of([entry("a", 0, 2), entry("b", 0, 2)], [60.0] * 2, both, DAYS).lines
    assert line.connector == "crm, db"


def test_what_happens_at_many_times_of_day_is_one_line() -> None:
    entries = [entry(job, 0, hour) for hour in range(5) for job in "ab"]
    (line,) = clashes_of(entries, [60.0] * 10, ALL, DAYS).lines
    assert line.when == "Mon, 5 times"
