"""Private servers for measuring: free ports, a temporary folder, default durability. None where one isn't installed."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pymysql
import redis

START_SECONDS = 30


def find(name: str, *patterns: str) -> str | None:
    """The path of a program on PATH or under one of the patterns."""
    found = shutil.which(name)
    places = [path for pattern in patterns for path in sorted(Path("/").glob(f"{pattern}/{name}"), reverse=True)]
    return found or (str(places[0]) if places else None)


@contextmanager
def postgresql(folder: Path, *settings: str) -> Iterator[str | None]:
    """The URL of a database: that of `folder`, empty where it's new; None when PostgreSQL isn't installed.

    `fsync` stays on, as in production, unless one of the `settings` (`name=value`) says otherwise.
    """
    initdb = find("initdb", "usr/lib/postgresql/*/bin")
    if initdb is None:
        yield None
        return
    place = folder / "postgresql"
    place.mkdir(exist_ok=True)
    # PostgreSQL refuses to run as root.
    user: dict[str, object] = {}
    if os.geteuid() == 0:
        user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        folder.chmod(0o711)
        shutil.chown(place, "nobody", "nogroup")
    data, port = place / "data", free_port()
    if not data.exists():
        subprocess.run(
            [initdb, "-D", data, "-U", "nomaflow", "-A", "trust", "-E", "UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            cwd=place,
            **user,  # type: ignore[call-overload]
        )
    url = f"postgresql://nomaflow@127.0.0.1:{port}/postgres"
    options = ["-p", str(port), "-c", f"unix_socket_directories={place}", "-c", "listen_addresses=127.0.0.1"]
    options += [part for setting in settings for part in ("-c", setting)]
    command = [str(Path(initdb).with_name("postgres")), "-D", str(data), *options]
    with running(command, lambda: answers(lambda: psycopg.connect(url, connect_timeout=1).close()), place, **user):
        yield url


@contextmanager
def mariadb(folder: Path) -> Iterator[str | None]:
    """The URL of the database `test` of an empty MariaDB; None when it isn't installed."""
    installer = find("mariadb-install-db") or find("mysql_install_db")
    program = find("mariadbd", "usr/sbin", "usr/libexec")
    if installer is None or program is None:
        yield None
        return
    place, port = folder / "mariadb", free_port()
    place.mkdir()
    user = ["--user=root"] if os.geteuid() == 0 else []
    files = ["--no-defaults", f"--datadir={place / 'data'}", *user]
    # Only making its own tables goes without durability.
    fast = ["--auth-root-authentication-method=normal", "--innodb-flush-method=nosync"]
    subprocess.run([installer, *files, *fast], check=True, capture_output=True, cwd=place)
    first = place / "first.sql"
    first.write_text(
        "CREATE DATABASE IF NOT EXISTS test CHARACTER SET utf8mb4;\n"
        "CREATE USER nomaflow@'%';\nGRANT ALL ON *.* TO nomaflow@'%';\n"
    )
    options = [
        f"--tmpdir={place}",
        f"--socket={place / 'socket'}",
        f"--pid-file={place / 'pid'}",
        f"--port={port}",
        f"--init-file={first}",
    ]
    options += ["--skip-networking=0", "--bind-address=127.0.0.1", "--skip-name-resolve"]

    def connect() -> None:
        pymysql.connect(host="127.0.0.1", port=port, user="nomaflow", database="test").close()

    with running([program, *files, *options], lambda: answers(connect), place, stop=signal.SIGTERM):
        yield f"mysql://nomaflow@127.0.0.1:{port}/test"


@contextmanager
def redis_server(folder: Path) -> Iterator[str | None]:
    """The URL of an empty Redis (or Valkey); None when neither is installed."""
    program = find("redis-server") or find("valkey-server")
    if program is None:
        yield None
        return
    place, port = folder / "redis", free_port()
    place.mkdir()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(place)]
    with running(command, lambda: answers(lambda: redis.Redis(port=port, socket_timeout=1).ping()), place):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def running(
    command: list[str], ready: Callable[[], bool], place: Path, stop: int = signal.SIGINT, **user: object
) -> Iterator[None]:
    """A server process that is ready; stopped by the signal `stop` at the end. Its output is in `place`/log."""
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=place, **user)  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command[0]} did not start:\n{(place / 'log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(ask: Callable[[], object]) -> bool:
    """Whether the server takes the question."""
    try:
        ask()
    except (psycopg.Error, pymysql.Error, redis.RedisError):
        return False
    return True


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
