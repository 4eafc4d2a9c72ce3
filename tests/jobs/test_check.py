"""What a run would do, told without running anything."""

import pytest

from jobs.catalogue import save_job
from jobs.check import Place, World, check_run
from jobs.definition import definition_of
from jobs.parameters import Overrides
from nomaflow_site.lib.sealing import MASK

pytestmark = pytest.mark.django_db
WORLD = World({"reporting": Place("sql", "db.example.com / marts")}, (), {"JOB_HOME": "/canary"}, ["JOB_*"])


@pytest.fixture
def check(reporting):
    """The check of a job with these steps and values, as it is stored."""

    def made(*steps, fire=Overrides(), **values):  # noqa: B008 - frozen
        defined = [{"name": f"s{number}", "type": "sql_query", **step} for number, step in enumerate(steps, 1)]
        defined = [
            {"connector": "reporting", "query": "select 1", **s} if s["type"] == "sql_query" else s for s in defined
        ]
        job = save_job({"id": "nightly", "steps": defined, **values}, by="olga")
        return check_run(definition_of(job), fire, WORLD)

    return made


def field(checked, name, step=0):
    return next(item for item in checked.steps[step].fields if item.name == name)


def param(checked, name, step=0):
    return next(item for item in checked.steps[step].params if item.name == name)


def test_values_are_substituted_as_far_as_they_are_known(check):
    checked = check({"query": "select ${kw:n} -- ${ctx:job_id} ${ctx:run_id}"}, params={"n": 10})
    assert field(checked, "query").value == "select 10 -- nightly ${ctx:run_id}"
    assert field(checked, "query").is_later
    assert checked.all_faults == []


def test_parameters_are_merged_and_say_their_type_and_where_they_are_from(check):
    fire = Overrides(params={"a": "x"}, op_kwargs={"s1": {"b": 2}})
    checked = check({"op_kwargs": {"b": 1, "c": True}}, params={"a": 1, "d": 1.0}, fire=fire)
    shown = {item.name: (item.value, item.note) for item in checked.steps[0].params}
    assert shown == {
        "a": ("x", "text, from the preset"),
        "d": ("1.0", "number, from the job"),
        "b": ("2", "number, from the preset, for this step"),
        "c": ("true", "yes / no, from this step"),
    }


def test_secrets_are_masked_wherever_they_end_up(check):
    step = {"type": "http", "url": "https://x/${kw:api_key}", "headers": {"X-Token": "tok-1", "A": "b ${kw:api_key}"}}
    checked = check(step, params={"api_key": "k-4711"})
    assert param(checked, "api_key").value == MASK
    assert "k-4711" not in str(checked)
    assert "tok-1" not in str(checked)
    assert "$sealed" not in str(checked)
    assert field(checked, "url").value == f"https://x/{MASK}"


def test_a_variable_is_allowed_or_refused_and_never_shown(check):
    checked = check({"query": "${env:JOB_HOME}"}, {"query": "${env:HOME}"})
    assert "/canary" not in str(checked)
    assert field(checked, "query").is_later
    assert "may not read the environment variable 'HOME'" in field(checked, "query", 1).faults[0]


def test_a_missing_parameter_is_named_at_its_field(check):
    checked = check({"query": "${kw:gone}"}, params={"here": 1})
    assert checked.all_faults == ["s1: query: ${kw:gone}: there is no parameter 'gone'; there are 'here'."]


def test_a_substituted_value_that_does_not_fit_its_field_is_told(check):
    checked = check({"type": "http", "url": "https://x/", "expect_status": "${kw:status}"}, params={"status": ["soon"]})
    assert "s1: expect_status: " in checked.all_faults[0]


def test_a_connector_leads_somewhere_or_is_a_fault(check):
    assert field(check({}), "connector").note == "sql: db.example.com / marts"
    checked = check({"connector": "${kw:to_connector}"}, params={"to_connector": "gone"})
    assert "There is no connector 'gone'" in field(checked, "connector").faults[0]


def test_the_output_of_a_step_that_is_left_out_is_a_fault(check):
    steps = [{}, {"query": "${out:s1.row_count}"}]
    assert check(*steps).all_faults == []
    checked = check(*steps, fire=Overrides(step_enabled={"s1": False}))
    assert "'s1' is left out" in checked.all_faults[0]


def test_a_step_that_is_left_out_can_not_fail(check):
    checked = check({"query": "${kw:gone}", "enabled": False}, {})
    assert not checked.steps[0].enabled
    assert checked.all_faults == []


def test_timeout_and_retry_in_force_are_told(check):
    step = {"timeout_seconds": 7200, "retry": {"attempts": 3}}
    checked = check(step, {}, timeout_seconds=3600, retry={"attempts": 1, "backoff": "exponential", "base_seconds": 30})
    assert [step.limits for step in checked.steps] == [
        "stopped after 1 h; tried 3 times, 30 s apart, doubling",
        "stopped after 1 h; not tried again",
    ]
