"""Cancel and timeout stop any step within five seconds and leave nothing behind."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.flows.conftest import Define
from tests.flows.installation import Installation
from tests.servers import wait_for

pytestmark = pytest.mark.flow
PROMISE = 5


def _pid_in_log(installation: Installation, run_id: str) -> int:
    """The process id that the step wrote into its log."""
    for line in installation.log(run_id):
        words = line["text"].split()
        if words[-1].isdigit() and line["text"].rpartition(" ")[0].endswith((" in", " from")):
            return int(words[-1])
    return 0


def _cancel_and_measure(installation: Installation, run_id: str) -> tuple[dict[str, Any], float]:
    installation.python(
        f"from runs.control import request_cancel\nrequest_cancel(Run.objects.get(run_id={run_id!r}), by='user:rui')"
    )
    began = time.monotonic()
    wait_for(lambda: installation.state(run_id) == "CANCELED", 15, "the run to be cancelled")
    took = time.monotonic() - began
    return installation.run(run_id), took


@pytest.mark.parametrize("function", ["sleep", "spin", "stubborn", "parent"])
def test_a_python_step_is_stopped_whatever_it_does(shared: Installation, define: Define, function: str) -> None:
    shared.import_toml(define(f"stop-{function}", function, "noop"))
    run_id = shared.trigger(f"stop-{function}")
    pid = wait_for(lambda: _pid_in_log(shared, run_id), 20, "the step to say its pid")
    run, took = _cancel_and_measure(shared, run_id)
    assert took < PROMISE
    assert [s["state"] for s in run["steps"]] == ["CANCELED", "CANCELED"]
    assert run["reason"] == "cancelled by user:rui"
    assert not psutil.pid_exists(int(str(pid)))
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "7654"]]


def test_a_cancelled_step_gets_the_chance_to_clean_up(shared: Installation, define: Define) -> None:
    note = shared.home / "note"
    shared.import_toml(define("tidy", "tidy", head=f'params = {{ path = "{note}" }}'))
    run_id = shared.trigger("tidy")
    wait_for(lambda: _pid_in_log(shared, run_id), 20, "the step to begin")
    _cancel_and_measure(shared, run_id)
    assert note.read_text() == "cleaned up"


def test_the_slot_is_free_again_after_a_cancel(installation: Installation, define: Define) -> None:
    installation.import_toml(define("hog", "stubborn") + define("next", "noop"))
    installation.start("worker", "--slots", "1")
    run_id = installation.trigger("hog")
    wait_for(lambda: _pid_in_log(installation, run_id), 20, "the step to begin")
    _cancel_and_measure(installation, run_id)
    assert installation.run_when_over(installation.trigger("next"))["state"] == "SUCCEEDED"


def _sql_job(job_id: str, url: str, query: str, extra: str = "") -> str:
    return (
        f'[[connectors]]\nname = "{job_id}"\ntype = "sql"\nurl = "{url}"\n'
        f'[[jobs]]\nid = "{job_id}"\n[[jobs.steps]]\nname = "wait"\ntype = "sql_query"\nconnector = "{job_id}"\n'
        f'query = "{query}"\n{extra}\n'
    )


def _backends(postgresql: Any, run_id: str) -> int:
    import psycopg

    with psycopg.connect(postgresql.url) as connection:
        query = "select count(*) from pg_stat_activity where application_name like %s"
        return int(connection.execute(query, [f"%{run_id}%"]).fetchone()[0])  # type: ignore[index]


def test_a_blocked_statement_is_cancelled_on_the_database_server_too(shared: Installation, postgresql: Any) -> None:
    shared.import_toml(_sql_job("pgsleep", postgresql.url, "select pg_sleep(600)"))
    run_id = shared.trigger("pgsleep")
    wait_for(lambda: _backends(postgresql, run_id), 20, "the statement to run on the server")
    _, took = _cancel_and_measure(shared, run_id)
    assert took < PROMISE
    wait_for(lambda: not _backends(postgresql, run_id), PROMISE, "the backend to be gone")


def test_a_statement_that_takes_too_long_is_stopped_by_the_timeout(shared: Installation, postgresql: Any) -> None:
    shared.import_toml(_sql_job("pgslow", postgresql.url, "select pg_sleep(600)", "timeout_seconds = 1"))
    run = shared.run_when_over(shared.trigger("pgslow"), 15)
    assert (run["state"], run["steps"][0]["reason"]) == ("FAILED", "timeout after 1 s")
    wait_for(lambda: not _backends(postgresql, run["run_id"]), PROMISE, "the backend to be gone")


def test_a_blocked_statement_on_mariadb_is_killed_on_the_server(shared: Installation, mariadb: Any) -> None:

    url = mariadb.create_database()
    shared.import_toml(_sql_job("mysleep", url, "select sleep(601)"))
    run_id = shared.trigger("mysleep")

    def sleeping() -> int:
        with mariadb.connect() as c:
            cursor = c.cursor()
            cursor.execute("select count(*) from information_schema.processlist where info like 'select sleep(601)%'")
            return int(cursor.fetchone()[0])  # type: ignore[index]

    wait_for(sleeping, 20, "the statement to run on the server")
    _, took = _cancel_and_measure(shared, run_id)
    assert took < PROMISE
    wait_for(lambda: not sleeping(), PROMISE, "the statement to be gone")


@pytest.fixture
def hung_server() -> Iterator[int]:
    """A server that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


def test_a_hung_http_call_is_cancelled(shared: Installation, hung_server: int) -> None:
    shared.import_toml(
        f'[[jobs]]\nid = "hung"\n[[jobs.steps]]\nname = "call"\ntype = "http"\nurl = "http://127.0.0.1:{hung_server}/"\n'
    )
    run_id = shared.trigger("hung")
    wait_for(lambda: any("started" in line["text"] for line in shared.log(run_id)), 20, "the step to begin")
    _, took = _cancel_and_measure(shared, run_id)
    assert took < PROMISE


@pytest.mark.parametrize("function", ["sleep", "stubborn"])
def test_a_step_that_takes_too_long_is_stopped_by_its_timeout(
    shared: Installation, define: Define, function: str
) -> None:
    shared.import_toml(define(f"slow-{function}", function, "noop", step="timeout_seconds = 1"))
    run = shared.run_when_over(shared.trigger(f"slow-{function}"), 15)
    assert run["state"] == "FAILED"
    assert run["steps"][0]["reason"] == "timeout after 1 s"
    assert run["steps"][1]["state"] == "CANCELED"
    assert not psutil.pid_exists(_pid_in_log(shared, run["run_id"]))


def test_the_jobs_own_timeout_stops_the_run(shared: Installation, define: Define) -> None:
    shared.import_toml(define("capped", "sleep", "noop", head="timeout_seconds = 1"))
    run = shared.run_when_over(shared.trigger("capped"), 15)
    assert run["state"] == "FAILED"
    assert "timeout" in run["reason"]


def test_cancelling_a_run_that_waits_for_its_retry_ends_it_at_once(shared: Installation, define: Define) -> None:
    shared.import_toml(define("waits", "boom", "noop", head="[jobs.retry]\nattempts = 3\nbase_seconds = 600"))
    run_id = shared.trigger("waits")
    code = f"print(json.dumps(Run.objects.get(run_id={run_id!r}).reason))"
    wait_for(lambda: str(shared.python(code)).startswith("waiting"), 20, "the run to wait")
    run, took = _cancel_and_measure(shared, run_id)
    assert took < PROMISE
    assert [s["state"] for s in run["steps"]] == ["FAILED", "CANCELED"]


def test_cancelling_a_chain_cancels_the_child_as_well(shared: Installation, define: Define) -> None:
    call = '[[jobs]]\nid = "chain"\n[[jobs.steps]]\nname = "call"\ntype = "call_job"\njob = "inner"\n'
    shared.import_toml(define("inner", "sleep") + call)
    run_id = shared.trigger("chain")
    code = (
        "print(json.dumps(list(Run.objects.filter(job_id='inner', state='RUNNING').values_list('run_id', flat=True))))"
    )
    (child,) = list(wait_for(lambda: shared.python(code), 20, "the child to run"))  # type: ignore[call-overload]
    _cancel_and_measure(shared, run_id)
    assert shared.run_when_over(child)["state"] == "CANCELED"


def test_no_test_above_left_a_process(shared: Installation) -> None:
    servers = [
        p for p in psutil.process_iter(["cmdline", "environ"]) if "forkserver" in " ".join(p.info["cmdline"] or [])
    ]
    own = [p for p in servers if p.cwd() == str(shared.home)]
    assert [child for server in own for child in server.children()] == []
