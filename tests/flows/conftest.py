"""Installations for the flow tests: the embedded default, and PostgreSQL with Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.flows.installation import Installation

PLUGIN = """
import os
import signal
import time


def noop(ctx):
    pass


def hello(ctx, *, name="world", **_):
    ctx.log.info("hello %s", name)
    print("printed")
    return {"greeted": name}


def sleep(ctx, *, seconds=3600, **_):
    ctx.log.info("sleeping in %d", os.getpid())
    time.sleep(seconds)


def spin(ctx):
    ctx.log.info("spinning in %d", os.getpid())
    while True:
        pass


def stubborn(ctx):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctx.log.info("ignoring SIGTERM in %d", os.getpid())
    while True:
        try:
            time.sleep(3600)
        except BaseException:
            pass


def parent(ctx):
    ctx.log.info("starting a grandchild from %d", os.getpid())
    os.system("echo started; sleep 7654")


def boom(ctx):
    raise RuntimeError("the tank is empty")


def fails_first(ctx):
    if ctx.attempt == 1:
        raise RuntimeError("not yet")


def die(ctx):
    os.kill(os.getpid(), signal.SIGKILL)


def lines(ctx, *, count=20000, **_):
    began = time.monotonic()
    for number in range(count):
        ctx.log.info("line %d", number)
    return {"seconds": time.monotonic() - began}


def tidy(ctx, *, path, **_):
    try:
        ctx.log.info("working in %d", os.getpid())
        time.sleep(3600)
    finally:
        with open(path, "w") as file:
            file.write("cleaned up")
"""


def job_toml(job_id: str, *functions: str, head: str = "", step: str = "") -> str:
    """A job of Python steps s0, s1, ... that call functions of the plugin `p`."""
    steps = "".join(
        f'[[jobs.steps]]\nname = "s{n}"\ntype = "python"\ncallable = "p:{function}"\n{step}\n'
        for n, function in enumerate(functions)
    )
    return f'[[jobs]]\nid = "{job_id}"\n{head}\n{steps}'


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """The embedded default: SQLite and the file broker, with the plugin `p`."""
    with Installation(tmp_path / "home", fast=True) as made:
        made.plugin("p", PLUGIN)
        yield made


@pytest.fixture(params=["embedded", "servers"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """Once embedded, once on PostgreSQL and Redis."""
    urls: tuple[Any, ...] = ()
    if request.param == "servers":
        postgresql = request.getfixturevalue("postgresql")
        redis_server = request.getfixturevalue("redis_server")
        urls = (postgresql.create_database(), redis_server.database(0))
        _flush(urls[1])
    with Installation(tmp_path / "home", *urls, fast=True) as made:
        made.plugin("p", PLUGIN)
        yield made


def _flush(url: str) -> None:
    import redis

    redis.Redis.from_url(url).flushdb()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One embedded installation with one worker for a whole module: for tests that leave it usable."""
    with ExitStack() as stack:
        made = stack.enter_context(Installation(tmp_path_factory.mktemp("shared") / "home", fast=True))
        made.plugin("p", PLUGIN)
        made.start_worker()
        yield made


Define = Callable[..., str]


@pytest.fixture
def define() -> Define:
    """Makes the TOML of a job of Python steps."""
    return job_toml
