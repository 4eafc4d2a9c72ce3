"""The collisions of a week in lines for people: one for what happens on several days, jobs on the same connector first. Pure."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from jobs.words import seconds_in_words
from runs.collisions import Interval, Overlap, collisions
from runs.week import DAY, Day, clock, days_in_words, place_of
from runs.weekfires import Entry

LINES, NAMED, TIMES = 12, 6, 2
# So many runs of frequent schedules are looked at one by one, those of the least frequent ones first.
SPREAD = 1500


@dataclass(frozen=True)
class Clash:
    """Jobs that run at once. `when`: `Mon–Fri 02:00–02:40`; `seconds`: for how long at most; `more` jobs besides `jobs`.

    `connector`: the one that all of them use, or several with commas between.
    """

    when: str
    jobs: tuple[str, ...]
    more: int
    connector: str
    seconds: float

    @property
    def lasts(self) -> str:
        """For how long."""
        return seconds_in_words(self.seconds)


@dataclass(frozen=True)
class Clashes:
    """The first lines and how many more there are; by number of entry the connector that it collides on, or ''.

    `left_out`: how many frequent schedules weren't looked at.
    """

    lines: list[Clash]
    more: int
    marks: Mapping[int, str]
    left_out: int


def clashes_of(
    entries: Sequence[Entry],
    seconds: Sequence[float | None],
    connectors: Mapping[str, Iterable[str]],
    days: Sequence[Day],
) -> Clashes:
    """Who collides with whom, by how long each entry's run takes; of a week that has passed by what was measured in it."""
    ahead = any(entry.ahead for entry in entries)
    counted = [
        number
        for number, entry in enumerate(entries)
        if seconds[number] and (entry.ahead if ahead else entry.began is not None)
    ]
    spread, left_out = _spread(entries, counted)
    intervals: list[Interval] = []
    owners: list[int] = []
    for number in spread:
        length = seconds[number] or 0
        for start in _starts(entries[number]):
            intervals.append(Interval(start, start + length, entries[number].job_id))
            owners.append(number)
    found = collisions(intervals, connectors)
    same = _same(found)
    lines = [_line(connector, sorted(jobs), own, days) for (connector, jobs), own in same[:LINES]]
    return Clashes(lines, len(same[LINES:]), _marks(found, intervals, owners), left_out)


def _spread(entries: Sequence[Entry], counted: Iterable[int]) -> tuple[list[int], int]:
    """The entries to look at, and how many frequent schedules are too much."""
    chosen, left_out, total = [], set(), 0
    for number in sorted(counted, key=lambda number: (entries[number].count, entries[number].job_id)):
        entry = entries[number]
        total += entry.count if entry.count > 1 else 0
        if total > SPREAD:
            left_out.add(entry.key)
        else:
            chosen.append(number)
    return chosen, len(left_out)


def _starts(entry: Entry) -> Iterator[float]:
    """When the entry's runs begin; those of a frequent schedule are taken to come at equal distances."""
    start = (entry.began or entry.at).timestamp()
    step = (entry.until.timestamp() - start) / (entry.count - 1) if entry.until and entry.count > 1 else 0
    return (start + step * number for number in range(entry.count))


def _same(found: Iterable[Overlap]) -> list[tuple[tuple[str, frozenset[str]], list[Overlap]]]:
    """The overlaps by connector and jobs; what takes most of the week comes first, each kind for itself."""
    shared: dict[tuple[float, float, frozenset[str]], list[Overlap]] = {}
    for overlap in found:
        shared.setdefault((overlap.start, overlap.end, overlap.jobs), []).append(overlap)
    same: dict[tuple[str, frozenset[str]], list[Overlap]] = {}
    for (*_, jobs), own in shared.items():
        same.setdefault((", ".join(overlap.connector for overlap in own), jobs), []).append(own[0])
    return sorted(same.items(), key=lambda item: (not item[0][0], -sum(own.end - own.start for own in item[1])))


def _line(connector: str, jobs: Sequence[str], own: Sequence[Overlap], days: Sequence[Day]) -> Clash:
    lasts = max(overlap.end - overlap.start for overlap in own)
    return Clash(_when(own, days), tuple(jobs[:NAMED]), max(len(jobs) - NAMED, 0), connector, lasts)


def _when(own: Sequence[Overlap], days: Sequence[Day]) -> str:
    times: dict[str, list[int]] = {}
    for overlap in own:
        place = place_of(days, overlap.start)
        times.setdefault(_time(overlap, days), []).append(0 if place is None else place)
    if len(times) <= TIMES:
        return "; ".join(f"{days_in_words(places, days)} {time}" for time, places in times.items())
    places = sorted({place for found in times.values() for place in found})
    return f"{days_in_words(places, days)}, {len(own)} times"


def _time(overlap: Overlap, days: Sequence[Day]) -> str:
    """By the minute: a longer text would say no more."""
    return f"{_clock(overlap.start, days)}–{_clock(overlap.end, days)}"


def _clock(at: float, days: Sequence[Day]) -> str:
    place = place_of(days, at)
    # What ends after the week does so on a day like its last one.
    reading = days[place].reading(at) if place is not None else (at - days[-1].end) % DAY
    return clock(reading // 60 * 60)


def _marks(found: Iterable[Overlap], intervals: Sequence[Interval], owners: Sequence[int]) -> dict[int, str]:
    by_job: dict[str, list[tuple[float, float, int]]] = {}
    for (start, end, job_id), owner in zip(intervals, owners, strict=True):
        by_job.setdefault(job_id, []).append((start, end, owner))
    for own in by_job.values():
        own.sort()
    marks: dict[int, str] = {}
    # Those of a shared connector come first, and what an entry collides on stays.
    for overlap in found:
        for job_id in overlap.jobs:
            own = by_job[job_id]
            place = bisect_left(own, (overlap.end,)) - 1
            while place >= 0 and own[place][1] > overlap.start:
                marks.setdefault(own[place][2], overlap.connector)
                place -= 1
    return marks
