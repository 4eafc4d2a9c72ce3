"""The shared tailer behind all live logs of a process: one look at the database every 250 ms for every run that is watched.

Followers join and leave; the tailer runs while there are any. Its looks share one thread and one database connection, however
many followers there are. A follower that can't keep up is not waited for: it reads on from the database at its own pace.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import sync_to_async

from runs.look import Event, Look, close, look_again, page

POLL_SECONDS = 0.25
# After a failed look: the database may be restarting, and needs no more callers.
PAUSE_SECONDS = 2.0
HEARTBEAT_SECONDS = 15.0
# A stream ends after this and the client resumes: rights are checked again, and no connection is for ever.
LASTING_SECONDS = 300.0
# What a follower may have waiting, in events. They are shared between followers.
MOST_WAITING = 2000
# A follower whose client has taken nothing for so long is gone, whatever TCP believes.
STUCK_SECONDS = 30.0

STATE = Event(b"event: state\ndata: {}\n\n")
END = Event(b"event: end\ndata: {}\n\n")
HEARTBEAT = Event(b": alive\n\n")
# Not sent: tells the follower itself to read the lines up to `seq` page by page.
CATCH_UP = b""

log = logging.getLogger(__name__)
# Reads what was written before a follower joined: beside the looks, so that a long log being opened delays nobody's tail.
_pages = ThreadPoolExecutor(1, thread_name_prefix="live-log-pages")


@dataclass(eq=False)
class Follower:
    """One live log that somebody watches."""

    run_pk: int
    waiting: asyncio.Queue[Event] = field(default_factory=lambda: asyncio.Queue(MOST_WAITING))
    # Whether news go into its queue. Not yet, or not any more: then the next look says up to where it has to read by itself.
    fed: bool = False
    fell_behind: bool = False
    # Since when the client's connection has been holding an event, and the task that waits there.
    handed_at: float | None = None
    task: asyncio.Task[Any] | None = None

    def feed(self, events: Iterable[Event]) -> None:
        """Queue what happened. A follower whose queue is full loses it all, and reads on from the database."""
        for event in events:
            if self.waiting.full():
                while not self.waiting.empty():
                    self.waiting.get_nowait()
                self.fed, self.fell_behind = False, True
                return
            self.waiting.put_nowait(event)

    def begin(self, seq: int) -> None:
        """Feed it from now on; what was written before, up to line `seq`, it reads by itself."""
        self.fed = True
        self.feed([Event(CATCH_UP, seq), STATE] if self.fell_behind else [Event(CATCH_UP, seq)])

    def drop_if_stuck(self, now: float) -> None:
        """End the stream of a client that has stopped taking what it's sent."""
        if self.task is not None and self.handed_at is not None and now - self.handed_at > STUCK_SECONDS:
            self.task.cancel()


@dataclass
class Watched:
    """A run with followers: the last line told (None before the first look), and how it stood at the last look."""

    followers: set[Follower] = field(default_factory=set)
    seq: int | None = None
    standing: Any = None
    over: bool = False


class Tailer:
    """Looks for all watched runs while there are any. One per process, used from one event loop."""

    def __init__(self) -> None:
        self.watched: dict[int, Watched] = {}
        self._task: asyncio.Task[None] | None = None

    def join(self, follower: Follower) -> None:
        """Begin to feed a follower."""
        self.watched.setdefault(follower.run_pk, Watched()).followers.add(follower)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def leave(self, follower: Follower) -> None:
        """Feed it no more; the tailer stops with the last one."""
        watched = self.watched.get(follower.run_pk)
        if watched is not None:
            watched.followers.discard(follower)
            if not watched.followers:
                del self.watched[follower.run_pk]

    async def _run(self) -> None:
        thread = ThreadPoolExecutor(1, thread_name_prefix="live-log")
        try:
            while self.watched:
                await asyncio.sleep(await self._round(_on(thread, look_again)))
        finally:
            # First: whoever joins while this one closes its connection begins a new task.
            self._task = None
            thread.submit(close)
            thread.shutdown(wait=False)

    async def _round(self, look: Callable[..., Any]) -> float:
        """One look, told to everybody; returns the seconds until the next."""
        asked = {pk: watched.seq for pk, watched in self.watched.items()}
        now = time.monotonic()
        for watched in self.watched.values():
            for follower in watched.followers:
                follower.drop_if_stuck(now)
        try:
            found: Look = await look(asked)
        except Exception:
            # Streams stay open with their heartbeats; whatever happened meanwhile is found by the next look.
            log.exception("the live log can't read the database; trying again in %s s", PAUSE_SECONDS)
            return PAUSE_SECONDS
        for pk in asked:
            # A run that was left and joined again meanwhile is at its beginning: this look isn't its own.
            if pk in self.watched and self.watched[pk].seq == asked[pk]:
                _tell(self.watched[pk], pk, found)
        return 0 if found.cut else POLL_SECONDS


def _on(thread: ThreadPoolExecutor, function: Callable[..., Any]) -> Callable[..., Any]:
    return sync_to_async(function, thread_sensitive=False, executor=thread)


def _tell(watched: Watched, pk: int, found: Look) -> None:
    """Feed a run's followers with what a look found."""
    first = watched.seq is None
    events = found.lines.get(pk, [])
    watched.seq = events[-1].seq if events else found.starts.get(pk, watched.seq or 0)
    standing = found.standings.get(pk)
    if standing != watched.standing and not first:
        events = [*events, STATE]
    # Lines may be written just before a run's end and be seen just after it: the end is told one quiet look later.
    ended = watched.over and not events
    watched.standing, watched.over = standing, pk in found.over
    for follower in watched.followers:
        if follower.fed:
            follower.feed([*events, END] if ended else events)
        else:
            follower.begin(watched.seq)


TAILER = Tailer()


async def follow(run_pk: int, after: int) -> AsyncGenerator[bytes, None]:
    """Server-sent events: the run's lines after number `after`, then what happens.

    Ends with END when the run is over and told to its last line, and without it after LASTING_SECONDS: the caller then resumes
    after the last line it got.
    """
    follower = Follower(run_pk, task=asyncio.current_task())
    TAILER.join(follower)
    try:
        async with aclosing(_events(follower, after)) as events:
            async for event in events:
                follower.handed_at = time.monotonic()
                yield event.data
                follower.handed_at = None
    finally:
        TAILER.leave(follower)


async def _events(follower: Follower, after: int) -> AsyncGenerator[Event, None]:
    until = time.monotonic() + LASTING_SECONDS
    yield HEARTBEAT
    while time.monotonic() < until:
        event = await _within(HEARTBEAT_SECONDS, follower.waiting.get()) or HEARTBEAT
        if event.data == CATCH_UP:
            while time.monotonic() < until and (piece := await _on(_pages, page)(follower.run_pk, after, event.seq)):
                for line in piece:
                    yield line
                after = piece[-1].seq
        elif event.seq == 0 or event.seq > after:
            yield event
            after = max(after, event.seq)
        if event is END:
            return


async def _within(seconds: float, waited: Any) -> Any:
    try:
        return await asyncio.wait_for(waited, seconds)
    except TimeoutError:
        return None
