"""The tailer's decisions: who is told what. Over a real server: test_stream.py."""

import asyncio
import time
from typing import Any

import pytest

from runs import follow, look
from runs.follow import CATCH_UP, END, STATE, Event, Follower, Tailer, Watched, _tell
from tests import cast

RUN = 7


def lines(*numbers: int) -> list[Event]:
    return [Event(b"line %d" % number, number) for number in numbers]


def found(*numbers: int, state: str = "RUNNING", over: bool = False, start: int = 0) -> look.Look:
    return look.Look({RUN: lines(*numbers)}, {RUN: (state,)}, frozenset([RUN] if over else []), {RUN: start}, False)


def told(follower: Follower) -> list[Event]:
    return [follower.waiting.get_nowait() for _ in range(follower.waiting.qsize())]


@pytest.fixture
def follower() -> Follower:
    return Follower(RUN)


def test_a_newcomer_reads_by_itself_what_was_there_and_is_fed_the_rest(follower: Follower) -> None:
    watched = Watched({follower})
    _tell(watched, RUN, found(start=3))
    _tell(watched, RUN, found(4, 5))
    assert told(follower) == [Event(CATCH_UP, 3), *lines(4, 5)]


def test_somebody_who_joins_later_reads_up_to_the_same_line(follower: Follower) -> None:
    first = Follower(RUN)
    watched = Watched({first})
    _tell(watched, RUN, found(start=3))
    watched.followers.add(follower)
    _tell(watched, RUN, found(4))
    _tell(watched, RUN, found(5))
    assert told(follower) == [Event(CATCH_UP, 4), *lines(5)]


def test_a_change_is_told_after_its_lines_and_the_end_after_a_quiet_look(follower: Follower) -> None:
    watched = Watched({follower})
    _tell(watched, RUN, found())
    _tell(watched, RUN, found(1, state="FAILED", over=True))
    _tell(watched, RUN, found(2, state="FAILED", over=True))
    _tell(watched, RUN, found(state="FAILED", over=True))
    assert told(follower)[1:] == [*lines(1), STATE, *lines(2), END]


def test_a_run_that_disappears_ends_its_streams(follower: Follower) -> None:
    watched = Watched({follower})
    gone = look.Look({}, {}, frozenset([RUN]), {}, False)
    _tell(watched, RUN, found())
    _tell(watched, RUN, gone)
    _tell(watched, RUN, gone)
    assert told(follower)[1:] == [STATE, END]


def test_a_full_queue_is_dropped_and_the_follower_reads_on_from_the_database(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower.waiting = asyncio.Queue(3)
    other = Follower(RUN)
    watched = Watched({follower, other})
    _tell(watched, RUN, found())
    _tell(watched, RUN, found(1, 2, 3, 4))
    assert told(follower) == []
    _tell(watched, RUN, found(5))
    assert told(follower) == [Event(CATCH_UP, 5), STATE]
    assert told(other)[1:] == lines(1, 2, 3, 4, 5)


def test_a_client_that_takes_nothing_is_dropped(follower: Follower) -> None:
    async def scene() -> None:
        follower.task = asyncio.ensure_future(asyncio.sleep(60))
        follower.drop_if_stuck(time.monotonic())
        follower.handed_at = time.monotonic() - follow.STUCK_SECONDS + 5
        follower.drop_if_stuck(time.monotonic())
        assert not follower.task.cancelling()
        follower.handed_at -= 10
        follower.drop_if_stuck(time.monotonic())
        with pytest.raises(asyncio.CancelledError):
            await follower.task

    asyncio.run(scene())


def test_a_failed_look_loses_nothing(
    follower: Follower, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = [found(), OSError("the database is away"), found(1)]

    async def looking(asked: Any) -> look.Look:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    async def scene() -> list[float]:
        tailer = Tailer()
        tailer.watched[RUN] = Watched({follower})
        return [await tailer._round(looking) for _ in range(3)]

    assert asyncio.run(scene()) == [follow.POLL_SECONDS, follow.PAUSE_SECONDS, follow.POLL_SECONDS]
    assert told(follower)[1:] == lines(1)
    assert "can't read the database" in caplog.text


@pytest.mark.django_db
def test_one_look_takes_three_queries_however_many_runs_are_watched(django_assert_num_queries: Any) -> None:
    job = cast.job()
    runs = [cast.run(job, lines=3) for _ in range(1200)]
    with django_assert_num_queries(3):
        seen = look.look_at({run.pk: 1 for run in runs})
    assert all([event.seq for event in seen.lines[run.pk]] == [2, 3] for run in runs)
    assert not seen.cut


@pytest.mark.django_db
def test_of_two_runs_that_write_a_lot_neither_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "MOST_LINES", 10)
    job = cast.job()
    first, second = cast.run(job, lines=50), cast.run(job, lines=50)
    seen = look.look_at({first.pk: 0, second.pk: 20})
    assert [event.seq for event in seen.lines[first.pk]] == [1, 2, 3, 4, 5]
    assert [event.seq for event in seen.lines[second.pk]] == [21, 22, 23, 24, 25]
    assert seen.cut
