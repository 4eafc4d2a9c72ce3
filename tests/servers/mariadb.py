"""A private MariaDB."""

import itertools as _itertools
import os as _os
import shutil as _shutil
import subprocess as _subprocess
import tempfile as _tempfile
from collections.abc import Iterator as _Iterator
from pathlib import Path as _Path
from typing import Any as _Any
from urllib.parse import urlsplit as _urlsplit

import pymysql as _pymysql
import pytest

from tests.servers import find_program as _find_program
from tests.servers import free_port as _free_port
from tests.servers import missing as _missing
from tests.servers import wait_for as _wait_for

_SETTINGS = (
    "--skip-networking=0",
    "--bind-address=127.0.0.1",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--innodb-use-native-aio=0",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--log-warnings=0",
)


class _MariaDB:
    """A running server with the user `nomaflow`, who may do everything and needs no password."""

    host = "127.0.0.1"
    username = "nomaflow"

    def __init__(self, folder: _Path, port: int) -> None:
        self.folder, self.port = folder, port
        self._numbers = _itertools.count(1)

    @property
    def url(self) -> str:
        """The database `test`."""
        return self._url("test")

    def _url(self, database: str) -> str:
        return f"mysql://{self.username}@{self.host}:{self.port}/{database}"

    def connect(self, url: str | None = None) -> _Any:
        """A plain driver connection in autocommit mode, for preparing and looking."""
        database = _urlsplit(url or self.url).path.lstrip("/")
        return _pymysql.connect(
            host=self.host, port=self.port, user=self.username, database=database, autocommit=True, charset="utf8mb4"
        )

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self._url(name)

    def ready(self) -> bool:
        """Whether it takes connections."""
        try:
            self.connect().close()
        except _pymysql.Error:
            return False
        return True


def _installed(installer: str, folder: _Path, user: list[str]) -> _Path:
    """A folder with the system tables. Several installers at once may run out of the machine's slots for asynchronous I/O."""
    for data in (folder / "data", folder / "again"):
        command = [installer, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal", *user]
        # They're written with full durability unless it's told otherwise: that alone takes seconds.
        fast = ["--innodb-flush-method=nosync", "--innodb-log-file-size=32M", "--innodb-use-native-aio=0"]
        own = {**_os.environ, "TMPDIR": str(folder)}
        done = _subprocess.run([*command, *fast], capture_output=True, cwd=folder, text=True, env=own)
        if done.returncode == 0:
            return data
    raise AssertionError(f"MariaDB could not be installed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


@pytest.fixture(scope="session")
def mariadb() -> _Iterator[_MariaDB]:
    """A private MariaDB for this test process."""
    installer = _find_program("mariadb-install-db") or _find_program("mysql_install_db")
    program = _find_program("mariadbd", "/usr/sbin", "/usr/libexec")
    if installer is None or program is None:
        _missing("MariaDB", "mariadb-server")
    folder = _Path(_tempfile.mkdtemp(prefix="nomaflow-my-"))
    root = _os.geteuid() == 0
    user = ["--user=root"] if root else []
    server = None
    try:
        data = _installed(installer, folder, user)
        first = folder / "first.sql"
        first.write_text(
            "CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4;\n"
            "CREATE USER nomaflow@'%';\nGRANT ALL ON *.* TO nomaflow@'%' WITH GRANT OPTION;\n"
        )
        running = _MariaDB(folder, _free_port())
        command = [
            program,
            "--no-defaults",
            f"--datadir={data}",
            f"--socket={folder / 'socket'}",
            # A server that starts removes the temporary tables of another from a folder that they share.
            f"--tmpdir={folder}",
            f"--pid-file={folder / 'pid'}",
            f"--port={running.port}",
            f"--init-file={first}",
            *_SETTINGS,
            *user,
        ]
        with (folder / "log").open("wb") as log:
            server = _subprocess.Popen([*map(str, command)], stdout=log, stderr=log, cwd=folder)
        _wait_for(running.ready, 30, f"MariaDB, see {folder / 'log'}")
        yield running
    finally:
        if server is not None:
            server.kill()
            server.wait()
        _shutil.rmtree(folder, ignore_errors=True)
