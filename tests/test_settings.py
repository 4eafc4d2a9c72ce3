"""Settings from the environment: a wrong one stops the start with its name and the remedy."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SERVERS = {
    "NOMAFLOW_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/x",
    "NOMAFLOW_SECRET_KEY": "k" * 50,
    "NOMAFLOW_FIELD_KEYS": "VGhpcyBpcyBvbmx5IGEgdGVzdCBrZXkgMzIgYnl0ZXM=",
}


def start(home: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`manage.py check` with these variables."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("NOMAFLOW_", "DJANGO_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check"],
        env={**clean, "NOMAFLOW_HOME": str(home), **env},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"NOMAFLOW_PORT": "http"}, "NOMAFLOW_PORT is 'http'; it takes a whole number"),
        ({"NOMAFLOW_WORKER_SLOTS": "0"}, "NOMAFLOW_WORKER_SLOTS is '0'"),
        ({"NOMAFLOW_DEBUG": "maybe"}, "NOMAFLOW_DEBUG is 'maybe'; it takes on or off"),
        ({"NOMAFLOW_DATABASE_URL": "oracle://x"}, "NOMAFLOW_DATABASE_URL names a 'oracle' database"),
        ({"NOMAFLOW_BROKER_URL": "sqs://"}, "NOMAFLOW_BROKER_URL names a 'sqs' broker"),
        ({"NOMAFLOW_SECRET_KEY": "short"}, "NOMAFLOW_SECRET_KEY is shorter"),
        ({"NOMAFLOW_FIELD_KEYS": "short"}, "nomaflow.E001"),
        ({**SERVERS, "NOMAFLOW_SECRET_KEY": ""}, "NOMAFLOW_SECRET_KEY is not set"),
        ({**SERVERS, "NOMAFLOW_FIELD_KEYS": ""}, "NOMAFLOW_FIELD_KEYS is not set"),
        ({**SERVERS, "NOMAFLOW_DEBUG": "on"}, "nomaflow.E002"),
        ({**SERVERS, "NOMAFLOW_ALLOWED_HOSTS": "*"}, "nomaflow.E003"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(tmp_path: Path, env: dict[str, str], words: str) -> None:
    done = start(tmp_path, **env)
    assert done.returncode != 0
    assert words in done.stderr


def test_the_embedded_mode_makes_its_keys_once_and_keeps_them_to_itself(tmp_path: Path) -> None:
    assert start(tmp_path / "home").returncode == 0
    keys = [tmp_path / "home" / name for name in ("secret.key", "field.keys")]
    first = [key.read_text() for key in keys]
    assert start(tmp_path / "home").returncode == 0
    assert [key.read_text() for key in keys] == first
    assert [stat.S_IMODE(key.stat().st_mode) for key in keys] == [0o600, 0o600]


def test_keys_that_others_can_read_stop_the_start(tmp_path: Path) -> None:
    start(tmp_path)
    (tmp_path / "field.keys").chmod(0o644)
    done = start(tmp_path)
    assert done.returncode != 0
    assert "chmod 600" in done.stderr


def test_a_home_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = start(tmp_path / "file" / "home")
    assert "NOMAFLOW_HOME is" in done.stderr
