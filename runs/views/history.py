"""The list of all runs: filtered, downloaded, and acted upon many at a time."""

import datetime
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs.permissions import visible_jobs
from runs.bulk import allowed_jobs, cancel_runs, replay_runs
from runs.catalogue import tags_of
from runs.history import ANY_END, TRIGGERS, Filters, read_filters
from runs.models import Run
from runs.progress import Progress, last_attempts, progress_of
from runs.search import LOOK_BACK, Page, page_of
from runs.spreadsheet import csv_head, csv_rows
from runs.states import ACTIVE, RunState
from runs.visibility import visible_runs

RUNS_ON_A_PAGE = 50
RUNS_IN_A_PIECE = 500
# More than a page shows, and little enough to act upon while somebody waits.
MOST_AT_ONCE = 100


@dataclass(frozen=True)
class Row:
    """A run as the list shows it."""

    run: Run
    progress: Progress

    @property
    def wait(self) -> float | None:
        """Seconds between asking for the run and its start."""
        return (self.run.started_at - self.run.created_at).total_seconds() if self.run.started_at else None


@login_required
@require_GET
def run_list(request: HttpRequest) -> HttpResponseBase:
    """The newest runs that match the address, older ones page by page; with `format=csv` all of them as a file."""
    filters = read_filters(request.GET)
    if request.GET.get("format") == "csv":
        return _download(request, filters)
    before, after = (_number(request.GET.get(name, "")) for name in ("before", "after"))
    page = Page([]) if filters.faults else page_of(request.user, filters, RUNS_ON_A_PAGE, before=before, after=after)
    context = {
        "section": "runs",
        "filters": filters,
        "page": page,
        "rows": rows_of(page),
        "looked_at": f"{LOOK_BACK:,}",
        "addresses": _addresses(filters, page, paged=before is not None or after is not None),
        "states": RunState.choices,
        "triggers": TRIGGERS.items(),
        "tags": tags_of(visible_jobs(request.user)),
        "live": 3 if any(run.state in ACTIVE for run in page.runs) else 15,
        **_allowed(request.user, page),
    }
    return render(request, "runs/list.html", context, status=400 if filters.faults else 200)


def rows_of(page: Page) -> list[Row]:
    """A row for each run of the page; one query."""
    attempts = last_attempts(page.runs)
    return [Row(run, progress_of(run.step_count, attempts.get(run.pk, []))) for run in page.runs]


def _addresses(filters: Filters, page: Page, *, paged: bool) -> dict[str, str]:
    """Of the pages beside this one and of the file, each with the same filters; empty where there is none."""
    return {
        "newest": f"?{filters.query()}" if paged else "",
        "newer": f"?{filters.query(after=page.newer)}" if page.newer else "",
        "older": f"?{filters.query(before=page.older)}" if page.older else "",
        "csv": f"?{filters.query(format='csv')}",
        "beginning": f"?{replace(filters, job=filters.job + ANY_END).query()}",
    }


def _allowed(user: Any, page: Page) -> dict[str, bool]:
    verbs = {"may_cancel": "cancel_job", "may_replay": "run_job"}
    allowed = {
        name: allowed_jobs(user, permission, [run.job_id for run in page.runs]) for name, permission in verbs.items()
    }
    found = {name: any(may(run.job_id) for run in page.runs) for name, may in allowed.items()}
    return {**found, "may_act": any(found.values())}


@login_required
@require_POST
def act_on_runs(request: HttpRequest) -> HttpResponse:
    """Cancel or replay the runs that were ticked, or all that the page showed."""
    run_ids = request.POST.getlist("shown" if request.POST.get("which") == "all" else "run")
    runs = list(visible_runs(request.user).filter(run_id__in=[r for r in run_ids if "\0" not in r][:MOST_AT_ONCE]))
    verb, done = VERBS.get(request.POST.get("act", ""), (None, ""))
    if verb is None:
        messages.error(request, "Nothing done: choose to cancel or to replay.")
    elif len(run_ids) > MOST_AT_ONCE:
        messages.error(request, f"Nothing done: found {len(run_ids)} runs, expected {MOST_AT_ONCE} at most at a time.")
    elif not runs:
        messages.warning(request, "Nothing done: tick the runs first." if not run_ids else "Nothing done: no such run.")
    else:
        told = verb(request.user, runs)
        messages.add_message(request, messages.SUCCESS if told.went_well else messages.WARNING, told.sentences(done))
    return redirect(_list_address(request.POST.get("back", "")))


VERBS = {"cancel": (cancel_runs, "Cancelling"), "replay": (replay_runs, "Started")}


def _list_address(query: str) -> str:
    """The list again, as it was filtered; only its own query string is taken from the form."""
    clean = query.partition("#")[0] if query.isprintable() else ""
    return reverse("runs:runs") + (f"?{clean}" if clean else "")


def _download(request: HttpRequest, filters: Filters) -> HttpResponseBase:
    """All matching runs, read piece by piece: a million of them need the memory of one piece."""
    if filters.faults:
        return HttpResponse("\n".join(filters.faults) + "\n", status=400, content_type="text/plain; charset=utf-8")
    response = StreamingHttpResponse(_csv(request.user, filters), content_type="text/csv; charset=utf-8")
    name = f"runs-{timezone.now().astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _csv(user: Any, filters: Filters) -> AsyncIterator[str]:
    yield csv_head()
    before: int | None = None
    while True:
        text, before = await sync_to_async(_piece)(user, filters, before)
        yield text
        if before is None:
            return


def _piece(user: Any, filters: Filters, before: int | None) -> tuple[str, int | None]:
    page = page_of(user, filters, RUNS_IN_A_PIECE, before=before)
    return csv_rows(page.runs), page.older


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
