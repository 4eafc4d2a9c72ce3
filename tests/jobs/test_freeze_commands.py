"""`manage.py freeze` and `manage.py unfreeze`."""

import json
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError

from jobs.models import Freeze
from tests import cast

pytestmark = pytest.mark.django_db
REASON = ("--reason", "year-end close")


@pytest.fixture(autouse=True)
def _noon() -> Any:
    with time_machine.travel("2026-07-01T12:00:00Z", tick=False):
        yield


def test_everything_is_paused_after_saying_what_is_held(capsys: Any) -> None:
    cast.job(schedule="0 * * * *")
    call_command("freeze", "--for", "3h", *REASON)
    said = capsys.readouterr().out
    assert "2026-07-01 13:00:00 UTC  nightly" in said
    assert "It holds 3 fire(s) of 1 job(s)." in said
    made = Freeze.objects.get()
    assert (made.scope, made.reason, f"{made.ends_at:%H:%M}") == ("all", "year-end close", "15:00")


def test_a_dry_run_sets_nothing(capsys: Any) -> None:
    call_command("freeze", "--for", "3h", "--dry-run", *REASON)
    assert "nothing is frozen" in capsys.readouterr().out
    assert not Freeze.objects.exists()


def test_a_tag_is_frozen_for_a_time_to_come(capsys: Any) -> None:
    cast.job(tags=["etl"])
    call_command("freeze", "--tag", "etl", "--from", "2026-07-02T00:00", "--until", "2026-07-02T06:00+02:00", *REASON)
    made = Freeze.objects.get()
    assert (made.scope, made.target, f"{made.starts_at:%d %H:%M}", f"{made.ends_at:%d %H:%M}") == (
        "tag",
        "etl",
        "02 00:00",
        "02 04:00",
    )


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--for", "soon"], "--for is 'soon'"),
        (["--until", "tomorrow"], "--until is 'tomorrow'"),
        (["--until", "2026-06-30T00:00"], "Expected a time in the future"),
        (["--for", "1h", "--job", "nothing"], "There is no job 'nothing'"),
        (["--for", "999d"], "366 days"),
    ],
)
def test_what_can_not_be_is_named(args: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        call_command("freeze", *args, *REASON)
    assert caught.value.returncode == 2


def test_freezes_are_listed_and_ended_by_number(capsys: Any) -> None:
    call_command("freeze", "--for", "3h", *REASON)
    number = str(Freeze.objects.get().pk)
    capsys.readouterr()
    call_command("unfreeze", "--json")
    assert json.loads(capsys.readouterr().out)[0]["state"] == "active"
    call_command("unfreeze", number)
    call_command("unfreeze")
    assert "year-end close" not in capsys.readouterr().out


def test_a_freeze_that_is_over_or_not_there_exits_with_2(capsys: Any) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command("unfreeze", "4711")
    assert caught.value.code == 2
    assert "Freeze 4711: There is no such freeze." in capsys.readouterr().err
