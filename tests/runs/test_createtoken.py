"""manage.py createtoken."""

import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from knox.models import get_token_model

from tests import cast

ROOT = Path(__file__).resolve().parent.parent.parent
User = get_user_model()


def createtoken(*args: str) -> str:
    out = StringIO()
    call_command("createtoken", *args, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_printed_token_opens_the_api(client: Client) -> None:
    cast.user("rui")
    token = createtoken("rui")
    assert token == f"{token.strip()}\n"
    assert client.get("/api/v1/jobs/", HTTP_AUTHORIZATION=f"Token {token.strip()}").status_code == 200


@pytest.mark.django_db
def test_only_a_hash_of_the_token_is_kept() -> None:
    cast.user("rui")
    token = createtoken("rui").strip()
    kept = get_token_model().objects.values_list().get()
    assert token not in map(str, kept)


@pytest.mark.django_db
def test_an_unknown_user_is_refused_with_the_way_out() -> None:
    with pytest.raises(CommandError, match="no user 'rui'.*--create-superuser"):
        createtoken("rui")
    assert not get_token_model().objects.exists()


@pytest.mark.django_db
def test_the_flag_makes_a_superuser_who_cannot_log_in_by_password() -> None:
    createtoken("ci", "--create-superuser")
    ci: Any = User.objects.get(username="ci")
    assert (ci.is_superuser, ci.is_active, ci.has_usable_password()) == (True, True, False)


@pytest.mark.django_db
def test_the_flag_leaves_an_existing_user_as_they_are() -> None:
    cast.user("rui")
    createtoken("rui", "--create-superuser")
    assert not User.objects.get(username="rui").is_superuser


@pytest.mark.django_db
def test_an_inactive_user_gets_no_token() -> None:
    cast.user("rui", is_active=False)
    with pytest.raises(CommandError, match="not active"):
        createtoken("rui")


def test_in_a_shell_stdout_is_the_token_alone_and_an_error_exits_1(tmp_path: Path) -> None:
    def manage(*args: str) -> "subprocess.CompletedProcess[str]":
        environment = {"NOMAFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "manage.py", *args]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    assert manage("migrate", "-v0").returncode == 0
    refused = manage("createtoken", "ci")
    assert (refused.returncode, refused.stdout, "--create-superuser" in refused.stderr) == (1, "", True)
    made = manage("createtoken", "ci", "--create-superuser")
    assert (made.returncode, made.stdout.count("\n"), len(made.stdout)) == (0, 1, 65)
