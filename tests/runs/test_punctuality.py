"""What becomes of moments that have just been noticed: pure decisions."""

import datetime
from datetime import timedelta

import pytest

from jobs.timetable import Moment
from runs.punctuality import Policy, Verdict, in_words, judge
from runs.states import Cause, Outcome

NOW = datetime.datetime(2026, 7, 1, 12, 0, tzinfo=datetime.UTC)


def ago(**spans: float) -> Moment:
    return Moment(NOW - timedelta(**spans))


def free(moment: datetime.datetime) -> str:
    return ""


def outcomes(verdicts: list[Verdict]) -> list[str]:
    return [str(verdict.outcome) for verdict in verdicts]


HOURS = [ago(hours=n) for n in range(5, 0, -1)]


@pytest.mark.parametrize(("late", "outcome"), [(0, "ran"), (5, "ran"), (6, "late"), (60, "late"), (61, "missed")])
def test_lateness_decides_between_ran_late_and_missed(late: int, outcome: str) -> None:
    assert outcomes(judge([ago(seconds=late)], NOW, Policy(), free)) == [outcome]


def test_by_default_overdue_moments_are_missed_and_nothing_runs_at_a_surprising_hour() -> None:
    verdicts = judge(HOURS, NOW, Policy(), free)
    assert outcomes(verdicts) == ["missed"] * 5
    assert verdicts[0].reason == "noticed 5 h 00 min late: no scheduler was running"


def test_run_once_catches_up_with_the_newest_and_says_so_at_the_others() -> None:
    verdicts = judge(HOURS, NOW, Policy("run_once"), free)
    assert outcomes(verdicts) == ["skipped"] * 4 + ["waiting"]
    assert {verdict.cause for verdict in verdicts[:4]} == {Cause.FOLDED}


def test_run_once_does_not_run_twice_when_a_moment_is_on_time_anyway() -> None:
    assert outcomes(judge([*HOURS, ago()], NOW, Policy("run_once"), free)) == ["skipped"] * 5 + ["ran"]


def test_run_all_catches_up_with_the_newest_up_to_its_limit() -> None:
    verdicts = judge([*HOURS, ago()], NOW, Policy("run_all", limit=3), free)
    assert outcomes(verdicts) == ["skipped"] * 2 + ["waiting"] * 3 + ["ran"]


@pytest.mark.parametrize("misfire", ["run_once", "run_all"])
def test_beyond_the_lateness_bound_nothing_is_caught_up(misfire: str) -> None:
    verdicts = judge(HOURS, NOW, Policy(misfire, within_seconds=1800), free)
    assert {(verdict.outcome, verdict.cause) for verdict in verdicts} == {(Outcome.SKIPPED, Cause.TOO_LATE)}


def test_a_frozen_moment_is_skipped_however_late_it_is_noticed() -> None:
    verdicts = judge(
        HOURS, NOW, Policy("run_all"), lambda moment: "frozen by olga" if moment < NOW - timedelta(hours=2) else ""
    )
    assert outcomes(verdicts) == ["skipped"] * 3 + ["waiting"] * 2
    assert verdicts[0] == Verdict(Outcome.SKIPPED, Cause.FROZEN, "frozen by olga")


def test_a_freeze_that_began_after_the_moment_holds_what_has_not_started_yet() -> None:
    verdict = judge([ago(seconds=20)], NOW, Policy(), lambda moment: "frozen" if moment >= NOW else "")[0]
    assert verdict.cause == Cause.FROZEN


def test_a_day_off_is_skipped_for_its_own_reason() -> None:
    verdict = judge([Moment(NOW, "holidays: Christmas Day")], NOW, Policy(), free)[0]
    assert verdict == Verdict(Outcome.SKIPPED, Cause.CALENDAR, "holidays: Christmas Day")


@pytest.mark.parametrize(
    ("seconds", "words"), [(42.4, "42 s"), (600, "10 min"), (7500, "2 h 05 min"), (273600, "3 d 4 h")]
)
def test_lateness_reads_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
