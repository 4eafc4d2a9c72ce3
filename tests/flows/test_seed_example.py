"""The concrete example of the founding document, for real: imported as printed, run from shell, API, admin and schedule."""

import http.cookiejar
import json
import os
import re
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.installation import ROOT, Installation
from tests.servers import wait_for

pytestmark = pytest.mark.flow
JOB = "nightly-reporting-refresh"
SCHEMA = """
create schema reporting;
create table orders (id int primary key, day date, customer text, amount numeric);
create materialized view reporting.orders_by_day as select day, count(*) n, sum(amount) total from orders group by day;
create unique index on reporting.orders_by_day (day);
create materialized view reporting.customer_totals as select customer, sum(amount) total from orders group by customer;
create unique index on reporting.customer_totals (customer);
insert into orders values (1, '2026-07-01', 'anna', 10.50), (2, '2026-07-01', 'ben', 4.25), (3, '2026-07-02', 'anna', 1);
"""
SUMMARY = """
def summary(ctx, *, target_connector, **_):
    total = ctx.get_connector(target_connector).scalar("select sum(total) from reporting.orders_by_day")
    ctx.log.info("summary email sent")
    return {"total": str(total), "steps": ctx.previous_step("refresh-orders").state}
"""


@pytest.fixture
def example(tmp_path: Path, postgresql: Any) -> Iterator[Installation]:
    """The example's TOML, its connector pointed at a private PostgreSQL; worker and web are up."""
    url = postgresql.create_database()
    with postgresql.connect(url) as connection:
        connection.execute(SCHEMA)
    text = (ROOT / "examples" / f"{JOB}.toml").read_text()
    parts = urllib.parse.urlsplit(url)
    text = text.replace("port = 5432", f"port = {parts.port}").replace(
        'username = "reporting"', f'username = "{parts.username}"'
    )
    text = text.replace('database = "reporting"', f'database = "{parts.path[1:]}"').replace(
        '"localhost"', '"127.0.0.1"'
    )
    with Installation(tmp_path / "home", fast=True) as made:
        made.env["JOB_REPORTING_PASSWORD"] = "not needed here"
        made.plugin("reports", SUMMARY)
        made.import_toml(text)
        made.start_worker()
        made.start("web")
        wait_for(lambda: _status(made, "/health") == 200, 30, "the web server")
        yield made


def _status(made: Installation, path: str, **request: Any) -> int:
    return _ask(made, path, **request)[0]


def _ask(made: Installation, path: str, data: bytes | None = None, **headers: str) -> tuple[int, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{made.port}{path}", data=data, headers=names)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


def _token(made: Installation) -> str:
    return made.manage("createtoken", "olga", "--create-superuser").strip()


def _assert_good(run: dict[str, Any], triggered_by: str) -> None:
    assert [(s["name"], s["type"], s["state"]) for s in run["steps"]] == [
        ("refresh-orders", "sql_query", "SUCCEEDED"),
        ("refresh-customers", "sql_query", "SUCCEEDED"),
        ("send-summary", "python", "SUCCEEDED"),
    ]
    assert run["steps"][2]["output"] == {"total": "15.75", "steps": "SUCCEEDED"}
    assert run["parameters"]["send-summary"] == {"target_connector": "reporting"}
    assert (run["state"], run["triggered_by"]) == ("SUCCEEDED", triggered_by)


def test_it_runs_from_the_shell(example: Installation) -> None:
    run = json.loads(example.manage("runjob", JOB, "--json"))
    _assert_good(run, "cli")
    assert "summary email sent" in [line["text"] for line in example.log(run["run_id"])]


def test_it_runs_from_the_api_and_the_run_and_its_log_can_be_read_there(example: Installation) -> None:
    headers = {"Authorization": f"Token {_token(example)}", "Content_Type": "application/json"}
    status, started = _ask(example, f"/admin/jobs/{JOB}/run", b"{}", **headers)
    assert (status, started["job_id"], started["triggered_by"]) == (202, JOB, "api")
    _assert_good(example.run_when_over(started["run_id"]), "api")
    _, log = _ask(example, f"/api/v1/runs/{started['run_id']}/log/", **headers)
    assert "summary email sent" in json.dumps(log)


def test_it_runs_from_the_admin_as_the_person_who_clicked(example: Installation) -> None:
    example.python(
        "from django.contrib.auth import get_user_model\n"
        "get_user_model().objects.create_superuser('olga', password='correct horse')"
    )
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def post(path: str, **values: str) -> str:
        page = opener.open(f"http://127.0.0.1:{example.port}{path}").read().decode()
        values["csrfmiddlewaretoken"] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]
        url = f"http://127.0.0.1:{example.port}{path}"
        return str(opener.open(url, urllib.parse.urlencode(values).encode()).read().decode())

    post("/login/", username="olga", password="correct horse", next="/jobs/")
    answer = post("/admin/jobs/job/", action="run_now", _selected_action=JOB)
    run_id = re.findall(r"run_[0-9a-z]{8}", answer)[0]
    _assert_good(example.run_when_over(run_id), "user:olga")


def test_a_run_that_was_answered_with_202_survives_the_death_of_the_web_server(example: Installation) -> None:
    headers = {"Authorization": f"Token {_token(example)}", "Content_Type": "application/json"}
    status, started = _ask(example, f"/admin/jobs/{JOB}/run", b"{}", **headers)
    for process in example._processes[1:]:
        os.kill(process.pid, signal.SIGKILL)
    assert status == 202
    _assert_good(example.run_when_over(started["run_id"]), "api")


def test_the_query_fails_once_and_is_retried_as_the_policy_says(example: Installation) -> None:
    job = "[[jobs]]" + (ROOT / "examples" / f"{JOB}.toml").read_text().partition("[[jobs]]")[2]
    job = job.replace('query = "refresh-orders"', 'query = "select 1 / 0"')
    example.import_toml(job.replace("base_seconds = 60", "base_seconds = 1"))
    run = example.run_when_over(example.trigger(JOB))
    assert [(s["name"], s["attempt"], s["state"]) for s in run["steps"]] == [
        ("refresh-orders", 1, "FAILED"),
        ("refresh-orders", 2, "FAILED"),
        ("refresh-customers", 0, "CANCELED"),
        ("send-summary", 0, "CANCELED"),
    ]
    assert "division by zero" in run["reason"]
