"""Schedules fire through the same door, once per moment however many beats run."""

import itertools
import os
import signal
from collections import Counter

import pytest

from tests.flows.conftest import Define
from tests.flows.installation import Installation
from tests.servers import wait_for

pytestmark = pytest.mark.flow
EVERY_SECOND = 'schedule = "* * * * * *"\ntimezone = "Europe/Paris"\noverlap = "allow"'
MOMENTS = "print(json.dumps([str(m) for m in Run.objects.filter(triggered_by='cron').values_list('scheduled_at', flat=True)]))"


def test_two_beats_fire_every_moment_once(either: Installation, define: Define) -> None:
    either.import_toml(define("tick", "noop", head=EVERY_SECOND))
    either.start_worker()
    either.start("beat", name="beat-one")
    either.start("beat", name="beat-two")
    moments = list(wait_for(lambda: len(found := either.python(MOMENTS)) >= 6 and found, 40, "six fires"))  # type: ignore[call-overload]
    assert max(Counter(moments).values()) == 1
    done = "print(json.dumps(Run.objects.filter(triggered_by='cron', state='SUCCEEDED').count()))"
    wait_for(lambda: either.python(done) >= 6, 20, "six runs to succeed")


def test_a_dead_beat_is_replaced_by_the_other_without_a_gap(installation: Installation, define: Define) -> None:
    installation.import_toml(define("tick", "noop", head=EVERY_SECOND))
    one = installation.start("beat", name="beat-one")
    installation.start("beat", name="beat-two")
    wait_for(lambda: len(installation.python(MOMENTS)) >= 3, 40, "three fires")
    os.kill(one.pid, signal.SIGKILL)
    before = len(installation.python(MOMENTS))
    wait_for(lambda: len(installation.python(MOMENTS)) >= before + 4, 20, "four more fires")
    moments = sorted(installation.python(MOMENTS))
    seconds = [int(moment[17:19]) for moment in moments]
    assert all((later - earlier) % 60 == 1 for earlier, later in itertools.pairwise(seconds)), moments


def test_a_saved_schedule_is_live_within_five_seconds_without_a_restart(
    installation: Installation, define: Define
) -> None:
    installation.import_toml(define("tick", "noop"))
    installation.start("beat")
    known = "print(json.dumps(WorkerNode.objects.filter(role='beat').count()))"
    wait_for(lambda: installation.python(known), 30, "beat to sign in")
    installation.import_toml(define("tick", "noop", head=EVERY_SECOND))
    wait_for(lambda: installation.python(MOMENTS), 5, "the new schedule to fire")


def test_a_disabled_job_ignores_its_schedule_but_can_be_run_by_hand(installation: Installation, define: Define) -> None:
    installation.import_toml(
        define("off", "noop", head="enabled = false\n" + EVERY_SECOND) + define("on", "noop", head=EVERY_SECOND)
    )
    installation.start_worker()
    installation.start("beat")
    by_hand = installation.run_when_over(installation.trigger("off"))
    fired = "print(json.dumps(list(Fire.objects.values_list('job_id', flat=True))))"
    wait_for(lambda: installation.python(fired).count("on") >= 3, 30, "the other job to fire")
    assert by_hand["state"] == "SUCCEEDED"
    assert "off" not in installation.python(fired)
