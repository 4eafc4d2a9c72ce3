"""A job's definition in sentences, and its steps in a line each. Pure but for the job's own rows."""

from collections.abc import Iterator, Mapping
from typing import Any

from jobs.models import Backoff, Job, LogLevel, Overlap, Step
from jobs.steps import step_types
from nomaflow_site.lib.sealing import mask

OVERLAPS = {
    Overlap.SKIP: "While a run is in flight a second one is refused.",
    Overlap.QUEUE: "While a run is in flight a second one waits its turn.",
    Overlap.REPLACE: "A second run cancels the one in flight and takes its place.",
    Overlap.ALLOW: "Runs may overlap.",
}
LONGEST = 90


def sentences(job: Job) -> list[str]:
    """What holds for every run of the job."""
    return [
        _attempts(job.retry_attempts, job.retry_backoff, job.retry_base_seconds),
        f"A run is stopped after {duration(job.timeout_seconds)}.",
        OVERLAPS[Overlap(job.overlap)],
        *(["Its log has every query in full (DEBUG)."] if job.log_level == LogLevel.DEBUG else []),
    ]


def _attempts(attempts: int, backoff: str, base: int) -> str:
    if attempts == 1:
        return "A step that fails is not tried again."
    wait = f"{duration(base)}, doubling each time" if backoff == Backoff.EXPONENTIAL else duration(base)
    return f"A step that fails is tried up to {attempts} times, waiting {wait}."


def step_line(step: Step) -> str:
    """The step's type and the most telling of its fields: `SQL query: reporting, REFRESH MATERIALIZED VIEW orders`."""
    kind = step_types().get(step.type)
    label = kind.label if kind else f"unknown type {step.type}"
    text = ", ".join(_leaves(mask(step.config)))
    return f"{label}: {_cut(text)}" if text else label


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, str) and value:
        yield " ".join(value.split())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def duration(seconds: int) -> str:
    """`90 s`, `4 h`, `2 min`: in the largest unit that needs no remainder."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds:,} s"


def seconds_in_words(seconds: float) -> str:
    """`850 ms`, `12.3 s`, `4 min 05 s`, `3 h 07 min`."""
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 24 else f"{hours // 24} d {hours % 24:02} h"
