"""Alerts of real processes to real receivers: a worker that fails, dies, is busy; a beat that was away; a broker that is."""

import os
import signal
from pathlib import Path

import pytest

from tests.flows.conftest import PLUGIN, Define
from tests.flows.installation import Installation
from tests.flows.test_death import _step_pid
from tests.servers import free_port, wait_for
from tests.servers.endpoint import Endpoint
from tests.servers.smtp import MailServer

pytestmark = pytest.mark.flow
DELIVERIES = "print(json.dumps([[d.alert.event, d.channel_name, d.state] for d in Delivery.objects.order_by('pk')]))"


def hook(url: str, name: str = "hook", **fields: str) -> str:
    more = "".join(f"{key} = {value}\n" for key, value in fields.items())
    return f'[[channels]]\nname = "{name}"\ntype = "webhook"\nurl = "{url}"\n{more}'


def alerting(define: Define, job: str, *functions: str, alerts: str = "", head: str = "", step: str = "") -> str:
    """A job with an alerts block, as TOML."""
    return define(job, *functions, head=f"{head}\nalerts = {{ {alerts} }}", step=step)


def arrived(endpoint: Endpoint) -> list[tuple[str, str]]:
    return [(request.json["job_id"], request.json["event"]) for request in endpoint.requests]


def test_a_failed_run_is_told_through_a_channel_from_a_file(
    either: Installation, define: Define, endpoint: Endpoint
) -> None:
    either.import_toml(hook(endpoint.url) + alerting(define, "nightly", "boom"))
    either.start_worker()
    run_id = either.trigger("nightly")
    (request,) = endpoint.wait_for_requests(1, 20)
    said = request.json
    assert (said["job_id"], said["run_id"], said["state"], said["step"]) == ("nightly", run_id, "FAILED", "s0")
    assert "the tank is empty" in said["error"]
    wait_for(lambda: either.python(DELIVERIES) == [["failed", "hook", "SENT"]], 10, "the answer to be written down")


def test_a_run_of_a_lost_worker_is_told_by_beat(installation: Installation, define: Define, endpoint: Endpoint) -> None:
    installation.import_toml(hook(endpoint.url) + alerting(define, "orphan", "sleep"))
    worker = installation.start_worker()
    run_id = installation.trigger("orphan")
    _step_pid(installation, run_id)
    os.kill(worker.pid, signal.SIGKILL)
    installation.start("beat")
    (request,) = endpoint.wait_for_requests(1, 30)
    assert "lost worker" in request.json["error"]


def test_a_timeout_is_a_failure(installation: Installation, define: Define, endpoint: Endpoint) -> None:
    toml = alerting(define, "slow", "sleep", step="timeout_seconds = 1")
    installation.import_toml(hook(endpoint.url) + toml)
    installation.start_worker()
    installation.trigger("slow")
    (request,) = endpoint.wait_for_requests(1, 20)
    assert "timeout" in request.json["error"].lower()


def test_a_long_run_is_told_while_it_fills_the_only_slot_of_the_only_worker(
    installation: Installation, define: Define, endpoint: Endpoint
) -> None:
    installation.env["NOMAFLOW_WORKER_SLOTS"] = "1"
    toml = alerting(define, "long", "sleep", alerts="on_long_run_minutes = 5")
    installation.import_toml(hook(endpoint.url) + toml)
    installation.start_worker()
    run_id = installation.trigger("long")
    _step_pid(installation, run_id)
    installation.python(
        "import datetime\nfrom django.utils import timezone\n"
        "Run.objects.update(started_at=timezone.now() - datetime.timedelta(minutes=6))"
    )
    endpoint.wait_for_requests(1, 20)
    assert (arrived(endpoint), installation.state(run_id)) == ([("long", "long_running")], "RUNNING")


def test_moments_that_were_missed_are_told_as_one_when_the_scheduler_is_back(
    installation: Installation, define: Define, endpoint: Endpoint
) -> None:
    head = 'schedule = "* * * * *"'
    installation.import_toml(hook(endpoint.url) + alerting(define, "minutely", "noop", head=head))
    installation.python(
        "import datetime\nfrom django.utils import timezone\nfrom django_celery_beat.models import PeriodicTask\n"
        "PeriodicTask.objects.update(last_run_at=timezone.now() - datetime.timedelta(minutes=30))"
    )
    installation.start("beat")
    (request,) = endpoint.wait_for_requests(1, 30)
    assert arrived(endpoint) == [("minutely", "missed")]
    assert "missed 2" in request.json["title"]


def test_a_run_in_a_shell_without_any_worker_is_told_before_the_command_ends(
    installation: Installation, define: Define, endpoint: Endpoint
) -> None:
    installation.import_toml(hook(endpoint.url) + alerting(define, "by-hand", "boom"))
    assert installation.try_manage("runjob", "by-hand").returncode == 1
    assert arrived(endpoint) == [("by-hand", "failed")]


def test_alerts_need_no_broker(tmp_path: Path, define: Define, endpoint: Endpoint) -> None:
    with Installation(tmp_path / "home", broker_url=f"redis://127.0.0.1:{free_port()}/0", fast=True) as here:
        here.plugin("p", PLUGIN)
        here.import_toml(hook(endpoint.url) + alerting(define, "switched", "noop", alerts="on_switch = true"))
        here.start("worker")
        here.python(
            "from jobs.catalogue import switch_job\nfrom jobs.models import Job\n"
            "switch_job(Job.objects.get(pk='switched'), False, by='olga')"
        )
        endpoint.wait_for_requests(1, 30)
        assert arrived(endpoint) == [("switched", "switched_off")]


def test_receivers_in_trouble_cost_the_run_nothing_and_their_deliveries_say_what_happened(
    installation: Installation, define: Define, make_endpoint: object, mail_server: MailServer, endpoint: Endpoint
) -> None:
    troubles = {"busy": (429, {"Retry_After": "600"}), "broken": (500, {}), "gone": (404, {}), "silent": (200, {})}
    toml = ""
    for name, (status, headers) in troubles.items():
        each: Endpoint = make_endpoint()  # type: ignore[operator]
        each.replies(status, way="never" if name == "silent" else "", **headers)
        toml += hook(each.url, name, default="false", timeout_seconds="1.0")
    mail_server.hang_at = "MAIL"
    host, port = "localhost", mail_server.port
    toml += (
        f'[[channels]]\nname = "hanging"\ntype = "email"\nhost = "{host}"\nport = {port}\nsecurity = "none"\n'
        'sender = "n@example.com"\nrecipients = ["o@example.com"]\n'
    )
    names = ", ".join(f'"{name}"' for name in [*troubles, "hanging", "hook"])
    toml += hook(endpoint.url) + alerting(define, "nightly", "boom", alerts=f"recipients = [{names}]")
    installation.import_toml(toml)
    installation.start_worker()
    run = installation.run_when_over(installation.trigger("nightly"))
    assert run["state"] == "FAILED"
    assert arrived_or_wait(endpoint) == [("nightly", "failed")]
    expected = {"busy": "RETRYING", "broken": "RETRYING", "gone": "FAILED", "silent": "RETRYING", "hook": "SENT"}
    wait_for(lambda: expected.items() <= outcome(installation).items(), 20, "every delivery to be tried")
    assert outcome(installation)["hanging"] in ("PENDING", "RETRYING")


def arrived_or_wait(endpoint: Endpoint) -> list[tuple[str, str]]:
    endpoint.wait_for_requests(1, 20)
    return arrived(endpoint)


def outcome(installation: Installation) -> dict[str, str]:
    return {channel: state for _, channel, state in installation.python(DELIVERIES)}
