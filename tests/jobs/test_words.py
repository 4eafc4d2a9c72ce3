"""A job in sentences, its steps in a line each, and when it fires next."""

import datetime
from typing import Any

import pytest

from jobs.freezing import freezes_between
from jobs.models import Freeze, Job, Preset, Step
from jobs.nextfire import next_fires
from jobs.words import duration, sentences, step_line

NOW = datetime.datetime(2026, 11, 25, 12, 0, tzinfo=datetime.UTC)


def test_sentences_say_what_holds_for_every_run() -> None:
    job = Job(
        id="a",
        retry_attempts=3,
        retry_backoff="exponential",
        retry_base_seconds=60,
        timeout_seconds=14400,
        overlap="queue",
    )
    assert sentences(job) == [
        "A step that fails is tried up to 3 times, waiting 1 min, doubling each time.",
        "A run is stopped after 4 h.",
        "While a run is in flight a second one waits its turn.",
    ]


def test_a_step_is_a_line_without_its_secrets() -> None:
    config = {"connector": "reporting", "query": "REFRESH\n  MATERIALIZED VIEW orders", "password": "s3cr3t-canary"}
    line = step_line(Step(name="a", type="sql_query", config=config))
    assert line == "SQL query: reporting, REFRESH MATERIALIZED VIEW orders, ********"
    assert step_line(Step(name="a", type="gone")) == "unknown type gone"
    assert len(step_line(Step(name="a", type="sql_query", config={"query": "x" * 500}))) < 120


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (90, "90 s"), (120, "2 min"), (7200, "2 h"), (86400, "1 d"), (12345, "12,345 s")]
)
def test_a_duration_is_said_in_the_largest_whole_unit(seconds: int, words: str) -> None:
    assert duration(seconds) == words


def prefetched(*names: str) -> list[Job]:
    return list(Job.objects.filter(pk__in=names).prefetch_related("presets"))


@pytest.mark.django_db
def test_the_earliest_of_a_job_and_its_presets_is_next(django_assert_max_num_queries: Any) -> None:
    for number in range(20):
        Job.objects.create(id=f"job-{number}", schedule="0 6 * * *")
    Preset.objects.create(job_id="job-0", name="early", schedule="0 5 * * *")
    Job.objects.create(id="off", schedule="0 6 * * *", enabled=False)
    Job.objects.create(id="odd", schedule="not a schedule")
    jobs = prefetched(*(f"job-{number}" for number in range(20)), "off", "odd")
    with django_assert_max_num_queries(2):
        found = next_fires(jobs, NOW)
    assert len(found) == 20
    assert (found["job-0"].preset, found["job-0"].scheduled_at.hour) == ("early", 5)
    assert found["job-1"].scheduled_at == datetime.datetime(2026, 11, 26, 6, tzinfo=datetime.UTC)


@pytest.mark.django_db
def test_a_freeze_that_holds_it_is_said() -> None:
    Job.objects.create(id="a", schedule="0 6 * * *")
    day = datetime.timedelta(days=1)
    Freeze.objects.create(scope="all", reason="year end", starts_at=NOW, ends_at=NOW + day, owner="olga")
    assert freezes_between(NOW, NOW + day)
    assert "frozen by olga" in next_fires(prefetched("a"), NOW)["a"].frozen
    assert not next_fires(prefetched("a"), NOW + 2 * day)["a"].frozen
