"""A week with a clock change in it, an outage and a restart, on a fast clock: every moment that an independent cron library
names ends as exactly one row, and nothing else does."""

import datetime
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from runs import beat, schedules
from runs.models import Fire, Run
from runs.states import Outcome
from tests.runs.conftest import MakeJob

CRONS = [
    *(
        "30 2 * * *",
        "0 2 * * *",
        "0 3 * * *",
        "30 1 * * *",
        "15 0 * * SUN",
        "45 1,2 * * *",
        "0 0 1 * *",
        "0 12 * * MON-FRI",
    ),
    *("*/45 * * * *", "0 */3 * * *", "30 */6 * * *", "0 0 */2 * 1", "5 4 25-31 * 0"),
]
WEEKS = [
    ("Europe/Paris", "2026-03-26T06:00:00+00:00"),
    ("Europe/Paris", "2026-10-22T06:00:00+00:00"),
    ("America/New_York", "2026-10-29T06:00:00+00:00"),
    ("America/St_Johns", "2026-03-05T06:00:00+00:00"),
]
WEEK, OUTAGE = timedelta(days=7), timedelta(hours=5)


def oracle(expression: str, zone: str, start: datetime.datetime, end: datetime.datetime) -> list[datetime.datetime]:
    fires, found = CronSim(expression, start.astimezone(ZoneInfo(zone))), []
    while (at := next(fires).astimezone(UTC)) <= end:
        found.append(at)
    return found


def live(start: datetime.datetime, end: datetime.datetime) -> None:
    """What beat does between two moments; the clock jumps from one turn to the next, as time passes for a sleeping process."""
    rounds, now = beat.Rounds(), start
    while now < end:
        pause = rounds.turn(now)
        now += timedelta(seconds=min(max(pause, 0.004), 3600))
    rounds.turn(end)


@pytest.mark.parametrize(("zone", "begins"), WEEKS)
def test_a_week_with_a_clock_change_and_an_outage_leaves_one_row_for_every_moment(
    make_job: MakeJob, monkeypatch: Any, zone: str, begins: str
) -> None:
    start = datetime.datetime.fromisoformat(begins)
    end = start + WEEK
    # Saturday night to Sunday morning: the clock changes while no scheduler runs, or just before or after it.
    down = start + timedelta(days=2, hours=21)
    monkeypatch.setattr(schedules.timezone, "now", lambda: start)
    for number, expression in enumerate(CRONS):
        make_job(f"job-{number}", schedule=expression, timezone=zone, overlap="allow")
    live(start, down)
    live(down + OUTAGE, end)
    rows = list(Fire.objects.values_list("job_id", "scheduled_at"))
    expected = {(f"job-{n}", at) for n, cron in enumerate(CRONS) for at in oracle(cron, zone, start, end)}
    assert len(rows) == len(set(rows))
    assert set(rows) == expected
    missed = set(Fire.objects.filter(outcome=Outcome.MISSED).values_list("job_id", "scheduled_at"))
    grace = timedelta(seconds=60)
    assert missed == {(job, at) for job, at in expected if down < at < down + OUTAGE - grace}
    assert set(Run.objects.values_list("job_id", "scheduled_at")) == expected - missed
