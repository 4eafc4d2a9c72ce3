"""The live log as server-sent events."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connection
from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views.decorators.http import require_GET
from rest_framework.exceptions import APIException

from runs.api.identity import HeaderToken
from runs.follow import follow
from runs.visibility import visible_runs

MOST_STREAMS = 1000
MOST_STREAMS_OF_A_USER = 20
# A stream whose client left before its first byte never begins; its place is given away after this.
UNUSED_SECONDS = 30.0
# What the browser waits before it resumes, in milliseconds.
PREAMBLE = b"retry: 2000\n\n"


class Refused(Exception):
    """A stream that isn't opened; becomes the answer."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        self.response = JsonResponse({"detail": detail}, status=status, headers=headers)
        super().__init__(detail)


@dataclass(eq=False)
class Place:
    """One open stream of a user."""

    user_pk: int
    taken_at: float = field(default_factory=time.monotonic)
    used: bool = False


PLACES: set[Place] = set()


def take_place(user_pk: int) -> Place:
    """A place for one more stream; Refused with 429 or 503 when there is none."""
    before = time.monotonic() - UNUSED_SECONDS
    PLACES.difference_update([place for place in PLACES if not place.used and place.taken_at < before])
    if sum(place.user_pk == user_pk for place in PLACES) >= MOST_STREAMS_OF_A_USER:
        raise Refused(
            429, f"You have {MOST_STREAMS_OF_A_USER} live logs open already; close one.", **{"Retry-After": "10"}
        )
    if len(PLACES) >= MOST_STREAMS:
        raise Refused(503, f"{MOST_STREAMS} live logs are open, the most there can be.", **{"Retry-After": "30"})
    place = Place(user_pk)
    PLACES.add(place)
    return place


@require_GET
async def log_stream(request: HttpRequest, run_id: str) -> HttpResponseBase:
    """`line`, `state`, `end` and `gap` events of a run, after `Last-Event-ID` or `?after=`.

    401 for nobody, 404 for a run that isn't there or isn't visible, 429 and 503 beyond the limits.
    """
    try:
        user_pk, run_pk = await sync_to_async(_admit)(request, run_id)
        after = _resume_after(request)
        place = take_place(user_pk)
    except Refused as refused:
        return refused.response
    response = StreamingHttpResponse(_stream(place, run_pk, after), content_type="text/event-stream")
    # nginx would collect the events before it passes them on.
    response["X-Accel-Buffering"] = "no"
    response["Cache-Control"] = "no-store"
    return response


async def _stream(place: Place, run_pk: int, after: int) -> AsyncIterator[bytes]:
    place.used = True
    PLACES.add(place)
    try:
        yield PREAMBLE
        async with aclosing(follow(run_pk, after)) as events:
            async for data in events:
                yield data
    finally:
        PLACES.discard(place)


def _admit(request: HttpRequest, run_id: str) -> tuple[int, int]:
    """(user, run) by their numbers; Refused. Gives the connection back: a stream lives long and must not hold one."""
    try:
        user = _caller(request)
        run_pk = (
            None if "\0" in run_id else visible_runs(user).filter(run_id=run_id).values_list("pk", flat=True).first()
        )
        if run_pk is None:
            raise Refused(404, "Not found.")
        return user.pk, run_pk
    finally:
        if not connection.in_atomic_block:
            connection.close()


def _caller(request: HttpRequest) -> Any:
    try:
        found = HeaderToken().authenticate(request)
    except APIException as error:
        raise Refused(401, str(error.detail), **{"WWW-Authenticate": "Token"}) from error
    user = found[0] if found else request.user
    if not user.is_authenticated:
        raise Refused(401, "Sign in, or send a token.", **{"WWW-Authenticate": "Token"})
    return user


def _resume_after(request: HttpRequest) -> int:
    given = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    if not (given.isascii() and given.isdigit() and len(given) <= 10):
        raise Refused(400, f"Expected the number of a line to resume after, found {given[:40]!r}.")
    return int(given)
