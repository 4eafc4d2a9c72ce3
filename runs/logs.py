"""Writing a run's log: one writer per run, numbered lines, in batches."""

import datetime
import time
from collections import deque

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from nomaflow_site.lib.redact import Masker
from runs.models import LogLine, Run

# Written when so many lines wait or the oldest has waited so long: live to the eye, cheap for the database.
BATCH_LINES = 500
BATCH_SECONDS = 0.1
# One row's text, in characters; a longer one goes on in the next row, so nothing is lost.
LONGEST_TEXT = 16_000
# Beyond these a run's log keeps its beginning and its end, and one line says how much was left out.
MOST_LINES = 1_000_000
MOST_BYTES = 200 * 1024 * 1024
TAIL_LINES = 2_000
NUMBER_TRIES = 20


class LogWriter:
    """The only writer of one run's log while the run is held. Lines are masked, numbered from the last one written."""

    def __init__(self, run: Run, masker: Masker) -> None:
        self._run = run
        self._masker = masker
        # A run that was never held before can't have lines: no need to ask.
        self._seq = 0 if run.claims == 1 else _last_seq(run)
        self._bytes = 0
        self._waiting: list[LogLine] = []
        self._first_waiting_at = 0.0
        self._tail: deque[LogLine] = deque(maxlen=TAIL_LINES)
        self._left_out = 0

    def add(
        self, level: str, text: str, *, step: str = "", attempt: int = 0, at: datetime.datetime | None = None
    ) -> None:
        """Take one line in; it's written with the next `flush`. NUL characters, which databases refuse, become U+FFFD."""
        text = self._masker.text(text).replace("\0", "\ufffd")
        for start in range(0, len(text) or 1, LONGEST_TEXT):
            piece = text[start : start + LONGEST_TEXT]
            line = LogLine(run=self._run, level=level, text=piece, step=step, attempt=attempt, at=at or timezone.now())
            self._take(line)

    def _take(self, line: LogLine) -> None:
        self._bytes += len(line.text)
        if self._seq >= MOST_LINES - TAIL_LINES or self._bytes > MOST_BYTES:
            self._left_out += len(self._tail) == TAIL_LINES
            self._tail.append(line)
            return
        self._number(line)

    def _number(self, line: LogLine) -> None:
        if not self._waiting:
            self._first_waiting_at = time.monotonic()
        self._seq += 1
        line.seq = self._seq
        self._waiting.append(line)

    @property
    def is_due(self) -> bool:
        """Whether the lines that wait should be written now."""
        if not self._waiting:
            return False
        return len(self._waiting) >= BATCH_LINES or time.monotonic() - self._first_waiting_at >= BATCH_SECONDS

    @property
    def is_full(self) -> bool:
        """Whether a whole batch waits."""
        return len(self._waiting) >= BATCH_LINES

    def flush(self) -> None:
        """Write what waits."""
        self.forget(self.write())

    def write(self) -> int:
        """Insert what waits, inside the caller's transaction; how many lines. `forget` them once it's committed."""
        LogLine.objects.bulk_create(self._waiting, batch_size=BATCH_LINES)
        return len(self._waiting)

    def forget(self, written: int) -> None:
        """The first `written` lines are safe."""
        del self._waiting[:written]
        self._first_waiting_at = time.monotonic()

    def release_tail(self) -> None:
        """Queue the kept end of an overlong log for writing: the run is about to end or wait."""
        if self._tail:
            if self._left_out:
                self._number(
                    _marker(self._run, f"... {self._left_out:,} lines left out: the log's limit was reached ...")
                )
            for line in self._tail:
                self._number(line)
            self._tail.clear()
            self._left_out = 0


def _last_seq(run: Run) -> int:
    return LogLine.objects.filter(run=run).aggregate(last=Max("seq"))["last"] or 0


def _marker(run: Run, text: str) -> LogLine:
    return LogLine(run=run, level="WARNING", text=text, at=timezone.now())


def add_line(run: Run, level: str, text: str) -> None:
    """One line from somebody who doesn't hold the run: a cancel of a waiting run, the reaper. The run isn't held by anybody."""
    for _ in range(NUMBER_TRIES):
        try:
            with transaction.atomic():
                LogLine.objects.create(run=run, seq=_last_seq(run) + 1, level=level, text=text, at=timezone.now())
                return
        except IntegrityError:
            continue  # two such lines in the same moment: the other one has the number
