"""`make bench-pages`: the server's time for every page, with a thousand jobs, a million runs and twenty million log lines.

The history is made once and kept where `--keep` says; it needs 16 GB and five minutes. Pages are asked for in this process, through
all of Django, by an administrator, by somebody who sees fifty jobs, and by somebody whose only job hardly ever ran. Reference of
the same run: 50 runs by primary key over the same connection, which is the least that a page of runs costs. PostgreSQL
as it comes, without tuning. Exits 1 where a page's median is over 300 ms or its answer isn't the expected one.
"""

import argparse
import datetime
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync
from history import BUSY, QUIET, RARE_PERSON, RARE_TAG, Size, add_sizes, fill, job_id, set_up
from servers import postgresql

LIMIT = 0.300
SLOW_QUERY = 0.050
OK = 200


def main() -> None:
    """Make or take the history, measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--keep", type=Path, help="folder of the history, used again if it's there (default: a temporary one)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="times that each page is asked for (default 5)")
    parser.add_argument("--only", default="", help="pages whose address has this in it")
    parser.add_argument("--explain", action="store_true", help="show the plans of slow queries")
    add_sizes(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nomaflow-bench-") as name:
        folder = (options.keep or Path(name)).absolute()
        fill(folder, Size(options.jobs, options.runs, options.lines))
        with postgresql(folder) as url:
            assert url
            set_up(folder, url)
            slow = measure(options)
    raise SystemExit(1 if slow else 0)


def measure(options: argparse.Namespace) -> int:
    """A line per page and account; how many were too slow or wrong."""
    from django.contrib.auth.models import User
    from django.test import Client

    reference = median_of(options.rounds, by_primary_key())
    print(f"reference: 50 runs by primary key {reference * 1000:.1f} ms\n")
    print(f"{'median':>9} {'worst':>9} {'/ ref':>6} {'queries':>7}  page")
    wrong = 0
    for name in ("olga", "fifty", "quiet"):
        client = Client(SERVER_NAME="localhost", raise_request_exception=False)
        client.force_login(User.objects.get(username=name))
        for address in addresses(name):
            if options.only in address:
                wrong += one_page(client, name, address, options, reference)
    # Where this one is far from the first, something else kept the machine busy.
    print(
        f"\nreference again: {median_of(options.rounds, by_primary_key()) * 1000:.1f} ms; {wrong} pages too slow or wrong"
    )
    return wrong


def one_page(client: Any, name: str, address: str, options: argparse.Namespace, reference: float) -> bool:
    """Print a page's line; True where it's too slow or not what was expected."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times, status = [], OK
    for _ in range(options.rounds):
        began = time.perf_counter()
        status = read(client, address)
        times.append(time.perf_counter() - began)
    with CaptureQueriesContext(connection) as queries:
        read(client, address)
    median, worst = statistics.median(times), max(times)
    bad = median > LIMIT or status != OK
    note = f"  status {status}" if status != OK else "  TOO SLOW" if bad else ""
    figures = f"{median * 1000:6.0f} ms {worst * 1000:6.0f} ms {median / reference:6.1f} {len(queries):7}"
    print(f"{figures}  {name} {address}{note}", flush=True)
    for query in queries:
        if options.explain and float(query["time"]) > SLOW_QUERY:
            explain(query["sql"], float(query["time"]))
    return bad


def read(client: Any, address: str) -> int:
    """Ask and take the answer, of a file its first piece, which is what its receiver waits for; the status."""
    answer = client.get(address)
    if answer.streaming:
        async_to_sync(first_pieces)(answer.streaming_content)
    answer.close()
    status: int = answer.status_code
    return status


async def first_pieces(pieces: AsyncIterator[bytes]) -> None:
    """The line of names and what follows it."""
    await anext(pieces), await anext(pieces)


def explain(sql: str, seconds: float) -> None:
    """The plan of one query."""
    from django.db import connection

    print(f"    {seconds * 1000:.0f} ms: {sql[:1500]}")
    if sql.lstrip().upper().startswith(("SELECT", "WITH")):
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql.replace('%', '%%')}", [])
            print("".join(f"      {line}\n" for (line,) in cursor.fetchall()))


def addresses(name: str) -> Iterator[str]:
    """Every page that the person may open, the nasty filters included."""
    from runs.models import Run

    newest = Run.objects.order_by("-pk").first()
    busy, usual = BUSY, job_id(42)
    if newest is None:
        raise SystemExit("there are no runs in the history")
    ago = {days: f"{newest.created_at - datetime.timedelta(days=days):%Y-%m-%d}" for days in (1, 60, 61)}
    middle, last = newest.pk // 2, 60
    yield from ("/", "/jobs/", "/jobs/?q=area+4", "/jobs/?tag=web", "/jobs/?state=FAILED", "/jobs/?state=never")
    yield from ("/schedule/", "/notifications/", "/runs/", f"/runs/?before={middle}", f"/runs/?before={last}")
    yield f"/runs/?after={middle}"
    runs = [
        "state=FAILED",
        "state=QUEUED",
        "state=QUEUED&state=RUNNING",
        "state=SUCCEEDED&state=CANCELED",
        f"job={busy}",
        f"job={usual}",
        f"job={QUIET[0]}",
        "job=etl*",
        "job=etl-00*",
        "tag=web",
        f"tag={RARE_TAG}",
        f"tag={RARE_TAG}&state=FAILED",
        "trigger=cron",
        "trigger=user",
        "trigger=api",
        "trigger=cli",
        "user=anna",
        f"user={RARE_PERSON}",
        "user=nobody-at-all",
        f"user={RARE_PERSON}&state=FAILED",
        f"from={ago[1]}",
        f"from={ago[61]}&to={ago[60]}",
        f"from={ago[61]}&to={ago[60]}&state=FAILED&tag=web",
        f"from={ago[61]}&to={ago[60]}&user={RARE_PERSON}",
        f"from={ago[61]}&to={ago[60]}&state=QUEUED",
        "from=2000-01-01&to=2000-02-01",
        f"job={busy}&state=QUEUED",
        f"job={busy}&user={RARE_PERSON}",
        f"job={busy}&trigger=cli",
        "tag=web&user=anna",
        "tag=web&trigger=cli",
        "tag=web&state=QUEUED",
        "trigger=cron&user=anna",
        "trigger=user&state=RUNNING",
        "text=eu-3",
        "text=nowhere-to-be-found",
        "text=gAAAA",
        "text=ticket%3DOPS&trigger=user",
        "text=nowhere&tag=web",
        f"text=nowhere&job={busy}",
        f"text=nowhere&from={ago[61]}",
        "text=nowhere&state=FAILED",
        f"text=nowhere&tag={RARE_TAG}",
    ]
    yield from (f"/runs/?{query}" for query in runs)
    yield from ("/runs/?format=csv", "/runs/?format=csv&tag=web", "/runs/?format=csv&text=eu-3")
    if name == "quiet":
        return
    yield from (f"/jobs/{busy}/", f"/jobs/{busy}/run/")
    if name != "olga":
        return
    yield from (f"/jobs/{usual}/", "/jobs/etl-003/", f"/runs/{newest.run_id}/", f"/runs/{newest.run_id}/standing/")
    failed = Run.objects.filter(state="FAILED").order_by("-pk").first()
    if failed:
        yield from (f"/runs/{failed.run_id}/", f"/runs/{failed.run_id}/replay/")
    lines = [
        "",
        "around=100000",
        "before=100000",
        "after=150000",
        "level=WARNING",
        "q=line+123456",
        "q=nowhere",
        "step=load",
    ]
    yield from (f"/runs/{newest.run_id}/?{query}" for query in lines)
    yield from (f"/runs/{newest.run_id}/log/lines/?{query}" for query in lines)
    yield from (
        f"/admin/{page}"
        for page in ("", "jobs/job/", "runs/run/", "runs/fire/", "runs/workernode/", "connectors/connector/")
    )
    yield from (f"/admin/jobs/job/{busy}/change/", "/admin/runs/run/?state__exact=QUEUED", f"/admin/runs/run/?q={busy}")
    yield from ("/admin/runs/run/?p=100", "/admin/runs/fire/?outcome__exact=missed", "/api/v1/runs/", "/api/v1/jobs/")


def by_primary_key() -> Callable[[], object]:
    """The reference."""
    from runs.models import Run

    pks = list(Run.objects.order_by("-pk").values_list("pk", flat=True)[:50])
    return lambda: list(Run.objects.filter(pk__in=pks))


def median_of(rounds: int, work: Callable[[], object]) -> float:
    """Seconds."""
    times = []
    for _ in range(max(rounds, 5)):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


if __name__ == "__main__":
    sys.exit(main())
