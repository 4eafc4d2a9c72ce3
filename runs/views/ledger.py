"""The schedule page: what was missed, the week, and what became of every moment so far."""

import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs.permissions import visible_jobs
from runs.catchup import MOST_AT_ONCE, dismiss, open_misses, run_missed
from runs.ledger import balance
from runs.models import Fire
from runs.states import Outcome
from runs.views.week import asked_of, week_context
from runs.visibility import may_settle, runnable_fires, visible_fires

DAY = datetime.timedelta(days=1)
MISSES_ON_A_PAGE = 200
FIRES_ON_A_PAGE = 50


@login_required
@require_GET
def schedule_page(request: HttpRequest) -> HttpResponse:
    """Misses to settle first, then a week, then the ledger, by job and outcome if asked, page by page."""
    now = timezone.now()
    asked = asked_of(request, now)
    fires = visible_fires(request.user)
    misses = open_misses().filter(pk__in=fires.values("pk"))
    past = _filtered(request, fires)
    page = list(past[: FIRES_ON_A_PAGE + 1])
    context = {
        "section": "schedule",
        "zone": asked.zone,
        "misses": list(misses[:MISSES_ON_A_PAGE]),
        "miss_count": misses.count(),
        "may_settle": may_settle(request.user),
        "waiting": fires.filter(outcome=Outcome.WAITING).count(),
        "at_once": MOST_AT_ONCE,
        **week_context(asked, visible_jobs(request.user), fires, now),
        "balances": [
            ("last 24 hours", balance(fires, now - DAY, now)),
            ("the 24 before", balance(fires, now - 2 * DAY, now - DAY)),
        ],
        "fires": page[:FIRES_ON_A_PAGE],
        "older": _cursor(page[FIRES_ON_A_PAGE - 1]) if len(page) > FIRES_ON_A_PAGE else "",
        "outcomes": Outcome.choices,
        "job": request.GET.get("job", ""),
        "outcome": request.GET.get("outcome", ""),
        "before": request.GET.get("before", ""),
    }
    return render(request, "runs/schedule.html", context)


@login_required
@require_POST
def settle_misses(request: HttpRequest) -> HttpResponse:
    """Run or dismiss missed moments: those that were ticked, or all of them."""
    chosen = runnable_fires(request.user)
    if request.POST.get("which") != "all":
        numbers = [
            int(text) for text in request.POST.getlist("fire") if text.isascii() and text.isdigit() and len(text) < 19
        ]
        chosen = chosen.filter(pk__in=numbers)
    by = f"user:{request.user.get_username()}"
    if request.POST.get("act") == "dismiss":
        messages.info(request, f"{_count(dismiss(chosen, by=by))} dismissed; the ledger keeps them as missed.")
    elif request.POST.get("act") == "run":
        asked = run_missed(chosen, by=by)
        messages.info(request, f"{_count(asked)} to be caught up, at most {MOST_AT_ONCE} at a time.")
    else:
        messages.error(request, "Nothing done: choose to run or to dismiss.")
    return redirect("runs:schedule")


def _count(number: int) -> str:
    return f"{number:,} missed fire{'s' * (number != 1)}"


def _filtered(request: HttpRequest, fires: Any) -> Any:
    job, outcome, before = (request.GET.get(name, "") for name in ("job", "outcome", "before"))
    if job:
        fires = fires.none() if "\0" in job else fires.filter(job_id=job)
    if outcome in Outcome.values:
        fires = fires.filter(outcome=outcome)
    at, _, number = before.partition("_")
    if number.isascii() and number.isdigit() and len(number) < 19 and (moment := _moment(at)):
        fires = fires.filter(scheduled_at__lte=moment).exclude(scheduled_at=moment, pk__gte=int(number))
    return fires.select_related("run").only(*SHOWN).order_by("-scheduled_at", "-pk")


SHOWN = (
    *(field.name for field in Fire._meta.concrete_fields),
    "run__run_id",
    "run__state",
)


def _cursor(fire: Fire) -> str:
    return f"{fire.scheduled_at.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}_{fire.pk}"


def _moment(text: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)
    except ValueError:
        return None
