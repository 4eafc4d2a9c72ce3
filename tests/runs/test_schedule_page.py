"""The schedule page: what was missed, what comes, and what became of every moment."""

import datetime
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.models import Freeze, Job, Preset
from runs.models import Fire, Run, WorkerNode
from runs.states import Cause, Outcome
from tests import cast

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def nightly() -> Job:
    return cast.job(schedule="0 2 * * *", timezone="Europe/Paris")


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.dispatch.wake", lambda run_pk: True)


def fire(of: Job, outcome: Outcome = Outcome.MISSED, hours: float = 3, **values: Any) -> Fire:
    now = timezone.now()
    at = (now - hours * HOUR).replace(microsecond=0)
    cause = Cause.OUTAGE if outcome == Outcome.MISSED else Cause.NONE
    return Fire.objects.create(
        **{"scheduled_at": at, "noticed_at": now, "outcome": outcome, "cause": cause, **values}, job=of
    )


def page(client: Client, path: str = "/schedule/") -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    assert client.get("/schedule/").headers["Location"] == "/login/?next=/schedule/"


def test_the_next_fires_are_shown_in_the_zone_asked_for(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    assert "02:00:00 CE" in page(client, "/schedule/?tz=Europe/Paris")


def test_a_wrong_zone_is_named_and_the_page_comes_in_utc(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    text = page(client, "/schedule/?tz=Mars/Base")
    assert "found &#x27;Mars/Base&#x27;" in text
    assert 'value="UTC"' in text


def test_every_page_tells_of_missed_fires_until_they_are_settled(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    missed = fire(nightly)
    assert 'class="notice missed"' in page(client, "/jobs/")
    client.post("/schedule/missed/", {"which": "ticked", "fire": missed.pk, "act": "dismiss"})
    assert 'class="notice missed"' not in page(client, "/jobs/")


def test_a_ticked_miss_is_run_in_the_persons_name(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    missed = fire(nightly)
    answer = client.post("/schedule/missed/", {"which": "ticked", "fire": missed.pk, "act": "run"}, follow=True)
    assert "1 missed fire to be caught up" in answer.content.decode()
    assert Run.objects.get().fires.get().settled_by == "user:rui"


def test_all_misses_go_together_but_only_those_one_may_run(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    other = fire(cast.job("other"))
    fire(nightly)
    client.post("/schedule/missed/", {"which": "all", "act": "dismiss"})
    assert list(Fire.objects.filter(settled_at=None)) == [other]


def test_who_may_only_look_finds_no_buttons_and_changes_nothing(client: Client, nightly: Job) -> None:
    client.force_login(cast.vera(nightly))
    missed = fire(nightly)
    assert 'name="act"' not in page(client)
    client.post("/schedule/missed/", {"which": "ticked", "fire": missed.pk, "act": "run"})
    assert not Run.objects.exists()


@pytest.mark.parametrize("given", [{"fire": "x"}, {"fire": "9" * 30}, {"act": "explode", "which": "all"}, {}])
def test_a_form_that_makes_no_sense_changes_nothing(client: Client, nightly: Job, given: dict[str, str]) -> None:
    client.force_login(cast.rui(nightly))
    fire(nightly)
    assert client.post("/schedule/missed/", given).status_code == 302
    assert Fire.objects.filter(outcome=Outcome.MISSED, settled_at=None).exists()


def test_the_ledger_adds_up(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    run = cast.run(nightly, "SUCCEEDED")
    fire(nightly, Outcome.RAN, 2, run=run)
    fire(nightly, Outcome.SKIPPED, 3, cause=Cause.OVERLAP, reason="run_x was still RUNNING")
    fire(nightly, Outcome.MISSED, 4, count=7, until=timezone.now() - HOUR)
    text = page(client)
    assert "9 expected, 1 ran, 7 missed (no scheduler was running), 1 skipped (a run was in flight)" in text
    for piece in (run.run_id, "run_x was still RUNNING"):
        assert piece in text


def test_the_ledger_is_read_page_by_page_without_gaps(client: Client, nightly: Job) -> None:
    client.force_login(cast.rui(nightly))
    for number in range(120):
        fire(nightly, Outcome.RAN, number / 60)
    seen: list[int] = []
    path = "/schedule/"
    while path:
        answer = client.get(path)
        seen += [row.pk for row in answer.context["fires"]]
        older = answer.context["older"]
        path = f"/schedule/?before={older.replace(':', '%3A')}" if older else ""
    assert seen == list(Fire.objects.values_list("pk", flat=True))


def test_the_page_shows_visible_jobs_only(client: Client, nightly: Job) -> None:
    hidden = cast.job("concealed", schedule="* * * * *")
    fire(hidden)
    fire(hidden, Outcome.RAN, 2)
    client.force_login(cast.rui(nightly))
    assert "concealed" not in page(client)


@pytest.mark.parametrize(
    "path", ["/schedule/?before=nonsense", "/schedule/?before=%00_1", "/schedule/?job=%00&outcome=x"]
)
def test_nonsense_in_the_address_is_no_server_error(client: Client, nightly: Job, path: str) -> None:
    client.force_login(cast.rui(nightly))
    page(client, path)


def test_the_number_of_queries_does_not_grow_with_the_ledger(
    client: Client, nightly: Job, django_assert_max_num_queries: Any
) -> None:
    client.force_login(cast.rui(nightly))
    for number in range(40):
        fire(nightly, Outcome.RAN, number + 1, run=cast.run(nightly, "SUCCEEDED"))
        fire(nightly, Outcome.MISSED, number + 0.5)
    with django_assert_max_num_queries(40):
        page(client)


@pytest.mark.parametrize("path", ["/jobs/", "/admin/"])
def test_a_freeze_is_a_banner_on_every_page_and_ends_by_itself(client: Client, path: str) -> None:
    client.force_login(cast.olga())
    now = timezone.now()
    made = Freeze.objects.create(reason="year-end close", owner="olga", starts_at=now - HOUR, ends_at=now + HOUR)
    assert "year-end close" in page(client, path)
    made.ends_at = now - timedelta(seconds=1)
    made.save()
    assert "year-end close" not in page(client, path)


def test_a_freeze_of_a_job_that_one_does_not_see_is_not_told(client: Client, nightly: Job) -> None:
    now = timezone.now()
    span = {"reason": "secret move", "owner": "olga", "starts_at": now - HOUR, "ends_at": now + HOUR}
    Freeze.objects.create(scope="job", target=cast.job("concealed").pk, **span)
    Freeze.objects.create(scope="job", target=nightly.pk, **{**span, "reason": "its own"})
    client.force_login(cast.rui(nightly))
    text = page(client, "/jobs/")
    assert "its own" in text
    assert "secret move" not in text


def test_a_wrong_clock_is_told_on_every_page(client: Client) -> None:
    client.force_login(cast.olga())
    now = timezone.now()
    node = {"role": "beat", "host": "db-7", "pid": 1, "started_at": now, "seen_at": now}
    WorkerNode.objects.create(id="n", clock_skew=-42, **node)
    assert "The clock of db-7 is wrong</strong>: 42 s behind the database" in page(client, "/runs/")


def test_a_jobs_page_says_its_schedules_in_words(client: Client, nightly: Job) -> None:
    Preset.objects.create(job=nightly, name="full", schedule="0 12 1 * MON", timezone="UTC", enabled=False)
    client.force_login(cast.rui(nightly))
    text = page(client, "/jobs/nightly/")
    assert "every day at 02:00" in text
    assert "Schedule of preset full (off)" in text
    assert "either" in text


def test_a_jobs_page_shows_the_fires_that_started_nothing(client: Client, nightly: Job) -> None:
    fire(nightly, Outcome.SKIPPED, 3, cause=Cause.FROZEN, reason="frozen by olga")
    client.force_login(cast.rui(nightly))
    assert "frozen by olga" in page(client, "/jobs/nightly/")


def test_a_schedule_that_can_not_be_read_does_not_break_its_page(client: Client) -> None:
    job = cast.job("bad", schedule="nonsense")
    Job.objects.filter(pk="bad").update(timezone="Mars/Base")
    client.force_login(cast.rui(job))
    assert "expected an IANA name" in page(client, "/jobs/bad/")


def test_a_moment_of_the_year_dot_is_no_trouble(client: Client, nightly: Job) -> None:
    fire(nightly, scheduled_at=datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
    client.force_login(cast.rui(nightly))
    assert "1970-01-01" in page(client)


def test_the_admins_ledger_is_narrowed_to_visible_jobs_and_asks_no_query_per_row(
    client: Client, nightly: Job, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        fire(nightly, Outcome.RAN, number + 1, run=cast.run(nightly, "SUCCEEDED"))
    fire(cast.job("concealed"))
    client.force_login(cast.rui(nightly))
    with django_assert_max_num_queries(30):
        text = page(client, "/admin/runs/fire/")
    assert "nightly" in text
    assert "concealed" not in text


@pytest.fixture
def everything(client: Client) -> Any:
    person = cast.olga()
    client.force_login(person)
    return person


def week(client: Client, query: str = "") -> str:
    answer = client.get(f"/schedule/{query}")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_week_draws_what_is_to_come_with_its_usual_duration(client: Client, everything: Any) -> None:
    job = cast.job("nightly", schedule="0 2 * * *", tags=["etl"])
    done = cast.run(job, "SUCCEEDED")
    Run.objects.filter(pk=done.pk).update(finished_at=done.started_at + datetime.timedelta(minutes=40))
    text = week(client)
    assert text.count('class="block tint-') in (6, 7)
    assert "02:00, to come, usually 40 min 00 s</title>" in text


def test_a_disabled_and_a_never_measured_job_say_so(client: Client, everything: Any) -> None:
    cast.job("off", schedule="0 2 * * *", enabled=False)
    cast.job("new", schedule="0 3 * * *")
    text = week(client)
    assert 'class="block off' in text
    assert "no runs measured yet" in text


def test_a_frequent_schedule_is_a_band_and_one_row_a_day(client: Client, everything: Any) -> None:
    cast.job("often", schedule="*/5 * * * *")
    text = week(client, "?from=2099-01-01")
    assert text.count('class="block band') == 7
    assert "00:00–23:55, 288 times" in text


def test_a_past_week_shows_each_fire_with_its_run_and_the_balance_of_each_day(client: Client, everything: Any) -> None:
    job = cast.job("nightly")
    run = cast.run(job, "FAILED")
    at = datetime.datetime(2026, 3, 29, 1, 30, tzinfo=datetime.UTC)
    Fire.objects.create(job=job, scheduled_at=at, noticed_at=at, outcome="ran", run=run)
    missed = at + datetime.timedelta(hours=2)
    Fire.objects.create(job=job, scheduled_at=missed, noticed_at=missed, outcome="missed", cause="outage")
    text = week(client, "?from=2026-03-26&tz=Europe/Paris")
    assert "2 expected, 1 ran, 1 missed (no scheduler was running)" in text
    assert "clocks go forward at 02:00" in text
    assert f'href="/runs/{run.run_id}/"' in text
    assert "03:30 CEST" in text


def test_jobs_on_the_same_connector_that_overlap_are_told(client: Client, everything: Any) -> None:
    for name, schedule in (("a", "0 2 * * *"), ("b", "10 2 * * *")):
        job = cast.job(name, schedule=schedule)
        run = cast.run(job, "SUCCEEDED")
        Run.objects.filter(pk=run.pk).update(finished_at=run.started_at + datetime.timedelta(minutes=30))
    text = week(client)
    assert "both on reporting" in text
    assert "02:10–02:30" in text
    assert "clash shared" in text


@pytest.mark.parametrize(
    "query", ["from=x", "from=0001-01-01", "from=9999-12-31", "day=x", "tz=Nowhere", "tag=%00", "job=%00"]
)
def test_an_odd_week_is_no_error(client: Client, everything: Any, query: str) -> None:
    cast.job("nightly", schedule="0 2 * * *")
    week(client, f"?{query}")


def test_many_jobs_take_no_more_queries_and_few_marks(client: Client, everything: Any) -> None:
    def looked() -> tuple[int, str]:
        with CaptureQueriesContext(connection) as queries:
            text = week(client)
        return len(queries), text

    cast.job("job-0", schedule="0 2 * * *")
    looked()
    few, _ = looked()
    for number in range(1, 150):
        cast.job(f"job-{number}", schedule="0 2 * * *", steps=("only",))
    many, text = looked()
    assert many == few
    assert text.count("<rect") < 400


def test_only_jobs_that_one_sees_are_in_the_week(client: Client) -> None:
    job = cast.job("mine", schedule="0 2 * * *")
    cast.job("secret", schedule="0 2 * * *", tags=["secret-tag"])
    client.force_login(cast.vera(job))
    assert "secret" not in week(client)
