"""The geometry of the charts: pure, values in and marks out. Templates draw the marks, CSS colours them by their class."""

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runs.recent import Recent, Usual, usual_of
from runs.states import RunState

HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Mark:
    """A rectangle in a chart's own units; `kind` is its class, a state in lower case or `absent`."""

    x: float
    y: float
    width: float
    height: float
    kind: str


# The strip: one bar for each of a job's newest runs

STRIP_WIDTH, STRIP_HEIGHT, STRIP_BARS = 200, 32, 20
STEP = STRIP_WIDTH / STRIP_BARS
LOWEST = 4.0


@dataclass(frozen=True)
class StripBar:
    """A run in the strip."""

    mark: Mark
    run: Recent


def strip(runs: Sequence[Recent]) -> list[StripBar]:
    """The runs from left to right, the newest at the right edge; as high as they were long, beside the longest of them."""
    shown = runs[-STRIP_BARS:]
    longest = max((run.seconds or 0.0 for run in shown), default=0.0) or 1.0
    first = STRIP_BARS - len(shown)
    return [StripBar(_strip_mark(first + place, run, longest), run) for place, run in enumerate(shown)]


def _strip_mark(place: int, run: Recent, longest: float) -> Mark:
    # A run that isn't over has no length yet: it stands at full height in its own colour.
    share = 1.0 if run.state == RunState.RUNNING else (run.seconds or 0.0) / longest
    height = round(max(share * STRIP_HEIGHT, LOWEST), 1)
    return Mark(round(place * STEP + 1, 1), round(STRIP_HEIGHT - height, 1), STEP - 2, height, run.state.lower())


# The hours: what ended in each of the last so many hours

HOURS_WIDTH, HOURS_HEIGHT, HOURS = 960, 96, 48
ENDS = (RunState.SUCCEEDED, RunState.CANCELED, RunState.FAILED)


@dataclass(frozen=True)
class HourBar:
    """One hour, from `start`: a stack of marks, and how many runs ended in which way."""

    start: datetime.datetime
    marks: tuple[Mark, ...]
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """How many ended."""
        return sum(self.counts.values())


def hour_bars(counts: Mapping[tuple[datetime.datetime, str], int], now: datetime.datetime) -> list[HourBar]:
    """`counts` by (hour, state). Heights grow with the square root, so that one failure among a thousand is seen."""
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - HOUR * (HOURS - 1 - place) for place in range(HOURS)]
    by_hour: list[dict[str, int]] = [
        {str(state): counts.get((hour, str(state)), 0) for state in ENDS} for hour in hours
    ]
    highest = max((_height(of) for of in by_hour), default=0.0) or 1.0
    return [
        HourBar(hour, _stack(place, of, highest), of)
        for place, (hour, of) in enumerate(zip(hours, by_hour, strict=True))
    ]


def _height(counts: Mapping[str, int]) -> float:
    return sum(math.sqrt(count) for count in counts.values())


def _stack(place: int, counts: Mapping[str, int], highest: float) -> tuple[Mark, ...]:
    step = HOURS_WIDTH / HOURS
    marks, y = [], float(HOURS_HEIGHT)
    for state, count in counts.items():
        height = math.sqrt(count) / highest * HOURS_HEIGHT
        y -= height
        if count:
            marks.append(Mark(round(place * step + 2, 1), round(y, 1), step - 4, round(height, 1), state.lower()))
    return tuple(marks)


# The dots: how long each run of a job took

DOTS_WIDTH, DOTS_HEIGHT = 720, 160


@dataclass(frozen=True)
class Dot:
    """A run in the plot of durations."""

    x: float
    y: float
    run: Recent


@dataclass(frozen=True)
class Dots:
    """The plot: dots, the scale's lines as (y, seconds), and where the median and the 95th percentile are."""

    dots: tuple[Dot, ...]
    scale: tuple[tuple[float, float], ...]
    usual: Usual
    p50_y: float
    p95_y: float


def dot_plot(runs: Sequence[Recent]) -> Dots | None:
    """The ended runs from left to right, oldest first; None without any."""
    ended = [run for run in runs if run.seconds is not None]
    usual = usual_of(ended)
    if usual is None:
        return None
    top = round_up(max(run.seconds or 0.0 for run in ended))
    width = DOTS_WIDTH / len(ended)

    def height(seconds: float) -> float:
        return round(DOTS_HEIGHT * (1 - seconds / top), 1)

    dots = tuple(
        Dot(round((place + 0.5) * width, 1), height(run.seconds or 0.0), run) for place, run in enumerate(ended)
    )
    scale = tuple((height(top * part), top * part) for part in (0.0, 0.5, 1.0))
    return Dots(dots, scale, usual, height(usual.p50), height(usual.p95))


NICE_SECONDS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800, 43200, 86400)


def round_up(seconds: float) -> float:
    """The end of a scale that reads well: 7 s -> 10 s, 400 s -> 10 min."""
    if seconds > NICE_SECONDS[-1]:
        return math.ceil(seconds / NICE_SECONDS[-1]) * float(NICE_SECONDS[-1])
    least = next((nice for nice in NICE_SECONDS if nice >= seconds), NICE_SECONDS[-1])
    if seconds > 0.5 or seconds <= 0:
        return float(least)
    # Below a second: the next power of ten, in milliseconds.
    return float(10 ** math.ceil(math.log10(seconds)))


# The timeline of one run

GANTT_WIDTH, ROW_HEIGHT = 720, 26


@dataclass(frozen=True)
class Span:
    """Something that took time: `kind` is a state in lower case, or `wait`. An open end is None."""

    label: str
    kind: str
    start: datetime.datetime
    end: datetime.datetime | None
    title: str


@dataclass(frozen=True)
class Row:
    """A line of the timeline: one attempt of a step, with the wait before it. `step` is empty for the run's own wait."""

    step: str
    label: str
    y: float
    marks: tuple[tuple[Mark, str], ...]


@dataclass(frozen=True)
class Timeline:
    """The drawn run: rows, ticks as (x, seconds since the start), the now-line while it goes on."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, float], ...]
    height: float
    now_x: float | None


def timeline(rows: Sequence[tuple[str, str, Sequence[Span]]], now: datetime.datetime, over: bool) -> Timeline | None:
    """Rows of (step, label, spans), laid out from the earliest start to the latest end; None where nothing has begun."""
    spans = [span for _, _, of in rows for span in of]
    if not spans:
        return None
    first = min(span.start for span in spans)
    last = max(span.end or now for span in spans)
    length = max((last - first).total_seconds(), 0.001)

    def x(at: datetime.datetime) -> float:
        return round(min(max((at - first).total_seconds() / length, 0.0), 1.0) * GANTT_WIDTH, 1)

    drawn = tuple(
        Row(step, label, place * ROW_HEIGHT, tuple((_bar(span, x, now, place), span.title) for span in of))
        for place, (step, label, of) in enumerate(rows)
    )
    return Timeline(drawn, _ticks(length), len(drawn) * ROW_HEIGHT, None if over else x(now))


def _bar(span: Span, x: Callable[[datetime.datetime], float], now: datetime.datetime, place: int) -> Mark:
    left, right = x(span.start), x(span.end or now)
    return Mark(left, place * ROW_HEIGHT + 4, max(round(right - left, 1), 3.0), ROW_HEIGHT - 8, span.kind)


def _ticks(length: float) -> tuple[tuple[float, float], ...]:
    step = next((nice for nice in NICE_SECONDS if length / nice <= 6), round_up(length / 6))
    if length < 1:
        step = 0.1 if length > 0.3 else 0.05
    count = min(int(length / step), 8)
    return tuple((round(place * step / length * GANTT_WIDTH, 1), place * step) for place in range(count + 1))
