"""The process of one step: reads its request, runs the step type, says how it ended. Lives in a fork of the fork server."""

import contextlib
import io
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

from django.conf import settings

from connectors.definition import ConnectorError, Definition
from connectors.kinds import kinds
from jobs.context import Context, PreviousStep
from jobs.steps import step_types
from jobs.steptype import ChildJob, Result, StepFailed
from nomaflow_site.lib.config import ConfigError
from runs.executor import protocol

# A step that says how far it is for every row shouldn't pay for it: at most this often is anything sent, in seconds.
PROGRESS_EVERY = 1.0
SOURCE = Path(__file__).resolve().parent.parent.parent
# Characters of one log record; a longer text becomes several.
LONGEST_RECORD = 100_000
# Libraries that explain themselves at length at DEBUG; a run at DEBUG is about the step.
QUIET = ("urllib3", "ldap3", "asyncio", "sqlalchemy", "psycopg", "django")


class StepCancelled(BaseException):
    """Raised inside the step by SIGTERM. Not an Exception, so that no `except Exception` in a plugin swallows it."""


def preload() -> None:
    """Import everything a step may need, once, before the first fork."""
    if not settings.configured:
        settings.configure(USE_I18N=False, USE_TZ=True)
    kinds()
    step_types()


def main(output: int, control: int) -> None:
    """Run the one step asked for on `control`, with everything printed going to `output`; never returns."""
    cancelled = _Cancelled()
    signal.signal(signal.SIGTERM, cancelled.on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _take_output(output)
    messages = protocol.Messages(socket.socket(fileno=control))
    code = protocol.EXIT_FAILED
    try:
        code = _run(messages, cancelled)
    except StepCancelled:
        code = protocol.EXIT_CANCELLED
    except EOFError:
        pass  # the supervisor went away before it asked for anything
    finally:
        cancelled.ignore()
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        os._exit(code)


class _Cancelled:
    """Remembers that SIGTERM came, and turns it into StepCancelled in the main thread."""

    def __init__(self) -> None:
        self.came = False

    def on_signal(self, *_: object) -> None:
        self.came = True
        raise StepCancelled

    def ignore(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _run(messages: protocol.Messages, cancelled: _Cancelled) -> int:
    request = messages.receive()
    _configure_logging(request["facts"]["log_level"])
    ctx = _context(request, _SocketLink(messages, cancelled))
    try:
        try:
            message = _perform(ctx, request)
        finally:
            ctx.close()
        # From here on the step is done: a cancel that comes now is too late to undo it, so it must not hide the result.
        cancelled.ignore()
        messages.send({"result": message})
        return protocol.EXIT_DONE
    except Exception as error:
        cancelled.ignore()
        messages.send({"error": _describe(error), "retry_after": getattr(error, "retry_after", None)})
        return protocol.EXIT_FAILED


def _perform(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    kind = step_types().get(request["type"])
    if kind is None:
        raise StepFailed(
            f"This worker knows no step type {request['type']!r}; it knows {', '.join(step_types())}. "
            "Update the worker, or take the step out of the job."
        )
    outcome = kind.run(ctx, kind.form.check(request["config"], tokens=False))
    if isinstance(outcome, ChildJob):
        return {"child": {"job_id": outcome.job_id, "params": outcome.params, "op_kwargs": outcome.op_kwargs}}
    return {"output": _json_only(outcome), "rows": outcome.rows}


def _json_only(outcome: Result) -> dict[str, Any]:
    try:
        json.dumps(outcome.output, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StepFailed(
            f"The step's output can't be kept as JSON ({error}). Return texts, numbers, true/false, None, lists and dicts; "
            "turn dates and decimals into texts first."
        ) from error
    return outcome.output


def _describe(error: Exception) -> str:
    """What an operator reads. An expected failure is its message; anything else also puts its traceback into the log."""
    if isinstance(error, StepFailed | ConnectorError):
        return str(error)
    if isinstance(error, ConfigError):
        return f"The step's configuration can't be used: {error}"
    _drop_own_frames(error)
    frames = "".join(traceback.format_exception(error))
    logging.getLogger("nomaflow.step").error("%s", frames.rstrip())
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _drop_own_frames(error: BaseException) -> None:
    """Begin the traceback where the step's own code begins: the frames above it are the same in every run."""
    own = tuple(str(SOURCE / app) for app in ("runs", "jobs", "connectors"))
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename.startswith(own) and frame.tb_next is not None:
        frame = frame.tb_next
    error.__traceback__ = frame


def _context(request: dict[str, Any], link: "_SocketLink") -> Context:
    return Context(
        **request["facts"],
        params=request["params"],
        link=link,
        previous={name: PreviousStep(**step) for name, step in request["previous"].items()},
        plugins=tuple(map(Path, request["plugins"])),
        log=logging.getLogger("nomaflow.step"),
    )


class _SocketLink:
    """The real `jobs.context.Link`: asks the supervising process over the control socket."""

    def __init__(self, messages: protocol.Messages, cancelled: _Cancelled) -> None:
        self._messages = messages
        self._cancelled = cancelled
        self._last_progress = 0.0
        # A plugin may use threads; a question and its answer belong together.
        self._lock = threading.Lock()

    def connector(self, name: str) -> Definition:
        """Ask for a connector; the supervising side opens its secrets and remembers to mask them."""
        answer = self._ask({"connector": name})
        if "refused" in answer:
            raise ConnectorError(answer["refused"])
        return Definition(**{**answer["connector"], "hidden": tuple(answer["connector"]["hidden"])})

    def progress(self, done: int, total: int | None, said: bool) -> None:
        """Tell the supervising side, at most once a second; the last word (`done == total`) always."""
        now = time.monotonic()
        if now - self._last_progress >= PROGRESS_EVERY or done == total:
            self._last_progress = now
            with self._lock:
                self._messages.send({"progress": [done, total, said]})

    def is_cancelled(self) -> bool:
        """Whether SIGTERM has come."""
        return self._cancelled.came

    def guard(self, text: str) -> None:
        """Have the supervising side write it down; the answer says that it has."""
        self._ask({"guard": str(text)})

    def prune(self, before: str) -> dict[str, int]:
        """Ask for one batch of old runs to be removed; the supervising side says no to all but internal step types."""
        answer = self._ask({"prune": before})
        if "refused" in answer:
            raise StepFailed(answer["refused"])
        return dict(answer["pruned"])

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._messages.send(question)
            return self._messages.receive()


def _take_output(output: int) -> None:
    """Everything printed, by Python or by a program it starts, goes to the output pipe."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = _Printed("INFO")
    sys.stderr = _Printed("WARNING")


class _Printed(io.TextIOBase):
    """Turns `print` into log records, line by line, in one order with the logging calls around them."""

    def __init__(self, level: str) -> None:
        self._level = level
        self._rest = ""

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def fileno(self) -> int:
        """The pipe itself, for programs that are started with `stdout=sys.stdout`."""
        return 1

    def write(self, text: str) -> int:
        """Emit every complete line."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            _emit(self._level, time.time(), line)
        return len(text)

    def flush(self) -> None:
        """Emit what waits for its newline, when the step ends."""
        if self._rest:
            rest, self._rest = self._rest, ""
            _emit(self._level, time.time(), rest)


class _PipeHandler(logging.Handler):
    """Writes log records to the output pipe, framed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; a record that can't be formatted is reported, not raised."""
        try:
            _emit(_level_name(record.levelno), record.created, self.format(record))
        except Exception as error:
            _emit("ERROR", time.time(), f"a log record could not be formatted: {error}")


def _level_name(number: int) -> str:
    for name in ("CRITICAL", "ERROR", "WARNING", "INFO"):
        if number >= getattr(logging, name):
            return "ERROR" if name == "CRITICAL" else name
    return "DEBUG"


def _emit(level: str, at: float, text: str) -> None:
    for start in range(0, len(text) or 1, LONGEST_RECORD):
        data = protocol.frame_record(level, at, text[start : start + LONGEST_RECORD])
        while data:
            data = data[os.write(1, data) :]


def _configure_logging(level: str) -> None:
    handler = _PipeHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    warnings.simplefilter("default")
