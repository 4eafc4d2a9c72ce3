"""Which jobs run at the same time, found in one sweep over all of them. Pure: intervals in, overlaps out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import NamedTuple


class Interval(NamedTuple):
    """A run as it's expected to be: seconds since 1970."""

    start: float
    end: float
    job_id: str


@dataclass(frozen=True)
class Overlap:
    """A time in which two or more jobs run at once. `jobs`: all that run then; `connector`: what they have in common, or ''."""

    start: float
    end: float
    jobs: frozenset[str]
    connector: str = ""


class _Edge(NamedTuple):
    """Where an interval begins or ends. Ends sort before beginnings: what ends when another begins doesn't overlap it."""

    at: float
    begins: bool
    job_id: str


def collisions(intervals: Sequence[Interval], connectors: Mapping[str, Iterable[str]]) -> list[Overlap]:
    """The overlaps of jobs that use the same connector, and after them those of any jobs that aren't among them."""
    edges = sorted(_edges(_without_own(intervals)))
    by_connector: dict[str, list[_Edge]] = {}
    for edge in edges:
        for name in connectors.get(edge.job_id, ()):
            by_connector.setdefault(name, []).append(edge)
    shared = [found for name in sorted(by_connector) for found in _overlaps(by_connector[name], name)]
    told = {(found.start, found.jobs) for found in shared}
    return shared + [found for found in _overlaps(edges) if (found.start, found.jobs) not in told]


def _overlaps(edges: Iterable[_Edge], connector: str = "") -> Iterator[Overlap]:
    """The times in which at least two jobs run, in order."""
    running: set[str] = set()
    met: set[str] = set()
    since = 0.0
    for at, begins, job_id in edges:
        if begins:
            running.add(job_id)
            if len(running) == 2:
                since, met = at, set(running)
            elif len(running) > 2:
                met.add(job_id)
            continue
        running.remove(job_id)
        if len(running) == 1:
            yield Overlap(since, at, frozenset(met), connector)


def _edges(intervals: Iterable[Interval]) -> Iterator[_Edge]:
    for start, end, job_id in intervals:
        yield _Edge(start, True, job_id)
        yield _Edge(end, False, job_id)


def _without_own(intervals: Sequence[Interval]) -> Iterator[Interval]:
    """Each job's intervals cut where its next one begins: a job that overlaps itself collides with nobody."""
    ends: dict[str, float] = {}
    for start, end, job_id in sorted(intervals, key=attrgetter("start"), reverse=True):
        end = min(end, ends.get(job_id, end))
        ends[job_id] = start
        if start < end:
            yield Interval(start, end, job_id)
