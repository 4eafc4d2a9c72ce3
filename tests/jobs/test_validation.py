"""What's wrong with a definition, named with job, step and field."""

import datetime

import pytest

from jobs.jobform import AlertFields
from jobs.steps import step_types
from jobs.validation import check_job, read_job
from nomaflow_site.lib.sealing import MASK, is_secret_name

KINDS = {"reporting": "sql", "api": "http"}
QUERY = {"name": "load", "type": "sql_query", "connector": "reporting", "query": "select 1"}


def job(**changes):
    return {"id": "nightly", "steps": [QUERY], **changes}


def faults(connectors=KINDS, **changes):
    return [(f.step or f.preset, f.field, f.message) for f in check_job(job(**changes), connectors=connectors)]


def test_a_job_of_one_step_is_all_right():
    assert faults() == []


@pytest.mark.parametrize(
    ("changes", "where", "field", "words"),
    [
        ({"nonsense": 1}, "", "nonsense", "Unknown key; this takes id"),
        ({"id": "no spaces"}, "", "id", "letters, digits"),
        ({"id": "newline\n"}, "", "id", "letters, digits"),
        ({"schedule": "0 25 * * *"}, "", "schedule", "hour: found 25"),
        ({"timezone": "Europe/Pairs"}, "", "timezone", "expected an IANA name"),
        ({"timeout_seconds": 0}, "", "timeout_seconds", "greater than or equal to 1"),
        ({"timeout_seconds": True}, "", "timeout_seconds", "a whole number"),
        ({"enabled": "yes"}, "", "enabled", "true or false"),
        ({"overlap": "maybe"}, "", "overlap", "not one of the available choices"),
        ({"log_level": "TRACE"}, "", "log_level", "not one of the available choices"),
        ({"tags": [1]}, "", "tags", "texts only"),
        ({"tags": ["a,b"]}, "", "tags", "without commas"),
        ({"tags": ["a", "a"]}, "", "tags", "Listed twice"),
        ({"params": {"a": None}}, "", "params", "null"),
        ({"params": {"a": float("inf")}}, "", "params.a", "finite"),
        ({"params": {"a": "x\0y"}}, "", "params.a", "NUL"),
        ({"params": {"a": 2**70}}, "", "params.a", "64 bits"),
        ({"params": {"a": "\ud800"}}, "", "params.a", "surrogate"),
        ({"params": {"token": MASK}}, "", "params.token", "hidden value"),
        ({"params": {"a": "${nope}"}}, "", "params", "is not a token"),
        ({"retry": {"attempts": 0}}, "", "retry.attempts", "greater than or equal to 1"),
        ({"retry": {"tries": 2}}, "", "retry.tries", "Unknown key"),
        ({"retry": 3}, "", "retry", "Expected a table"),
        ({"alerts": {"on_failure": "no"}}, "", "alerts.on_failure", "true or false"),
        ({"alerts": {"on_long_run_minutes": 0}}, "", "alerts.on_long_run_minutes", "greater than or equal to 1"),
        ({"alerts": {"recipients": [1]}}, "", "alerts.recipients", "texts only"),
        ({"alerts": {"on_cancel": 1}}, "", "alerts.on_cancel", "true or false"),
        ({"alerts": {"after_failures": 0}}, "", "alerts.after_failures", "greater than or equal to 1"),
        ({"alerts": {"after_failures": 101}}, "", "alerts.after_failures", "less than or equal to 100"),
        ({"alerts": {"repeat_minutes": 10081}}, "", "alerts.repeat_minutes", "less than or equal to 10080"),
        ({"alerts": {"on_sucess": True}}, "", "alerts.on_sucess", "Unknown key"),
        ({"step_defaults": {"nonsense": 1}}, "", "step_defaults.nonsense", "Unknown key"),
        ({"step_defaults": {"timeout_seconds": -1}}, "", "step_defaults.timeout_seconds", "greater than"),
        ({"steps": []}, "", "steps", "at least one step"),
        ({"steps": "x"}, "", "steps", "list of tables"),
        ({"steps": [QUERY, QUERY]}, "load", "name", "2 steps"),
        ({"steps": [{**QUERY, "type": "perl"}]}, "load", "type", "Found 'perl', expected one of call_job"),
        ({"steps": [{**QUERY, "querry": "x"}]}, "load", "querry", "Unknown key"),
        ({"steps": [{**QUERY, "query": ""}]}, "load", "query", "required"),
        ({"steps": [{**QUERY, "connector": "gone"}]}, "load", "connector", "There is no connector 'gone'"),
        ({"steps": [{**QUERY, "connector": "api"}]}, "load", "connector", "is of kind http, expected sql"),
        ({"steps": [{**QUERY, "query": "${out:send.x}"}]}, "load", "query", "names no earlier step"),
        ({"steps": [{**QUERY, "query": "${ctx:nope}"}]}, "load", "query", "names no fact"),
        ({"steps": [{**QUERY, "op_kwargs": {"a": "${x}"}}]}, "load", "op_kwargs", "is not a token"),
        ({"steps": [{**QUERY, "retry": {"backoff": "random"}}]}, "load", "retry.backoff", "not one of"),
        ({"steps": [{**QUERY, "timeout_seconds": 0}]}, "load", "timeout_seconds", "greater than"),
        ({"presets": [{"name": "p", "op_kwargs": {"gone": {}}}]}, "p", "op_kwargs", "There is no step 'gone'"),
        ({"presets": [{"name": "p", "op_kwargs": {"load": 1}}]}, "p", "op_kwargs", "a table of names"),
        ({"presets": [{"name": "p", "step_enabled": {"load": 1}}]}, "p", "step_enabled", "true or false"),
        ({"presets": [{"name": "p", "schedule": "x"}]}, "p", "schedule", "Found 1 fields"),
        ({"presets": [{"name": "p", "timezone": "Mars"}]}, "p", "timezone", "expected an IANA name"),
        ({"presets": [{"name": "p"}, {"name": "p"}]}, "p", "name", "2 presets"),
    ],
)
def test_a_fault_is_named_with_its_place(changes, where, field, words):
    found = faults(**changes)
    assert [(place, name) for place, name, _ in found] == [(where, field)]
    assert words in found[0][2]


def test_every_fault_of_a_definition_is_told_at_once():
    found = faults(schedule="x", timezone="Mars", steps=[{**QUERY, "connector": "gone", "query": ""}])
    assert {field for _, field, _ in found} == {"schedule", "timezone", "connector", "query"}


def test_a_connector_that_is_a_token_can_not_be_checked():
    assert faults(steps=[{**QUERY, "connector": "${kw:target_connector}"}]) == []


def test_an_output_of_an_earlier_step_may_be_used():
    assert faults(steps=[QUERY, {**QUERY, "name": "next", "query": "select ${out:load.rows_affected}"}]) == []


def test_step_defaults_fill_what_a_step_leaves_out():
    bare = {"name": "load", "type": "sql_query", "query": "select 1"}
    assert faults(steps=[bare], step_defaults={"connector": "reporting"}) == []
    assert faults(steps=[bare], step_defaults={"connector": "gone"})[0][1] == "connector"


def test_a_value_that_step_defaults_would_hide_is_refused():
    found = faults(steps=[{**QUERY, "timeout_seconds": 3600}], step_defaults={"timeout_seconds": 60})
    assert found[0][:2] == ("load", "timeout_seconds")


def test_the_default_of_a_type_is_kept_where_step_defaults_says_otherwise():
    steps = [{**QUERY, "fetch": "none"}]
    read, found = read_job(job(steps=steps, step_defaults={"fetch": "all"}), connectors=KINDS)
    assert (read["steps"][0]["fetch"], found) == ("none", [])


def test_declared_alerts_tell_of_failures_unless_they_say_otherwise():
    read, _ = read_job(job(alerts={}))
    assert read["alerts"] == {"on_failure": True, "on_success": False, "recipients": []}
    assert "alerts" not in read_job(job())[0]


MORE = {"on_cancel": True, "on_missed": False, "on_skipped": True, "on_guard": False, "on_switch": True}
MORE |= {"on_recovery": True, "after_failures": 3, "repeat_minutes": 0}


def test_more_alert_options_are_kept_where_they_say_something_else_than_their_default():
    always = {"on_failure": True, "on_success": False, "recipients": []}
    assert read_job(job(alerts=MORE))[0]["alerts"] == {**always, **MORE}
    defaults = {key: value for key, value in AlertFields.defaults().items() if key != "recipients"}
    assert read_job(job(alerts=defaults))[0]["alerts"] == always


def test_recipients_are_asked_about_where_somebody_can_say():
    alerts = {"recipients": ["#ops", "pager"]}
    assert check_job(job(alerts=alerts)) == []
    found = check_job(job(alerts=alerts), recipients=lambda recipients: [f"No {recipients[1]}."])
    assert [(fault.field, fault.message) for fault in found] == [("alerts.recipients", "No pager.")]


def test_a_preset_without_a_timezone_has_the_jobs():
    read, _ = read_job(job(timezone="Europe/Paris", presets=[{"name": "p"}]))
    assert read["presets"] == [{"name": "p", "timezone": "Europe/Paris"}]


def test_dates_become_iso_texts_to_the_microsecond():
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, datetime.UTC)
    read, _ = read_job(job(params={"at": moment}))
    assert read["params"] == {"at": "2026-01-02T03:04:05.678901+00:00"}


def test_reading_what_was_read_changes_nothing():
    read, _ = read_job(job(tags=["a"], step_defaults={"fetch": "all"}, alerts={"on_success": True}))
    assert read_job(read) == (read, [])


@pytest.mark.parametrize("name", step_types())
def test_every_secret_field_of_a_step_type_is_sealed_by_its_name(name):
    form = step_types()[name].form
    assert [field for field in form.secret_names() if not is_secret_name(field)] == []


@pytest.mark.parametrize("name", step_types())
def test_no_step_type_takes_a_name_that_every_step_has(name):
    form = step_types()[name].form
    common = {"name", "type", "enabled", "timeout_seconds", "rerun_if_lost", "retry", "op_kwargs"}
    assert common & {*form.base_fields, *form.nested} == set()
