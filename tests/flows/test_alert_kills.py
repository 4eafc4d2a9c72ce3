"""Kill who sends alerts, again and again: every alert arrives, and for each kill at most one message comes twice.

A process with nothing but the sender of every worker is started, killed at a line or after a while from a seeded plan, and
started again, until the plan is through; a real worker sends the rest. The receiver counts the messages by their delivery.
NOMAFLOW_ALERT_KILLS sets how often (the promise: 50).
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.flows.conftest import Define
from tests.flows.installation import ROOT, Installation
from tests.flows.test_alerts import alerting, hook
from tests.servers import wait_for
from tests.servers.endpoint import Endpoint

pytestmark = [pytest.mark.flow, pytest.mark.reliability]
KILLS = int(os.environ.get("NOMAFLOW_ALERT_KILLS", "8"))
SEED = int(os.environ.get("NOMAFLOW_SEED", "7"))
MOST_ON_SERVERS = 10
ALERTS_PER_KILL = 6
# Lines at which a sender dies: before and after it has settled, taken, sent, and written down what was answered.
LINES = (
    "routing.before_commit",
    "delivery.taken",
    "delivery.before_send",
    "delivery.after_send",
    "delivery.before_record",
    "delivery.recorded",
)
HAPPEN = """
from jobs.catalogue import switch_job
job = Job.objects.get(pk="switched")
for _ in range({count}):
    job = switch_job(job, not job.enabled, by="olga")
print(json.dumps(Alert.objects.count()))
"""
SENDER = """
import django, threading
django.setup()
from notifications.sender import Sender
Sender().start()
threading.Event().wait(60)
"""
STATES = "print(json.dumps([[str(d.uid), d.state, d.attempts] for d in Delivery.objects.all()]))"
OPEN = (
    "print(json.dumps(Alert.objects.filter(settled_at=None).count() + Delivery.objects.exclude(state='SENT').count()))"
)


def test_however_often_the_sender_is_killed_every_alert_arrives(
    either: Installation, define: Define, endpoint: Endpoint
) -> None:
    kills = min(KILLS, MOST_ON_SERVERS) if either.env["NOMAFLOW_DATABASE_URL"] else KILLS
    either.import_toml(hook(endpoint.url) + alerting(define, "switched", "noop", alerts="on_switch = true"))
    dice = random.Random(SEED)
    how: Counter[str] = Counter()
    for _ in range(kills):
        line = dice.choice([*LINES, "", ""])
        either.python(HAPPEN.format(count=ALERTS_PER_KILL))
        plan = {"FAULT_PLAN": f"{line}={dice.randint(1, 5)}"} if line else {}
        sender = start_sender(either, plan)
        if not line:
            before = len(endpoint.requests)
            wait_for(lambda before=before: len(endpoint.requests) > before, 30, "the sender to begin")  # type: ignore[misc]
            time.sleep(dice.uniform(0, 0.2))
            os.kill(sender.pid, signal.SIGKILL)
        assert sender.wait(60) == -signal.SIGKILL
        how[line or "any moment"] += 1
    either.start("worker", name="last")
    wait_for(lambda: either.python(OPEN) == 0, 60, "everything to be sent")
    check(endpoint, either, how)


def start_sender(installation: Installation, plan: dict[str, str]) -> "subprocess.Popen[bytes]":
    settings = {"DJANGO_SETTINGS_MODULE": "nomaflow_site.settings", **plan}
    return subprocess.Popen([sys.executable, "-c", SENDER], env={**installation.env, **settings}, cwd=ROOT)


def check(endpoint: Endpoint, installation: Installation, how: Counter[str]) -> None:
    """Compare what arrived with what happened: nothing lost, nothing doubled without a kill, and every double on record."""
    arrived = Counter(request.header("X-Nomaflow-Delivery") for request in endpoint.requests)
    rows = {uid: attempts for uid, _, attempts in installation.python(STATES)}
    doubles = {uid: count for uid, count in arrived.items() if count > 1}
    print(f"seed {SEED}: {dict(how)}, {len(rows)} alerts, {len(doubles)} arrived twice")
    assert set(rows) == set(arrived)
    assert len(rows) == how.total() * ALERTS_PER_KILL
    assert sum(count - 1 for count in doubles.values()) <= how.total()
    assert all(rows[uid] >= count for uid, count in arrived.items())
