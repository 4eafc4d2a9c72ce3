"""`manage.py schedule`."""

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from jobs.models import Freeze, Preset
from tests import cast

pytestmark = pytest.mark.django_db


def run(capsys: Any, *args: str) -> str:
    with time_machine.travel("2026-10-24T00:00:00Z", tick=False):
        call_command("schedule", *args)
    return str(capsys.readouterr().out)


def test_a_week_is_listed_in_the_zone_asked_for(capsys: Any) -> None:
    cast.job(schedule="30 2 * * *", timezone="Europe/Paris")
    lines = run(capsys, "--tz", "Europe/Paris").splitlines()
    assert [line.split("\t")[0] for line in lines[1:3]] == [
        "Sat 2026-10-24 02:30:00 +0200",
        "Sun 2026-10-25 02:30:00 +0200",
    ]
    assert len(lines) == 1 + 7


def test_json_has_presets_dense_schedules_and_freezes(capsys: Any) -> None:
    job = cast.job(schedule="* * * * *")
    Preset.objects.create(job=job, name="full", schedule="0 12 * * *")
    with time_machine.travel("2026-10-24T00:00:00Z", tick=False):
        now = timezone.now()
    Freeze.objects.create(reason="audit", owner="olga", starts_at=now, ends_at=now + timedelta(hours=6))
    fires = json.loads(run(capsys, "--days", "1", "--json"))
    assert [(fire["preset"], fire["count"], bool(fire["frozen"])) for fire in fires] == [
        ("", 359, True),
        ("", 1081, False),
        ("full", 1, False),
    ]


def test_a_cut_list_says_so(capsys: Any) -> None:
    cast.job(schedule="0 */6 * * *")
    with time_machine.travel("2026-10-24T00:00:00Z", tick=False):
        call_command("schedule", "--limit", "2")
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert "more than 2" in printed.err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--days", "0"], "--days is 0"),
        (["--tz", "Mars/Base"], "--tz: found 'Mars/Base'"),
        (["--limit", "0"], "--limit is 0"),
        (["nothing"], "No such job: nothing"),
    ],
)
def test_a_wrong_question_exits_with_2_and_its_reason(args: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        call_command("schedule", *args)
    assert caught.value.returncode == 2
