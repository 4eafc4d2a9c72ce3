"""Schedules while the broker is away, the database is slow, or somebody has locked a table."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.flows.conftest import PLUGIN, Define
from tests.flows.installation import Installation
from tests.flows.test_beats import check, count
from tests.servers import wait_for
from tests.servers.link import Link

pytestmark = [pytest.mark.flow, pytest.mark.reliability]
EVERY_SECOND = 'schedule = "* * * * * *"\noverlap = "allow"'
LATENESS = """
fires = Fire.objects.exclude(job="_internal-prune-runs")
print(json.dumps([(f.noticed_at - f.scheduled_at).total_seconds() for f in fires if f.pk > {after}]))
"""
NEWEST = "print(Fire.objects.order_by('-pk').values_list('pk', flat=True)[0])"
STATES = "print(json.dumps(sorted(set(Run.objects.filter(fires__pk__lte={upto}).values_list('state', flat=True)))))"


class World:
    """An installation on PostgreSQL and Redis, each behind a link."""

    def __init__(self, installation: Installation, database: Link, broker: Link) -> None:
        self.installation, self.database, self.broker = installation, database, broker


@pytest.fixture
def world(postgresql: Any, redis_server: Any, make_link: Callable[[int], Link], tmp_path: Path) -> Iterator[World]:
    url = urlsplit(postgresql.create_database())
    database, broker = make_link(url.port or 5432), make_link(redis_server.port)
    urls = (
        url._replace(netloc=f"{url.username}@127.0.0.1:{database.port}").geturl(),
        f"redis://127.0.0.1:{broker.port}/1",
    )
    with Installation(tmp_path / "home", *urls, fast=True) as installation:
        installation.plugin("p", PLUGIN)
        yield World(installation, database, broker)


def test_fires_are_recorded_on_time_while_the_broker_is_away_and_run_when_it_is_back(
    world: World, define: Define
) -> None:
    here = world.installation
    here.import_toml(define("tick", "noop", head=EVERY_SECOND))
    here.start_worker()
    here.start("beat")
    wait_for(lambda: count(here) >= 2, 40, "the first fires")
    world.broker.cut()
    cut_at, before = int(here.python(NEWEST)), count(here)
    wait_for(lambda: count(here) >= before + 6, 40, "six fires without a broker")
    last = int(here.python(NEWEST))
    assert max(here.python(LATENESS.format(after=cut_at))) < 5
    world.broker.mend()
    wait_for(lambda: here.python(STATES.format(upto=last)) == ["SUCCEEDED"], 40, "the runs of that time to run")


def test_a_broker_that_swallows_everything_does_not_hold_up_the_schedules(world: World, define: Define) -> None:
    here = world.installation
    here.import_toml(define("tick", "noop", head=EVERY_SECOND))
    here.start("beat")
    wait_for(lambda: count(here) >= 2, 40, "the first fires")
    world.broker.hole = True
    before, newest = count(here), int(here.python(NEWEST))
    wait_for(lambda: count(here) >= before + 6, 30, "six fires")
    assert max(here.python(LATENESS.format(after=newest))) < 5


def test_after_a_locked_table_every_moment_is_there(world: World, postgresql: Any, define: Define) -> None:
    here = world.installation
    here.import_toml(define("tick", "noop", head=EVERY_SECOND))
    here.start("beat")
    wait_for(lambda: count(here) >= 2, 40, "the first fires")
    before = count(here)
    database = urlsplit(here.env["NOMAFLOW_DATABASE_URL"]).path
    with postgresql.connect(urlsplit(postgresql.url)._replace(path=database).geturl()) as other:
        other.autocommit = False
        other.execute("LOCK TABLE runs_fire IN ACCESS EXCLUSIVE MODE")
        wait_for(lambda: "can't be recorded yet" in here.output("beat"), 20, "beat to give up waiting")
        other.rollback()
    wait_for(lambda: count(here) >= before + 8, 20, "beat to catch up")
    assert check(here)["faults"] == []


def test_a_slow_database_delays_two_hundred_schedules_but_loses_none_and_no_worker_is_called_lost(
    world: World, define: Define
) -> None:
    here = world.installation
    jobs = [define(f"tick-{n}", "noop", head=f'schedule = "* * * * * {n % 60}"\noverlap = "allow"') for n in range(200)]
    here.import_toml("".join(jobs) + define("long", "sleep", head="params = { seconds = 8 }"))
    here.start_worker()
    here.start("beat")
    wait_for(lambda: count(here) >= 5, 60, "the first fires")
    newest, before = int(here.python(NEWEST)), count(here)
    world.database.delay = 0.15
    run = here.trigger("long")
    wait_for(lambda: count(here) >= before + 55, 60, "more fires through the slow link")
    late = here.python(LATENESS.format(after=newest))
    world.database.delay = 0
    assert max(late) < 20
    assert here.run_when_over(run)["state"] == "SUCCEEDED"
