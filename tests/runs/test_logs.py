"""The one writer of a run's log."""

from collections.abc import Callable

import pytest

from nomaflow_site.lib.redact import Masker
from runs import logs
from runs.logs import LogWriter
from runs.models import LogLine, Run

MakeRun = Callable[..., Run]


def writer(run: Run) -> LogWriter:
    return LogWriter(run, Masker())


def texts() -> list[str]:
    return list(LogLine.objects.order_by("seq").values_list("text", flat=True))


def test_a_long_text_goes_on_in_further_lines_and_nothing_is_lost(make_run: MakeRun) -> None:
    text = "x" * (logs.LONGEST_TEXT * 2 + 5)
    log = writer(make_run())
    log.add("INFO", text)
    log.flush()
    assert "".join(texts()) == text


def test_a_nul_character_does_not_break_the_database(make_run: MakeRun) -> None:
    log = writer(make_run())
    log.add("INFO", "a\0b")
    log.flush()
    assert texts() == ["a\ufffdb"]


def test_an_overlong_log_keeps_beginning_and_end_and_says_what_is_missing(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_LINES", 10 + logs.TAIL_LINES)
    log = writer(make_run())
    for number in range(10 + logs.TAIL_LINES + 7):
        log.add("INFO", str(number))
    log.release_tail()
    log.flush()
    assert texts()[:10] == [str(n) for n in range(10)]
    assert "7 lines left out" in texts()[10]
    assert texts()[-1] == str(10 + logs.TAIL_LINES + 7 - 1)


def test_lines_that_could_not_be_written_wait_for_the_next_try(make_run: MakeRun) -> None:
    log = writer(make_run())
    log.add("INFO", "kept")
    log.write()
    LogLine.objects.all().delete()  # as if the transaction had been rolled back: nothing was said to be safe
    log.flush()
    assert texts() == ["kept"]
