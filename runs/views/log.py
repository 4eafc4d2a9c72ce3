"""The log of a run's page: one piece of it at a time, chosen by place, level, step and text."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_GET

from runs.api.log import LAST_SEQ, LEVELS, chosen_lines
from runs.models import LogLine, Run
from runs.visibility import visible_runs

LINES_OF_A_PIECE = 500
# How many lines one request searches for those that pass a filter; the next one goes on from there.
REACH = 50_000
LONGEST_SOUGHT = 200
# Stands for the lines that no step has written.
NO_STEP = "-"


@dataclass(frozen=True)
class Asked:
    """What a query string asks for. What can't be, such as a level that there isn't, counts as not given."""

    level: str
    step: str
    text: str
    before: int | None
    after: int | None
    around: int | None

    @property
    def filters(self) -> dict[str, str]:
        """Those given, as in the query string."""
        given = {"level": self.level, "step": self.step, "q": self.text}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Piece:
    """Lines in order. All that pass the filters of `first` to `last`, two numbers; the log's last line is `end`."""

    lines: list[LogLine]
    first: int
    last: int
    end: int


@login_required
@require_GET
def log_lines(request: HttpRequest, run_id: str) -> HttpResponse:
    """A piece of the log as the page has it, for the script that moves the page's window over the log."""
    run = None if "\0" in run_id else visible_runs(request.user).only("run_id", "state").filter(run_id=run_id).first()
    if run is None:
        raise Http404("There is no such run.")
    asked = asked_of(request.GET)
    return render(request, "runs/_lines.html", {"run": run, "asked": asked, "piece": read_piece(run, asked)})


def log_context(request: HttpRequest, run: Run) -> dict[str, Any]:
    """What `runs/_log.html` shows: the end of the log, or the piece that the query string asks for."""
    asked = asked_of(request.GET)
    piece = read_piece(run, asked)
    return {
        "asked": asked,
        "piece": piece,
        "found": _found(piece) if asked.filters else "",
        "go": _links(asked, piece),
        "levels": LEVELS,
        "log_steps": _steps(run, asked.step),
    }


def asked_of(query: QueryDict) -> Asked:
    """The query string's wishes."""
    # The log's writer has replaced these characters too.
    level, step, text = (query.get(name, "").replace("\0", "\ufffd") for name in ("level", "step", "q"))
    places = (_number(query.get(name, "")) for name in ("before", "after", "around"))
    return Asked(level if level in LEVELS else "", step, text[:LONGEST_SOUGHT], *places)


def read_piece(run: Run, asked: Asked) -> Piece:
    """The piece that is asked for; the end of the log when no place is given."""
    end = LogLine.objects.filter(run=run).order_by("-seq").values_list("seq", flat=True).first() or 0
    lines, reach = _passing(run, asked), REACH if asked.filters else LINES_OF_A_PIECE
    if asked.after is not None:
        after = min(asked.after, end)
        found, last = _onward(lines, after, min(after + reach, end), LINES_OF_A_PIECE)
        return Piece(found, after + 1, last, end)
    if asked.around is not None:
        around, half = max(min(asked.around, end), 1), LINES_OF_A_PIECE // 2
        earlier, first = _back(lines, around, max(around - reach // 2, 1), half)
        later, last = _onward(lines, around - 1, min(around - 1 + reach // 2, end), half)
        return Piece(earlier + later, first, last, end)
    before = end + 1 if asked.before is None else max(min(asked.before, end + 1), 1)
    found, first = _back(lines, before, max(before - reach, 1), LINES_OF_A_PIECE)
    return Piece(found, first, before - 1, end)


def _passing(run: Run, asked: Asked) -> QuerySet[LogLine]:
    lines = chosen_lines(run, asked.level, "" if asked.step == NO_STEP else asked.step)
    if asked.step == NO_STEP:
        lines = lines.filter(step="")
    return lines.filter(text__icontains=asked.text) if asked.text else lines


def _back(lines: QuerySet[LogLine], before: int, first: int, most: int) -> tuple[list[LogLine], int]:
    """The last lines of `first` up to `before`, and the number from which on none is left out."""
    found = list(lines.filter(seq__gte=first, seq__lt=before).order_by("-seq")[:most])
    return found[::-1], found[-1].seq if len(found) == most else first


def _onward(lines: QuerySet[LogLine], after: int, last: int, most: int) -> tuple[list[LogLine], int]:
    """The first lines after `after` up to `last`, and the number up to which none is left out."""
    found = list(lines.filter(seq__gt=after, seq__lte=last)[:most])
    return found, found[-1].seq if len(found) == most else last


def _found(piece: Piece) -> str:
    """Said again by log.js as its window moves."""
    return f"Searched lines {piece.first:,} to {piece.last:,} of {piece.end:,}: {len(piece.lines):,} found"


def _links(asked: Asked, piece: Piece) -> dict[str, str]:
    places: dict[str, dict[str, Any]] = {"first": {"after": 0}, "newest": {}}
    if piece.first > 1:
        places["earlier"] = {"before": piece.first}
    if piece.last < piece.end:
        places["later"] = {"after": piece.last}
    return {name: f"?{urlencode({**asked.filters, **place})}#log" for name, place in places.items()}


def _steps(run: Run, chosen: str) -> list[str]:
    """The names of the run's steps, each once; the chosen one even when it's none of them."""
    names = [str(step["name"]) for step in run.snapshot.get("steps", [])]
    return list(dict.fromkeys([*names, chosen] if chosen not in ("", NO_STEP) else names))


def _number(text: str) -> int | None:
    """The number of a line; None for anything else."""
    return min(int(text), LAST_SEQ - 1) if text.isascii() and text.isdigit() and len(text) <= 18 else None
