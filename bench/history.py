"""`python bench/history.py FOLDER`: ninety days of a busy installation in a private PostgreSQL, for bench/pages.py to read.

A thousand jobs, a million runs with their steps and fires, twenty million log lines unless told otherwise. Jobs and accounts
are made as people make them; the rest goes in with COPY, in the shape that the engine leaves. The same numbers give the same
history, ending now. One job has a tenth of all runs, some have a handful from long ago, some none; the newest run of
the busy job has 200,000 log lines.
"""

import argparse
import datetime
import gc
import io
import itertools
import json
import os
import random
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from servers import postgresql

ROOT = Path(__file__).resolve().parent.parent
DAYS = 90
PIECE = 5000
# The content doesn't outlive a power cut while it's being written, and needn't.
QUICK = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_wal_size=8GB",
    "maintenance_work_mem=512MB",
)
BUSY, QUIET, NEVER = "etl-000", ("etl-001", "etl-002"), ("etl-003", "etl-004")
TAGS = ("etl", "finance", "hr", "sales", "stock", "web", "export", "import", "report", "sync")
RARE_TAG = "yearly"
STEPS = ("extract", "check", "load", "refresh", "send")
PEOPLE, RARE_PERSON = ("anna", "ben", "carla", "dev"), "zoe"
SCHEDULES = ("{m} * * * *", "*/15 * * * *", "{m} 2 * * *", "{m} 3 * * *", "{m} {h} * * MON-FRI", "{m} 6 1 * *")
LONG_LOG = 200_000
SENTENCES = (
    "opened connection to the source, fetching in batches of 10,000",
    "batch read: 10,000 rows in 0.42 s, 3 of them without an address",
    "upsert of 9,997 rows, 212 inserted, 9,785 updated, 0 deleted",
    "materialised view refreshed concurrently; 1,204,331 rows now",
)


@dataclass(frozen=True)
class Size:
    """How much."""

    jobs: int = 1000
    runs: int = 1_000_000
    lines: int = 20_000_000


def main() -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    add_sizes(parser)
    options = parser.parse_args()
    fill(options.folder, Size(options.jobs, options.runs, options.lines))


def add_sizes(parser: argparse.ArgumentParser) -> None:
    """The options that say how much."""
    for name, default in (("jobs", Size.jobs), ("runs", Size.runs), ("lines", Size.lines)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default:,}")


def fill(folder: Path, size: Size) -> None:
    """A history in the folder, unless there is one already."""
    if (folder / "filled").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with postgresql(folder, *QUICK) as url:
        if url is None:
            raise SystemExit("PostgreSQL isn't installed; on Debian and Ubuntu: apt install postgresql")
        set_up(folder, url)
        began = time.monotonic()
        catalogue(size.jobs)
        say(f"{size.jobs:,} jobs", began)
        with psycopg.connect(url, autocommit=True) as connection:
            # Foreign keys hold by construction; looking each up would take longer than the rest.
            connection.execute("SET session_replication_role = replica")
            write(connection, size, began)
            connection.execute("VACUUM ANALYZE")
        say("vacuumed", began)
    (folder / "filled").write_text(json.dumps(vars(size)))


def set_up(folder: Path, url: str) -> None:
    """Django on the folder's database, with the folder's own keys."""
    keys = folder / "keys.json"
    if not keys.exists():
        fresh = {
            "NOMAFLOW_SECRET_KEY": os.urandom(48).hex(),
            "NOMAFLOW_FIELD_KEYS": urlsafe_b64encode(os.urandom(32)).decode(),
        }
        keys.write_text(json.dumps(fresh))
    for name in [name for name in os.environ if name.startswith(("NOMAFLOW_", "DJANGO_"))]:
        del os.environ[name]
    os.environ |= {
        **json.loads(keys.read_text()),
        "DJANGO_SETTINGS_MODULE": "nomaflow_site.settings",
        "NOMAFLOW_HOME": str(folder / "home"),
        "NOMAFLOW_DATABASE_URL": url,
        "NOMAFLOW_BROKER_URL": f"file://{folder / 'home' / 'broker'}",
    }
    sys.path[:0] = [str(ROOT)]
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    # As nomaflow_site/asgi.py does for the server.
    gc.collect()
    gc.freeze()


def catalogue(jobs: int) -> None:
    """Jobs by `importjobs`; olga who may do everything, fifty who sees fifty jobs, quiet who sees one that hardly ran."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from jobs.models import Job
    from jobs.permissions import grant_job

    toml = Path(os.environ["NOMAFLOW_HOME"]) / "jobs.toml"
    toml.write_text("\n".join(job_toml(number) for number in range(jobs)))
    call_command("importjobs", str(toml), stdout=io.StringIO())
    User.objects.create_superuser("olga", password="correct horse")
    fifty, quiet = (
        User.objects.create_user(name, password="correct horse", is_staff=True) for name in ("fifty", "quiet")
    )
    for job in Job.objects.filter(pk__startswith=TAGS[0]).order_by("pk")[:50]:
        grant_job(fifty, job)
    grant_job(quiet, Job.objects.get(pk=QUIET[0]))


def job_id(number: int) -> str:
    """Ten to each beginning, so that a beginning finds many."""
    return f"{TAGS[number // 100 % len(TAGS)]}-{number:03}"


def job_toml(number: int) -> str:
    """One job of five Python steps."""
    tags = [TAGS[number % len(TAGS)], TAGS[number // 100 % len(TAGS)]] + [RARE_TAG] * (number == 1)
    schedule = SCHEDULES[number % len(SCHEDULES)].format(m=number % 60, h=number % 24)
    steps = "".join(
        f'[[jobs.steps]]\nname = "{step}"\ntype = "python"\ncallable = "reports:{step}"\n'
        f'[jobs.steps.op_kwargs]\ntable = "{step}_{number}"\nlimit = {number}\n'
        for step in STEPS
    )
    return (
        f'[[jobs]]\nid = "{job_id(number)}"\ndescription = "moves the {TAGS[number % len(TAGS)]} data of area {number}"\n'
        f'schedule = "{schedule}"\ntimezone = "Europe/Paris"\noverlap = "allow"\ntags = {json.dumps(sorted(set(tags)))}\n'
        f'[jobs.params]\nday = "@day@"\nregion = "eu-{number % 7}"\napi_password = "not-a-real-one"\n{steps}'
    )


def write(connection: Any, size: Size, began: float) -> None:
    """Runs, steps, fires and lines, table by table so that each COPY is one stream."""
    from django.core.management.color import no_style
    from django.db import connection as ours

    from runs.models import Fire, LogLine, Run, StepRun

    for what, rows in (("run", run_rows), ("steprun", step_rows), ("fire", fire_rows), ("logline", line_rows)):
        columns = COLUMNS[what]
        with connection.cursor() as cursor, cursor.copy(f"COPY runs_{what} ({columns}) FROM STDIN") as copy:
            pieces = rows(size)
            while piece := "".join(itertools.islice(pieces, PIECE)):
                copy.write(piece)
        say(what, began)
    with connection.cursor() as cursor:
        for sql in ours.ops.sequence_reset_sql(no_style(), [Run, StepRun, Fire, LogLine]):
            cursor.execute(sql)


COLUMNS = {
    "run": "id, run_id, job_id, job_version, state, reason, triggered_by, requested_by, scheduled_at, preset, snapshot, "
    "overrides, parameters, log_level, overlap, created_at, started_at, finished_at, current_step, step_count, due_at, token, "
    "owner, cancel_requested_by, claims, lost_count",
    "steprun": "run_id, number, attempt, name, type, state, reason, host, started_at, finished_at, rows_affected, output, error",
    "fire": "job_id, preset, scheduled_at, noticed_at, outcome, cause, reason, run_id, count, settled_by",
    "logline": "run_id, seq, at, level, step, attempt, text",
}


@dataclass(frozen=True)
class Past:
    """One run before it's spelled out for a table. `failed`: the number of the step that failed or was stopped."""

    pk: int
    number: int
    state: str
    trigger: str
    person: str
    created: datetime.datetime
    seconds: float
    failed: int | None


def history(size: Size) -> Iterator[Past]:
    """The runs from the oldest to the newest: the same for every table."""
    dice = random.Random(size.runs)
    end = NOW - datetime.timedelta(seconds=5)
    apart = datetime.timedelta(days=DAYS) / size.runs
    rare = {size.runs * part // 10 for part in (1, 2, 4)}
    numbers: Iterator[int] = iter(())
    for pk in range(1, size.runs + 1):
        number = next(numbers, None)
        if number is None:
            numbers = iter(chosen_jobs(dice, size, pk))
            number = next(numbers)
        luck, asked = dice.random(), dice.random()
        state = "SUCCEEDED" if luck < 0.93 else "FAILED" if luck < 0.98 else "CANCELED"
        trigger, person = "cron", ""
        if asked < 0.03:
            person = PEOPLE[int(asked * 100 * len(PEOPLE)) % len(PEOPLE)]
            trigger = "api" if asked < 0.01 else f"user:{person}"
        if pk in rare:
            trigger, person = f"user:{RARE_PERSON}", RARE_PERSON
        if pk == size.runs:
            number, state = 0, "SUCCEEDED"
        elif pk > size.runs - 9 and pk % 2:
            state = "RUNNING" if pk > size.runs - 7 else "QUEUED"
        failed = dice.randrange(len(STEPS)) if state in ("FAILED", "CANCELED") else None
        yield Past(
            pk, number, state, trigger, person, end - apart * (size.runs - pk), 20 + number % 50 + 30 * luck, failed
        )


def chosen_jobs(dice: random.Random, size: Size, pk: int) -> list[int]:
    """Whose turn it is for the next thousand runs: the busy job a tenth, quiet ones only long ago, some never."""
    weights = [0.0 if n in (3, 4) or (n in (1, 2) and pk > 2000) else 1 / (5 + n % 97) for n in range(size.jobs)]
    if pk <= 2000:
        weights[1] = weights[2] = 0.02
    weights[0] = sum(weights[1:]) / 9
    return dice.choices(range(size.jobs), weights, k=1000)


def run_rows(size: Size) -> Iterator[str]:
    """runs_run."""
    from jobs.models import Job
    from runs.ids import ALPHABET
    from runs.trigger import draft_run

    drafts = {}
    for number in range(size.jobs):
        draft = draft_run(Job.objects.get(pk=job_id(number)))
        drafts[number] = (as_text(draft.snapshot), as_text(draft.overrides), as_text(draft.parameters))
    dice = random.Random(1)
    for run in history(size):
        snapshot, overrides, parameters = drafts[run.number]
        day = f"{run.created:%Y-%m-%d}"
        if run.person:
            overrides = overrides.replace('"params": {}', f'"params": {{"day": "{day}", "ticket": "OPS-{run.pk}"}}')
        created, started, finished = moments(run)
        done = run.state in ("SUCCEEDED", "RUNNING", "QUEUED")
        reason = "" if done else f"step {STEPS[run.failed or 0]} ended with an error: relation staging.orders is locked"
        fields = (
            run.pk, "run_" + "".join(dice.choices(ALPHABET, k=9)), job_id(run.number), 1, run.state, reason, run.trigger,
            run.person, created if run.trigger == "cron" else r"\N", "", snapshot, overrides,
            parameters.replace("@day@", day), "INFO", "allow", created, started, finished, run.failed or 4, len(STEPS),
            created, "", "", "", 1, 0,
        )  # fmt: skip
        yield "\t".join(map(str, fields)) + "\n"


def step_rows(size: Size) -> Iterator[str]:
    """runs_steprun: what each run came to, step by step; one row with the reason for those it didn't reach."""
    for run in history(size):
        if run.state == "QUEUED":
            continue
        each = run.seconds / len(STEPS)
        reached = 2 if run.state == "RUNNING" else len(STEPS)
        rows = []
        for number, step in enumerate(STEPS[:reached]):
            began = run.created + datetime.timedelta(seconds=1 + each * number)
            times = f"{began}\t{began + datetime.timedelta(seconds=each)}"
            state, attempt, reason, error = "SUCCEEDED", 1, "", ""
            if run.failed is not None and number > run.failed:
                state, attempt, reason, times = "CANCELED", 0, f"not run: step {STEPS[run.failed]} failed", "\\N\t\\N"
            elif number == run.failed:
                state, error = run.state, "psycopg.errors.LockNotAvailable: relation staging.orders is locked"
            elif run.state == "RUNNING" and number == reached - 1:
                state, times = "RUNNING", f"{began}\t\\N"
            output = '{"rows": 9997, "file": "s3://bucket/part.csv"}'
            rows.append(
                f"{run.pk}\t{number}\t{attempt}\t{step}\tpython\t{state}\t{reason}\thost\t{times}\t9997\t{output}\t{error}\n"
            )
        yield "".join(rows)


def fire_rows(size: Size) -> Iterator[str]:
    """runs_fire: one of each run that a schedule started, one in fifty more that started none."""
    for run in history(size):
        if run.trigger != "cron":
            continue
        row = f"{job_id(run.number)}\t\t{run.created}\t{run.created}\tran\t\t\t{run.pk}\t1\t\n"
        if run.pk % 50 == 0:
            before = run.created - datetime.timedelta(milliseconds=3)
            what = (
                "missed\toutage\tno scheduler was running"
                if run.pk % 5000 == 0
                else "skipped\toverlap\ta run was in flight"
            )
            row += f"{job_id(run.number)}\t\t{before}\t{run.created}\t{what}\t\\N\t1\t\n"
        yield row


def line_rows(size: Size) -> Iterator[str]:
    """runs_logline: as many for each run, the rest for the newest."""
    long = min(LONG_LOG, size.lines // 2)
    each = max((size.lines - long) // max(size.runs - 1, 1), 1)
    usual = log_template(each)
    for run in history(size):
        template = usual if run.pk < size.runs else log_template(long)
        yield template.replace("@run", str(run.pk)).replace("@at", f"{run.created:%Y-%m-%d %H:%M}")


def log_template(lines: int) -> str:
    """Lines of any run."""
    return "".join(
        f"@run\t{seq}\t@at:{seq * 59 // lines:02}.{seq % 1000:03}+00\t{'WARNING' if seq % 37 == 0 else 'INFO'}\t"
        f"{STEPS[(seq - 1) * len(STEPS) // lines]}\t1\t{SENTENCES[seq % len(SENTENCES)]}, line {seq}\n"
        for seq in range(1, lines + 1)
    )


def moments(run: Past) -> tuple[Any, Any, Any]:
    """Created, started, finished as COPY takes them."""
    started = run.created + datetime.timedelta(seconds=1)
    finished = started + datetime.timedelta(seconds=run.seconds)
    return (
        run.created,
        r"\N" if run.state == "QUEUED" else started,
        r"\N" if run.state in ("QUEUED", "RUNNING") else finished,
    )


def as_text(value: Any) -> str:
    """JSON as a field of COPY; secrets sealed once, as the field seals them."""
    from nomaflow_site.lib.sealing import seal

    return json.dumps(seal(value)).replace("\\", "\\\\")


def say(what: str, began: float) -> None:
    """How far it is."""
    print(f"{time.monotonic() - began:7.1f} s  {what}", file=sys.stderr, flush=True)


NOW = datetime.datetime.now(datetime.UTC)

if __name__ == "__main__":
    main()
