"""Fills an empty installation with a house in full operation: twenty jobs, three weeks of runs, one of them running now.

    NOMAFLOW_HOME=var-showcase python examples/showcase.py

For pictures, and for looking around: nothing in it is executed. It refuses a database that has jobs. The account is olga, her
password is printed.
"""

import datetime
import os
import random
import secrets
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nomaflow_site.settings")

# id, schedule, zone, tags, usual seconds, steps, what for
JOBS = [
    (
        "billing-export",
        "0 6 * * 1-5",
        "Europe/Paris",
        ["finance"],
        320,
        3,
        "Yesterday's invoices for the bank, as CSV.",
    ),
    ("crm-sync", "*/30 * * * *", "UTC", ["api"], 40, 2, "Accounts and contacts from the CRM's API."),
    (
        "customer-refresh",
        "30 2 * * *",
        "Europe/Paris",
        ["etl", "nightly"],
        900,
        5,
        "The customer marts, rebuilt from the OLTP copy.",
    ),
    ("directory-mirror", "15 * * * *", "UTC", ["ldap"], 25, 1, "People and groups of the directory, for the portal."),
    (
        "erp-nightly",
        "0 1 * * *",
        "Europe/Paris",
        ["etl", "nightly"],
        5400,
        7,
        "All tables of the ERP, copied for reporting.",
    ),
    ("finance-close", "0 20 L * *", "Europe/Paris", ["finance"], 1800, 4, "Month-end close: freeze, check, publish."),
    (
        "gl-postings",
        "0 3 * * *",
        "Europe/Paris",
        ["finance", "nightly"],
        1500,
        4,
        "General ledger postings into the warehouse.",
    ),
    ("hr-import", "0 5 * * 1-5", "Europe/London", ["api"], 130, 2, "Joiners and leavers from the HR system."),
    (
        "inventory-snapshot",
        "45 2 * * *",
        "Europe/Paris",
        ["etl", "nightly"],
        700,
        3,
        "Stock by site at the end of the day.",
    ),
    ("invoice-mail", "30 7 * * 1-5", "Europe/Paris", ["finance"], 210, 2, "Sends what billing-export has produced."),
    ("kpi-rollup", "10 4 * * *", "UTC", ["etl", "nightly"], 420, 3, "Daily figures for the board, per region."),
    (
        "legal-hold-purge",
        "",
        "UTC",
        ["legal"],
        60,
        2,
        "Deletes what is no longer under hold. By hand only, with four eyes.",
    ),
    ("orders-hourly", "5 * * * *", "UTC", ["etl"], 180, 3, "Orders of the last hour into the warehouse."),
    ("price-list-pull", "0 4 * * 1", "Europe/Berlin", ["api"], 90, 2, "The suppliers' price lists."),
    ("reporting-vacuum", "0 3 * * 0", "UTC", ["upkeep"], 2400, 1, "VACUUM ANALYZE of the reporting database."),
    ("ticket-stats", "*/10 * * * *", "UTC", ["api"], 12, 1, "Open tickets by team, for the wall."),
]
NAMES = ["extract", "check", "load-orders", "load-customers", "refresh-views", "publish", "send-summary"]
ERRORS = [
    'relation "reporting.orders_stash" does not exist',
    "could not connect to server: Connection timed out (10.1.4.20:5432)",
    "HTTP 503 from https://crm.example.org/api/v2/accounts: Service Unavailable",
]
UTC = datetime.UTC
# Daily jobs get a strip of runs, and of frequent ones only the newest are made.
DAYS, MOST_RUNS = 21, 120


def main() -> int:
    """0 when the house stands."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    from jobs.models import Job

    call_command("migrate", verbosity=0, interactive=False)
    if Job.objects.exists():
        print("This installation has jobs already; choose another NOMAFLOW_HOME.", file=sys.stderr)
        return 1
    password = os.environ.get("SHOWCASE_PASSWORD") or secrets.token_urlsafe(12)
    get_user_model().objects.create_superuser("olga", password=password)
    connectors()
    chance, now = random.Random(20261125), datetime.datetime.now(UTC).replace(microsecond=0)
    for job in JOBS:
        furnish(job, now, chance)
    postings = Job.objects.get(pk="gl-postings")
    add_run(postings, now - datetime.timedelta(minutes=6), 1500, now, chance, by="user:olga")
    processes(now)
    print(f"Sign in as olga with {password}")
    return 0


def connectors() -> None:
    """What the steps name."""
    from connectors.catalogue import save_connector

    for name in ("reporting", "warehouse", "erp"):
        save_connector(
            name, "sql", {"dialect": "sqlite", "database": f"{name}.sqlite3"}, description=f"The {name} database"
        )
    save_connector("crm", "http", {"base_url": "https://crm.example.org/api/v2"}, description="The CRM's API")


def processes(now: datetime.datetime) -> None:
    """A worker and a beat that look alive for an hour: the house is in operation, though nobody works in it."""
    from runs.models import WorkerNode

    for role in ("worker", "beat"):
        seen = now + datetime.timedelta(hours=1)
        WorkerNode.objects.create(
            id=f"{role}-1", role=role, host="ops-1", pid=4711, slots=4, started_at=now, seen_at=seen
        )


def furnish(described: tuple[Any, ...], now: datetime.datetime, chance: random.Random) -> None:
    """One job with its runs."""
    from jobs.catalogue import save_job
    from jobs.cron import Cron

    name, schedule, zone, tags, usual, count, what = described
    schedule = schedule.replace(" L ", " 28 ")
    steps = [
        {
            "name": step,
            "type": "sql_query",
            "connector": "warehouse" if name in ("gl-postings", "orders-hourly", "kpi-rollup") else "reporting",
            "query": f"CALL {name.replace('-', '_')}_{step.replace('-', '_')}(${{kw:business_day}})",
        }
        for step in NAMES[:count]
    ]
    job = save_job(
        {
            "id": name,
            "description": what,
            "schedule": schedule,
            "timezone": zone,
            "tags": tags,
            "enabled": name != "price-list-pull",
            "params": {"business_day": "yesterday", "target_connector": "reporting", "dry_run": False},
            "retry": {"attempts": 2, "backoff": "exponential", "base_seconds": 30},
            "alerts": {"on_failure": True, "on_success": False, "recipients": ["#ops"]},
            "steps": steps,
        },
        by="olga",
    )
    if schedule:
        for at in Cron(schedule, zone).between(now - datetime.timedelta(days=DAYS), now, 100_000)[-MOST_RUNS:]:
            seconds = max(usual * chance.lognormvariate(0, 0.25), 1.5)
            add_run(job, at, seconds, now, chance)


def add_run(
    job: Any, at: datetime.datetime, seconds: float, now: datetime.datetime, chance: random.Random, by: str = "cron"
) -> None:
    """One run with its attempts and its log; still running where it wouldn't be over yet."""
    from jobs.definition import definition_of
    from runs.ids import new_run_id
    from runs.models import Fire, LogLine, Run, StepRun

    definition = definition_of(job)
    steps = [step["name"] for step in definition["steps"]]
    end = at + datetime.timedelta(seconds=seconds)
    running = end > now
    fails = not running and chance.random() < 0.05
    stop = chance.randrange(len(steps)) if fails else len(steps)
    error = chance.choice(ERRORS) if fails else ""
    if fails:
        end = at + datetime.timedelta(seconds=seconds * (stop + 1) / len(steps))
    state = "RUNNING" if running else "FAILED" if fails else "SUCCEEDED"
    params = {
        "business_day": f"{at - datetime.timedelta(days=1):%Y-%m-%d}",
        "target_connector": "reporting",
        "dry_run": False,
    }
    run = Run.objects.create(
        run_id=new_run_id(),
        job=job,
        job_version=job.version,
        state=state,
        reason=f"step {steps[stop]!r} failed: {error}" if fails else "",
        triggered_by=by,
        requested_by=by.partition(":")[2],
        scheduled_at=at if by == "cron" else None,
        snapshot=definition,
        parameters=dict.fromkeys(steps, params),
        step_count=len(steps),
        created_at=at,
        due_at=at,
        started_at=at,
        finished_at=None if running else end,
        lease_until=now + datetime.timedelta(days=1) if running else None,
    )
    if by == "cron":
        Fire.objects.create(job=job, scheduled_at=at, noticed_at=at, outcome="ran", run=run)
    lines: list[Any] = []

    def say(moment: datetime.datetime, level: str, text: str, step: str = "", attempt: int = 0) -> None:
        lines.append(
            LogLine(run=run, seq=len(lines) + 1, at=moment, level=level, step=step, attempt=attempt, text=text)
        )

    for number, step in enumerate(steps):
        begin = at + datetime.timedelta(seconds=seconds * number / len(steps))
        over = at + datetime.timedelta(seconds=seconds * (number + 1) / len(steps))
        common = {"run": run, "number": number, "name": step, "type": "sql_query"}
        if number > stop or begin > now:
            if not running:
                StepRun.objects.create(
                    **common, attempt=0, state="CANCELED", reason=f"not run: step {steps[stop]!r} failed"
                )
            continue
        attempt = 1
        if chance.random() < 0.06 or number == stop:
            third = (over - begin) / 3
            say(begin, "INFO", f"step {step!r} (sql_query) started", step, 1)
            say(begin + third, "ERROR", error or ERRORS[1], step, 1)
            say(begin + third, "WARNING", "trying again in 30 s (attempt 2 of 2)", step, 1)
            StepRun.objects.create(
                **common,
                attempt=1,
                state="FAILED",
                error=error or ERRORS[1],
                started_at=begin,
                finished_at=begin + third,
            )
            begin, attempt = begin + 2 * third, 2
        goes_on = over > now
        rows = chance.randrange(100, 90000)
        say(begin, "INFO", f"step {step!r} (sql_query) started", step, attempt)
        for part in range(1, 6):
            moment = begin + (over - begin) * part / 6
            if moment < now:
                say(moment, "INFO", f"{rows * part // 6:,} of {rows:,} rows", step, attempt)
        final = "RUNNING" if goes_on else "FAILED" if number == stop else "SUCCEEDED"
        StepRun.objects.create(
            **common,
            attempt=attempt,
            state=final,
            started_at=begin,
            finished_at=None if goes_on else over,
            rows_affected=rows if final == "SUCCEEDED" else None,
            output={"rows_affected": rows} if final == "SUCCEEDED" else {},
            error=error if final == "FAILED" else "",
        )
        if not goes_on:
            level, how = ("ERROR", f"failed: {error}") if final == "FAILED" else ("INFO", f"succeeded, {rows:,} rows")
            say(over, level, f"step {step!r} {how}", step, attempt)
    if not running:
        say(end, "ERROR" if fails else "INFO", f"run {state}" + (f": {run.reason}" if fails else ""))
    LogLine.objects.bulk_create(lines)


if __name__ == "__main__":
    sys.exit(main())
