"""A private Redis."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers import find_program as _find_program
from tests.servers import free_port as _free_port
from tests.servers import missing as _missing
from tests.servers import wait_for as _wait_for


@dataclass
class _Redis:
    port: int

    def database(self, number: int) -> str:
        """The address of one of its sixteen databases."""
        return f"redis://127.0.0.1:{self.port}/{number}"


def _answers(port: int) -> bool:
    import redis

    try:
        return bool(redis.Redis(port=port, socket_timeout=1).ping())
    except redis.RedisError:
        return False


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Redis]:
    """Started once, empty, without persistence."""
    program = _find_program("redis-server") or _find_program("valkey-server")
    if program is None:
        _missing("redis-server", "redis-server")
    port = _free_port()
    folder: Path = tmp_path_factory.mktemp("redis")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [str(program), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(lambda: _answers(port), 10, "redis to answer")
        yield _Redis(port)
    finally:
        process.kill()
        process.wait()
