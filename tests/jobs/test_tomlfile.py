"""Export and import of the whole catalogue, through the shell commands."""

import io
import json
import sys
from pathlib import Path

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from connectors.models import Connector
from jobs.catalogue import delete_job, save_job
from jobs.definition import definition_of
from jobs.models import Job, JobVersion
from jobs.sections import SECTIONS, Change, Section, register_section
from nomaflow_site.lib.sealing import unseal

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def saved(definition):
    return save_job(definition, by="olga")


def export(*arguments):
    out = io.StringIO()
    call_command("exportjobs", *arguments, stdout=out)
    return out.getvalue()


def load(text, tmp_path, *arguments):
    """What `importjobs` prints; with the exit code and what it complains about."""
    path = tmp_path / "jobs.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    out, err, code = io.StringIO(), io.StringIO(), 0
    try:
        call_command("importjobs", str(path), *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        code = ended.code
    return code, out.getvalue(), err.getvalue().replace(str(path), "FILE")


def catalogue():
    return [unseal(definition_of(job)) for job in Job.objects.all()]


STEP = '[[jobs.steps]]\nname = "s"\ntype = "python"\ncallable = "m:f"\n'


def test_import_of_an_export_changes_nothing(saved, tmp_path):
    text, before = export(), catalogue()
    code, out, _ = load(text, tmp_path)
    assert (code, catalogue()) == (0, before)
    assert "job nightly: unchanged" in out
    assert JobVersion.objects.count() == 1
    assert export() == text


def test_an_export_read_elsewhere_gives_the_same_catalogue_but_for_the_secrets(saved, tmp_path):
    text = export()
    delete_job(saved, by="olga")
    Connector.objects.all().delete()
    assert load(text, tmp_path)[0] == 0
    assert export() == text
    assert catalogue()[0]["params"]["api_key"] == "${env:JOB_NIGHTLY_PARAMS_API_KEY}"


def test_an_export_holds_no_secret_and_is_in_the_audit_trail(saved):
    text = export()
    assert "k-4711" not in text
    assert "tok-12345" not in text
    assert LogEntry.objects.filter(action=LogEntry.Action.ACCESS, object_pk="nightly").count() == 1


def test_literal_tokens_are_never_expanded(tmp_path, db, monkeypatch):
    monkeypatch.setenv("JOB_HOME", "/secret/place")
    text = f'[[jobs]]\nid = "j"\nparams = {{ a = "${{env:JOB_HOME}} $x ${{kw:a}}" }}\n{STEP}'
    assert load(text, tmp_path)[0] == 0
    assert catalogue()[0]["params"] == {"a": "${env:JOB_HOME} $x ${kw:a}"}
    assert "/secret/place" not in export()


def test_the_example_of_the_documentation_imports_and_says_what_the_seed_says(db):
    call_command("importjobs", str(ROOT / "examples" / "nightly-reporting-refresh.toml"), stdout=io.StringIO())
    job = catalogue()[0]
    assert (job["schedule"], job["timezone"], job["tags"]) == ("0 2 * * *", "Europe/Paris", ["etl", "nightly"])
    assert job["description"] == "refresh the reporting materialised views from the OLTP DB"
    assert job["params"] == {"target_connector": "reporting"}
    assert job["retry"] == {"attempts": 2, "backoff": "fixed", "base_seconds": 60}
    steps = [(step["name"], step["type"], step.get("connector") or step["callable"]) for step in job["steps"]]
    assert steps == [
        ("refresh-orders", "sql_query", "reporting"),
        ("refresh-customers", "sql_query", "reporting"),
        ("send-summary", "python", "reports:summary"),
    ]


def test_named_jobs_come_alone_or_with_the_connectors_that_they_use(saved, tmp_path):
    load('[[connectors]]\nname = "unused"\ntype = "http"\nbase_url = "https://example.com"\n', tmp_path)
    assert "[[connectors]]" not in export("nightly")
    assert export("nightly", "--connectors").count("[[connectors]]") == 1
    assert export().count("[[connectors]]") == 2


def test_a_dry_run_shows_the_difference_and_changes_nothing(saved, tmp_path):
    text = export().replace("the nightly refresh", "something else")
    code, out, _ = load(text, tmp_path, "--dry-run")
    assert code == 0
    assert '-description = "the nightly refresh"' in out
    assert '+description = "something else"' in out
    assert Job.objects.get().description == "the nightly refresh"


def test_a_difference_shows_no_secret(saved, tmp_path):
    text = export().replace("${env:JOB_NIGHTLY_PARAMS_API_KEY}", "brand-new-key")
    code, out, _ = load(text, tmp_path)
    assert (code, catalogue()[0]["params"]["api_key"]) == (0, "brand-new-key")
    assert "******** (changed)" in out
    assert "brand-new-key" not in out


def test_jobs_that_the_file_does_not_name_stay(saved, tmp_path):
    assert load(f'[[jobs]]\nid = "other"\n{STEP}', tmp_path)[0] == 0
    assert list(Job.objects.values_list("id", flat=True)) == ["nightly", "other"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[jobs]]\nid = 'j'\n", "FILE: job 'j': steps: A job needs at least one step."),
        (f"[[jobs]]\nid = 'j'\nschedule = '99 * * * *'\n{STEP}", "FILE: job 'j': schedule: minute: found 99"),
        (f"[[jobs]]\nid = 'j'\ntimezone = 'Mars'\n{STEP}", "FILE: job 'j': timezone: found 'Mars'"),
        (f"[[jobs]]\nid = 'j'\nshedule = ''\n{STEP}", "FILE: job 'j': shedule: Unknown key"),
        (f"[[jobs]]\nid = 'j'\n{STEP}[[jobs]]\nid = 'j'\n{STEP}", "FILE: job 'j': id: The file has this job"),
        (f"[[jobs]]\nid = 'j'\n{STEP}nonsense = 1\n", "FILE: job 'j', step 's': nonsense: Unknown key"),
        (f"[[jobs]]\nid = 'j'\n[jobs.params]\np = {{ '$sealed' = 'x' }}\n{STEP}", "Sealed values can't be imported"),
        (
            "[[jobs]]\nid = 'j'\n[[jobs.steps]]\nname = 's'\ntype = 'sql_query'\nconnector = 'gone'\nquery = 'x'\n",
            "FILE: job 'j', step 's': connector: There is no connector 'gone'",
        ),
        ("[[job]]\nid = 'j'\n", "FILE: job: Unknown key; a file has calendars, connectors, jobs"),
        ("[[channels]]\nname = 'x'\n[[nope]]\n", "FILE: nope: Unknown key"),
        ("jobs = 3\n", "FILE: jobs: Expected [[jobs]] tables."),
        ("[[connectors]]\nname = 'c'\ntype = 'fax'\n", "FILE: connector 'c': type: Found 'fax'"),
        ("[[connectors]]\nname = 'c'\ntype = 'sql'\nurl = 'sqlite:////x'\nx = 1\n", "FILE: connector 'c': x: Unknown"),
        ("[[connectors]]\nname = 'a b'\ntype = 'sql'\nurl = 'sqlite:////x'\n", "FILE: connector 'a b': name:"),
        ("id = ", "FILE: Not TOML"),
        (b"\xff\xfe", "FILE: Not UTF-8 text"),
        ("a = " + "[" * 5000, "FILE: Not TOML"),
        ("#" * 10_000_001, "FILE: The file has"),
    ],
)
def test_a_file_with_a_fault_is_refused_whole(saved, tmp_path, text, complaint):
    good = f"[[jobs]]\nid = 'good'\n{STEP}"
    code, _, err = load(text + good if isinstance(text, str) and text.startswith("[[") else text, tmp_path)
    assert code == 2
    assert complaint in err
    assert list(Job.objects.values_list("id", flat=True)) == ["nightly"]


def test_every_fault_of_a_file_is_told_at_once_also_as_json(db, tmp_path):
    text = f"[[jobs]]\nid = 'a'\nschedule = 'x'\n{STEP}[[jobs]]\nid = 'b'\ntimezone = 'y'\n{STEP}"
    code, out, err = load(text, tmp_path, "--json")
    answer = json.loads(out)
    assert (code, answer["applied"], len(answer["faults"])) == (2, False, 2)
    assert err.count("FILE: ") == 2


def test_a_connector_of_the_same_file_counts(db, tmp_path):
    text = (
        '[[connectors]]\nname = "c"\ntype = "sql"\nurl = "sqlite:////srv/x.db"\n[connectors.queries]\nq = "select 1"\n'
    )
    step = '[[jobs.steps]]\nname = "s"\ntype = "sql_query"\nconnector = "c"\nquery = "q"\n'
    assert load(f'{text}[[jobs]]\nid = "j"\n{step}', tmp_path)[0] == 0
    assert Connector.objects.get().queries.get().sql == "select 1"


def test_the_type_of_a_stored_step_can_not_be_imported_away(saved, tmp_path):
    code, _, err = load('[[jobs]]\nid = "nightly"\n' + STEP.replace('"s"', '"load"'), tmp_path)
    assert code == 2
    assert "job 'nightly', step 'load': type: The type is locked" in err


def test_a_file_comes_from_standard_input_too(db, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(f'[[jobs]]\nid = "j"\n{STEP}'.encode()))
    monkeypatch.setattr(sys, "stdin", stream)
    call_command("importjobs", "-", stdout=io.StringIO())
    assert Job.objects.filter(pk="j").exists()


def test_a_file_that_is_not_there_is_a_usage_error(db):
    with pytest.raises(CommandError, match="can't be read") as caught:
        call_command("importjobs", "/nowhere/jobs.toml")
    assert caught.value.returncode == 2


def test_a_floor_above_can_add_a_section(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.sections.SECTIONS", SECTIONS)
    kept = dict(SECTIONS)
    seen = []

    def apply(tables, by):
        seen.extend((table["name"], by) for table in tables)
        return [Change("bell", tables[0]["name"], "added")]

    def check(tables, document):
        return [f"bell {table!r}: name: missing" for table in tables if "name" not in table]

    register_section(Section("bells", check, apply, lambda: '[[bells]]\nname = "ding"\n'))
    try:
        text = export()
        assert load(text, tmp_path)[1].startswith("connector reporting")
        assert load("[[bells]]\nname = ''\n[[bells]]\n", tmp_path)[0] == 2
    finally:
        SECTIONS.clear()
        SECTIONS.update(kept)
    assert seen == [("ding", "cli")]


def test_listjobs_prints_lines_for_a_pipe_and_json_for_a_program(saved):
    out = io.StringIO()
    call_command("listjobs", stdout=out)
    assert out.getvalue().splitlines()[1] == "nightly\tyes\t0 2 * * *\tEurope/Paris\t2\tetl, nightly"
    out = io.StringIO()
    call_command("listjobs", "--json", stdout=out)
    assert json.loads(out.getvalue())[0]["tags"] == ["etl", "nightly"]


def test_checkjobs_finds_what_broke_since_the_job_was_saved(saved):
    call_command("checkjobs", "nightly", stdout=io.StringIO())
    Connector.objects.all().delete()
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("checkjobs", "--json", stdout=out)
    assert (ended.value.code, json.loads(out.getvalue())["faults"][0]["step"]) == (1, "load")


def test_an_unknown_job_is_a_usage_error(saved):
    for command in ("checkjobs", "exportjobs"):
        with pytest.raises(CommandError, match="No such job: nope") as caught:
            call_command(command, "nightly", "nope")
        assert caught.value.returncode == 2


def test_nextfires_prints_one_iso_time_with_offset_per_line():
    out = io.StringIO()
    arguments = ("--tz", "Europe/Paris", "--after", "2026-03-28T12:00", "--count", "2")
    call_command("nextfires", "30 2 * * *", *arguments, stdout=out)
    assert out.getvalue().split() == ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]


@pytest.mark.parametrize(
    "arguments",
    [["* * *"], ["@daily", "--tz", "Mars"], ["@daily", "--after", "noon"], ["@daily", "--count", "0"]],
)
def test_nextfires_refuses_what_it_can_not_read_as_a_usage_error(arguments):
    with pytest.raises(CommandError) as caught:
        call_command("nextfires", *arguments)
    assert caught.value.returncode == 2
