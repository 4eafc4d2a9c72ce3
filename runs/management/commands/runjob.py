"""`manage.py runjob`: trigger a job from the shell and follow it."""

import getpass
import signal
import sys
import threading
import tomllib
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from jobs.models import Job
from jobs.parameters import Overrides
from runs import nodes
from runs.console import exit_code, follow, print_json, run_as_json, step_lines
from runs.control import request_cancel
from runs.models import Run
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run
from runs.worker import Worker, run_until_over

USAGE = 2


class Command(BaseCommand):
    """Trigger, follow, exit with the run's outcome."""

    help = "Run a job and follow its log. Exit code: 0 SUCCEEDED, 1 FAILED, 3 CANCELED, 2 usage or unknown job."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The job and its per-fire values."""
        parser.add_argument("job", help="the job's id")
        parser.add_argument(
            "--param", action="append", default=[], metavar="K=V", help="a per-fire parameter; V as in TOML"
        )
        parser.add_argument("--op-kwarg", action="append", default=[], metavar="STEP.K=V", help="the same for one step")
        parser.add_argument("--skip", action="append", default=[], metavar="STEP", help="leave this step out")
        parser.add_argument("--only", action="append", default=[], metavar="STEP", help="leave all other steps out")
        parser.add_argument("--preset", default="", help="start from a preset's values")
        parser.add_argument("--log-level", choices=["INFO", "DEBUG"], help="for this run only")
        parser.add_argument("--detach", action="store_true", help="print the run's id and don't follow")
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON, the log to stderr")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with the run's outcome."""
        job = Job.objects.filter(pk=options["job"]).first()
        if job is None:
            self._refuse(f"There is no job {options['job']!r}. `manage.py listjobs` lists them.")
        here = not options["detach"] and not nodes.anybody_alive()
        worker = None
        if here:
            worker = Worker(slots=1)
            worker.start()
        try:
            run = self._trigger(job, options)
            if options["detach"]:
                self._detached(run, options["json"])
                return
            code = self._watch(run, worker, options["json"])
        finally:
            if worker is not None:
                worker.stop()
        raise SystemExit(code)

    def _refuse(self, message: str) -> Any:
        self.stderr.write(message)
        raise SystemExit(USAGE)

    def _trigger(self, job: Any, options: dict[str, Any]) -> Run:
        try:
            return trigger_run(
                job,
                triggered_by="cli",
                requested_by=_shell_user(),
                overrides=_overrides(job, options),
                preset=options["preset"],
            )
        except (InvalidTrigger, BadArgument) as error:
            self._refuse(str(error))
        except RunInFlight as error:
            self._refuse(str(error))
        raise AssertionError("unreachable")

    def _detached(self, run: Run, as_json: bool) -> None:
        if as_json:
            print_json(run_as_json(run), self.stdout)
        else:
            self.stdout.write(run.run_id)

    def _watch(self, run: Run, worker: Worker | None, as_json: bool) -> int:
        log = self.stderr if as_json else self.stdout
        log.ending = "\n"
        log.write(f"{run.run_id} of {run.job_id}")
        if worker is not None:
            log.write("No worker is alive: the run is executed in this process.")
        with _CancelOnInterrupt(run, log.write):
            if worker is not None:
                threading.Thread(target=_execute, args=(worker, run.pk), daemon=True).start()
            follow(run, log.write)
        run.refresh_from_db()
        if as_json:
            print_json(run_as_json(run), self.stdout)
        else:
            for line in step_lines(run):
                self.stdout.write(line)
            reason = f": {run.reason}" if run.reason else ""
            self.stdout.write(f"{run.run_id} {run.state}{reason}")
        return exit_code(run)


class BadArgument(Exception):
    """An option that can't be read."""


def _execute(worker: Worker, run_pk: int) -> None:
    try:
        run_until_over(worker, Run.objects.get(pk=run_pk))
    finally:
        connection.close()


class _CancelOnInterrupt:
    """The first Ctrl-C (or SIGTERM) cancels the run, and the command goes on to its end; a second one leaves at once."""

    def __init__(self, run: Run, say: Any) -> None:
        self._run = run
        self._say = say
        self._asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._interrupted)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupted(self, *args: object) -> None:
        if self._asked:
            sys.exit(exit_code(self._run) if self._run.is_over else 3)
        self._asked = True
        self._say("cancelling ...")
        # In a thread: the interrupted main thread may be in the middle of a query.
        threading.Thread(target=self._cancel).start()

    def _cancel(self) -> None:
        try:
            request_cancel(Run.objects.get(pk=self._run.pk), by=f"user:{_shell_user()}")
        finally:
            connection.close()


def _shell_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _overrides(job: Any, options: dict[str, Any]) -> Overrides:
    op_kwargs: dict[str, dict[str, Any]] = {}
    steps = list(job.steps.values_list("name", flat=True))
    for text in options["op_kwarg"]:
        key, value = _pair(text, "--op-kwarg STEP.K=V")
        # A step's name may hold dots itself.
        step = max((s for s in steps if key.startswith(f"{s}.")), key=len, default=key.partition(".")[0])
        name = key[len(step) + 1 :]
        if not name:
            raise BadArgument(f"--op-kwarg {text!r} lacks the name; write STEP.K=V. The steps are {', '.join(steps)}.")
        op_kwargs.setdefault(step, {})[name] = value
    return Overrides(
        params=dict(_pair(text, "--param K=V") for text in options["param"]),
        op_kwargs=op_kwargs,
        step_enabled=_switches(steps, options["skip"], options["only"]),
        log_level=options["log_level"],
    )


def _switches(steps: list[str], skip: list[str], only: list[str]) -> dict[str, bool]:
    switches = dict.fromkeys(skip, False)
    if only:
        switches |= {name: name in only and name not in skip for name in [*steps, *only]}
    return switches


def _pair(text: str, form: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadArgument(f"{text!r} can't be read; write {form}.")
    try:
        return name, tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return name, value
