"""The filters of the list of runs, as values."""

import datetime

import pytest
from django.http import QueryDict

from nomaflow_site.lib.sealing import seal
from runs.history import Filters, mentions, read_filters, stored_pieces
from runs.models import Run

UTC = datetime.UTC


def read(query: str) -> Filters:
    return read_filters(QueryDict(query))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state=FAILED&state=QUEUED&job=a*&tag=etl&trigger=cron&user=vera&text=a%26b%3D%C3%A9",
        "from=2026-03-29&to=2026-03-30+14%3A30&tz=Europe%2FParis",
    ],
)
def test_what_is_read_is_written_back(query: str) -> None:
    assert read(query).query() == query
    assert read(read(query).query()) == read(query)


def test_a_zone_without_times_and_odd_names_are_left_out() -> None:
    assert read("tz=Europe/Paris&before=7&x=1&job=").query() == ""
    assert not read("tz=Europe/Paris").any


def test_more_goes_behind_the_filters() -> None:
    assert read("state=FAILED").query(before=7) == "state=FAILED&before=7"


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("from=2026-03-29&to=2026-03-29", (2026, 3, 29, 0), (2026, 3, 30, 0)),
        ("from=2026-03-29&to=2026-03-29&tz=Europe/Paris", (2026, 3, 28, 23), (2026, 3, 29, 22)),
        ("from=2026-03-29+14:00&to=2026-03-29T15:00&tz=Europe/Paris", (2026, 3, 29, 12), (2026, 3, 29, 13)),
        ("from=2026-03-29T14:00Z&to=2026-03-29T15:00-02:00&tz=Europe/Paris", (2026, 3, 29, 14), (2026, 3, 29, 17)),
    ],
)
def test_days_and_times_are_those_of_the_zone(query: str, since: tuple[int, ...], until: tuple[int, ...]) -> None:
    filters = read(query)
    assert filters.faults == ()
    assert filters.created_from == datetime.datetime(*since, tzinfo=UTC)  # type: ignore[arg-type,misc]
    assert filters.created_before == datetime.datetime(*until, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_every_fault_is_told_with_what_was_found_and_expected() -> None:
    faults = read("state=LOST&trigger=moon&tz=Mars&from=x&job=%00&text=" + "x" * 201).faults
    assert len(faults) == 5
    for name, fault in zip(("job", "text", "state", "trigger", "timezone"), faults, strict=True):
        assert fault.startswith(f"{name}: ")
        assert "found" in fault


def test_a_beginning_is_told_from_an_id() -> None:
    assert read("job=etl-*").job_beginning == "etl-"
    assert read("job=etl-").job_beginning is None
    assert read("job=*").job_beginning == ""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user=vera", True),
        ("trigger=api", True),
        ("trigger=cron", False),
        ("state=QUEUED", True),
        ("state=QUEUED&state=FAILED", False),
    ],
)
def test_what_leaves_few_runs_is_known(query: str, expected: bool) -> None:
    assert read(query).is_rare is expected


RUN = Run(
    parameters=seal(
        {"load": {"Region": "eu", "limit": 100, "full": True, "nested": {"list": ["a", "é"]}, "password": "s3cr3t"}}
    ),
    overrides={"params": {"day": "2026-03-29"}, "op_kwargs": {"send": {"to": None}}, "step_enabled": {"load": False}},
)


@pytest.mark.parametrize(
    "text",
    ["eu", "region=EU", "limit=100", "full=true", "list=É", "2026-03", "day", "to=null", "password", "password="],
)
def test_names_and_values_are_found_whatever_their_case(text: str) -> None:
    assert mentions(RUN, text)


@pytest.mark.parametrize(
    "text", ["s3cr3t", "gAAAA", "$sealed", "****", "password=s", "step_enabled", "params", "full=false"]
)
def test_secrets_and_the_form_of_storage_are_not(text: str) -> None:
    assert not mentions(RUN, text)


def test_the_stored_text_is_looked_for_as_it_is_stored() -> None:
    assert stored_pieces('day=a"é', ascii_only=False) == ["day", r"a\"é"]
    assert stored_pieces('a"é', ascii_only=True) == [r"a\"\u00e9"]
