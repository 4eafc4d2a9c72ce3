"""A private PostgreSQL."""

import itertools as _itertools
import os as _os
import shutil as _shutil
import subprocess as _subprocess
import tempfile as _tempfile
from collections.abc import Iterator as _Iterator
from pathlib import Path as _Path
from typing import Any as _Any

import psycopg as _psycopg
import pytest

from tests.servers import find_program as _find_program
from tests.servers import free_port as _free_port
from tests.servers import missing as _missing
from tests.servers import wait_for as _wait_for


class _PostgreSQL:
    """A running server with the superuser `nomaflow`, who needs no password."""

    host = "127.0.0.1"
    username = "nomaflow"

    def __init__(self, folder: _Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._numbers = _itertools.count(1)

    @property
    def url(self) -> str:
        """The database `postgres`."""
        return self._url("postgres")

    def _url(self, database: str) -> str:
        return f"postgresql://{self.username}@{self.host}:{self.port}/{database}"

    def connect(self, url: str | None = None, **options: _Any) -> _Any:
        """A plain driver connection in autocommit mode, for preparing and looking."""
        return _psycopg.connect(url or self.url, autocommit=True, **options)

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._url(name)

    def ready(self) -> bool:
        """Whether it takes connections."""
        try:
            self.connect(connect_timeout=1).close()
        except _psycopg.Error:
            return False
        return True


def _as_user() -> dict[str, _Any]:
    # PostgreSQL refuses to run as root.
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if _os.geteuid() == 0 else {}


@pytest.fixture(scope="session")
def postgresql() -> _Iterator[_PostgreSQL]:
    """A private PostgreSQL for this test process."""
    initdb = _find_program("initdb", "/usr/lib/postgresql/*/bin")
    if initdb is None:
        _missing("PostgreSQL", "postgresql")
    folder = _Path(_tempfile.mkdtemp(prefix="nomaflow-pg-"))
    server = None
    try:
        if _os.geteuid() == 0:
            _shutil.chown(folder, "nobody", "nogroup")
        data, user = folder / "data", _as_user()
        command = [
            initdb,
            "-D",
            data,
            "-U",
            _PostgreSQL.username,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        _subprocess.run(command, check=True, capture_output=True, cwd=folder, **user)
        running = _PostgreSQL(folder, _free_port())
        options = ["-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1"]
        program = _Path(str(initdb)).with_name("postgres")
        with (folder / "log").open("wb") as log:
            command = [program, "-D", data, "-p", str(running.port), *options]
            server = _subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user)
        _wait_for(running.ready, 30, f"PostgreSQL, see {folder / 'log'}")
        yield running
    finally:
        if server is not None:
            server.terminate()
            try:
                # A "smart" shutdown would wait for forgotten connections.
                server.send_signal(2)
                server.wait(10)
            except _subprocess.TimeoutExpired:
                server.kill()
                server.wait()
        _shutil.rmtree(folder, ignore_errors=True)
