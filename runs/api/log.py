"""A run's log for programs: pieces of JSON, or the whole as a text file."""

from collections.abc import AsyncIterator
from typing import Any

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from runs.api.base import ApiView, visible_run
from runs.api.serializers import LogSerializer
from runs.log_text import plain_line
from runs.models import LogLine, Run

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MOST_LINES = 5000
LAST_SEQ = 2**31 - 1


class PlainText(BaseRenderer):  # type: ignore[misc]
    """What `?format=text` and `Accept: text/plain` choose."""

    media_type = "text/plain"
    format = "text"
    charset = "utf-8"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        """An error's sentence; a log is streamed and never comes here."""
        return f"{data.get('detail', data) if isinstance(data, dict) else data}\n".encode()


class LogQuery(serializers.Serializer):  # type: ignore[misc]
    """The query string of a log."""

    after = serializers.IntegerField(default=0, min_value=0, max_value=LAST_SEQ)
    limit = serializers.IntegerField(default=1000, min_value=1, max_value=MOST_LINES)
    level = serializers.ChoiceField(choices=LEVELS, required=False, help_text="This level and the graver ones.")
    step = serializers.CharField(required=False, max_length=100)


class LogView(ApiView):
    """The lines after `after`, in order."""

    renderer_classes = [JSONRenderer, PlainText]

    @extend_schema(
        parameters=[
            LogQuery,
            OpenApiParameter("format", str, enum=["json", "text"], description="`text`: the whole log as a file."),
        ],
        responses={(200, "application/json"): LogSerializer, (200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request, run_id: str) -> Any:
        """A piece of the run's log, or all of it as text."""
        run = visible_run(request.user, run_id, light=True)
        query = LogQuery(data=request.query_params)
        if not query.is_valid():
            raise ValidationError(query.errors)
        wanted = query.validated_data
        lines = chosen_lines(run, wanted.get("level"), wanted.get("step"))
        if request.accepted_renderer.format == PlainText.format:
            return download(run, lines, wanted["after"])
        return Response(LogSerializer(_piece(run, lines, wanted["after"], wanted["limit"])).data)


def chosen_lines(run: Run, level: str | None, step: str | None) -> QuerySet[LogLine]:
    """The run's lines in order, of a level or graver, of one step."""
    lines = LogLine.objects.filter(run=run).order_by("seq")
    if level:
        lines = lines.filter(level__in=LEVELS[LEVELS.index(level) :])
    return lines.filter(step=step) if step else lines


def _piece(run: Run, lines: QuerySet[LogLine], after: int, limit: int) -> dict[str, Any]:
    found = list(lines.filter(seq__gt=after)[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return {
        "run_id": run.run_id,
        "state": run.state,
        "lines": found,
        "next_after": found[-1].seq if found else after,
        # The run was read before its lines: when it was over by then, no line can have come since.
        "complete": run.is_over and not more,
    }


def download(run: Run, lines: QuerySet[LogLine], after: int = 0) -> StreamingHttpResponse:
    """The lines as a text file, read piece by piece: the longest log needs the memory of one piece."""
    response = StreamingHttpResponse(_text(lines, after), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{run.run_id}.log"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _text(lines: QuerySet[LogLine], after: int) -> AsyncIterator[str]:
    while piece := await sync_to_async(_lines_after)(lines, after):
        yield "".join(
            plain_line(line.seq, line.at.isoformat(timespec="milliseconds"), line.level, line.step, line.text)
            for line in piece
        )
        after = piece[-1].seq


def _lines_after(lines: QuerySet[LogLine], after: int) -> list[LogLine]:
    return list(lines.filter(seq__gt=after)[:MOST_LINES])
