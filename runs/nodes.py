"""The processes that execute runs or fire schedules, and whether they are alive."""

import datetime
import os
import secrets
import socket

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from runs.models import WorkerNode

# Schedules go by the host's clock, leases by the database's: they should agree to within this.
MOST_SKEW_SECONDS = 5
WORKER = "worker"
BEAT = "beat"


def new_node_id() -> str:
    """`host:pid:random`: a name that is never used again, also when the pid is."""
    return f"{socket.gethostname()[:80]}:{os.getpid()}:{secrets.token_hex(3)}"


def sign_in(node_id: str, role: str, slots: int = 0) -> None:
    """Enter this process into the list."""
    WorkerNode.objects.update_or_create(
        id=node_id,
        defaults={
            "role": role,
            "host": socket.gethostname()[:120],
            "pid": os.getpid(),
            "slots": slots,
            "started_at": Now(),
            "seen_at": Now(),
        },
    )


def sign_of_life(node_id: str, role: str, slots: int = 0) -> None:
    """Say that this process is alive, and how its clock differs from the database's."""
    if not WorkerNode.objects.filter(pk=node_id).update(seen_at=Now()):
        sign_in(node_id, role, slots)
        return
    skew = round(_skew(node_id))
    WorkerNode.objects.filter(pk=node_id).exclude(clock_skew=skew).update(clock_skew=skew)


def _skew(node_id: str) -> float:
    """This host's clock minus the database's, in seconds: what can't be the time that asking took."""
    before = timezone.now()
    there: datetime.datetime = WorkerNode.objects.annotate(there=Now()).values_list("there", flat=True).get(pk=node_id)
    after = timezone.now()
    # Clocks that agree show the database's time somewhere between our two readings, however long it took to answer.
    return max((before - there).total_seconds(), 0.0) + min((after - there).total_seconds(), 0.0)


def skewed_nodes() -> list[WorkerNode]:
    """The living processes whose host's clock is far from the database's."""
    lately = Now() - datetime.timedelta(seconds=settings.NOMAFLOW_HEARTBEAT_SECONDS * 3)
    alive = WorkerNode.objects.filter(seen_at__gte=lately)
    return [node for node in alive if abs(node.clock_skew) > MOST_SKEW_SECONDS]


def sign_out(node_id: str) -> None:
    """Take this process off the list: it stopped on purpose."""
    WorkerNode.objects.filter(pk=node_id).delete()


def anybody_alive(role: str = WORKER) -> bool:
    """Whether a process of this role was heard of lately."""
    lately = Now() - datetime.timedelta(seconds=settings.NOMAFLOW_HEARTBEAT_SECONDS * 3)
    return WorkerNode.objects.filter(role=role, seen_at__gte=lately).exists()
