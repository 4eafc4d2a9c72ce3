"""What a week of 1,000 schedules costs: folded by `Cron.stretches`, and the same fires listed by cronsim in the same run.

Absolute figures drift with the machine; the ratio is what to compare. Needs the test packages: `make .venv/test.stamp`.
"""

import argparse
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cronsim import CronSim

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from jobs.cron import Cron

ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago"]
# An hour and a minute are put in; of a thousand schedules so many are of this kind.
KINDS = {
    "{m} {h} * * *": 400,
    "{m} * * * *": 200,
    "*/5 * * * *": 120,
    "*/15 8-17 * * 1-5": 100,
    "{m} {h} * * MON": 80,
    "{m} {h} 1 * *": 58,
    "{m} {h} L * *": 40,
    "* * * * * *": 2,
}
# A week in which the clock is put back in Paris.
START = datetime(2026, 10, 22, 6, tzinfo=UTC)
END = START + timedelta(days=7)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="other minutes, hours and zones (default 1)")
    schedules = mixed(random.Random(parser.parse_args().seed))
    began = time.perf_counter()
    stretches = [stretch for schedule in schedules for stretch in Cron(*schedule).stretches(START, END)]
    ours = time.perf_counter() - began
    began = time.perf_counter()
    listed = sum(count_by_cronsim(*schedule) for schedule in schedules)
    theirs = time.perf_counter() - began
    fires = sum(stretch.count for stretch in stretches)
    print(
        f"{len(schedules)} schedules, seven days, {fires} fires in {len(stretches)} stretches; cronsim finds {listed}"
    )
    print(f"stretches {ours:8.3f} s\ncronsim   {theirs:8.3f} s\nratio     {theirs / ours:8.0f}")


def mixed(dice: random.Random) -> list[tuple[str, str]]:
    """A thousand expressions with their zones, in no order."""
    kinds = [kind for kind, number in KINDS.items() for _ in range(number)]
    dice.shuffle(kinds)
    return [(kind.format(m=dice.randrange(60), h=dice.randrange(24)), dice.choice(ZONES)) for kind in kinds]


def count_by_cronsim(expression: str, zone: str) -> int:
    """As many fires as there are after START up to END. cronsim wants the seconds first."""
    parts = expression.split()
    fires = CronSim(" ".join([*parts[5:], *parts[:5]]), START.astimezone(ZoneInfo(zone)))
    count = 0
    while next(fires) <= END:
        count += 1
    return count


if __name__ == "__main__":
    main()
