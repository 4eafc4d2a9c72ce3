"""The form that starts a run: an input for each type, and only what was changed is sent."""

from typing import Any

import pytest

from jobs.models import Job
from jobs.parameters import Overrides
from jobs.plainvalues import same
from nomaflow_site.lib.sealing import is_sealed, seal
from runs.runform import Place, RunForm, Values, values_of

STEPS = {"load orders": True, "send": False}
PARAMS: dict[str, Any] = {
    "apps_id": 10,
    "ratio": 0.5,
    "dry_run": False,
    "note": "plain",
    "target_connector": "reporting",
    "tables": ["a", "b"],
}


def values(extra: dict[str, Any] | None = None, **params: Any) -> Values:
    places = {Place("", key): value for key, value in (params or PARAMS).items()}
    return Values({**places, Place("load orders", "limit"): 5}, STEPS, "INFO", extra or {})


def posted(form: RunForm, **changes: Any) -> dict[str, Any]:
    """What a browser sends for the form as it stands, with some inputs changed; None unticks or leaves out."""
    data: dict[str, Any] = {}
    for bound in form:
        shown = bound.initial
        if bound.widget_type == "checkbox":
            if shown:
                data[bound.html_name] = "on"
        elif shown is not None and bound.name != "extra":
            data[bound.html_name] = str(shown)
    data.update(changes)
    return {name: value for name, value in data.items() if value is not None}


def sent(base: Values, shown: Values | None = None, **changes: Any) -> Overrides:
    job, connectors = Job(id="nightly", version=3), {"reporting": "sql", "backup": "sql", "ad": "ldap"}
    blank = RunForm(job, base, shown or base, connectors)
    form = RunForm(job, base, shown or base, connectors, posted(blank, **changes))
    assert form.is_valid(), form.errors
    return form.overrides


def faults(base: Values, **changes: Any) -> dict[str, Any]:
    job = Job(id="nightly", version=3)
    form = RunForm(job, base, base, {}, posted(RunForm(job, base, base, {}), **changes))
    assert not form.is_valid()
    return dict(form.errors)


def test_untouched_nothing_is_sent() -> None:
    assert sent(values()) == Overrides()


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("apps_id", "99", 99),
        ("ratio", "1", 1.0),
        ("dry_run", "on", True),
        ("note", "", ""),
        ("note", "two\r\nlines", "two\nlines"),
        ("target_connector", "backup", "backup"),
        ("tables", '["c"]', ["c"]),
    ],
)
def test_a_change_is_sent_alone_and_keeps_its_type(name: str, typed: str, value: Any) -> None:
    found = sent(values(), **{f"params.{name}": typed})
    assert found == Overrides(params={name: value})
    assert same(found.params[name], value)


def test_a_steps_parameter_goes_to_that_step() -> None:
    assert sent(values(), **{"op_kwargs.load%20orders.limit": "7"}) == Overrides(
        op_kwargs={"load orders": {"limit": 7}}
    )


def test_switches_and_log_level_are_sent_where_they_differ() -> None:
    found = sent(values(), **{"step_enabled.load%20orders": None, "step_enabled.send": "on", "log_level": "DEBUG"})
    assert found == Overrides(step_enabled={"load orders": False, "send": True}, log_level="DEBUG")


def test_what_the_job_has_no_parameter_for_can_be_given_too() -> None:
    assert sent(values(), extra="since = 2026\n").params == {"since": 2026}


def test_an_old_runs_values_are_sent_where_the_job_says_otherwise_now() -> None:
    base = values()
    shown = base.under(Overrides(params={"apps_id": 10, "note": "then"}, step_enabled={"send": True}))
    assert sent(base, shown) == Overrides(params={"note": "then"}, step_enabled={"send": True})


def test_a_presets_values_are_not_sent_again_but_may_be_taken_back() -> None:
    base = values().under(Overrides(params={"apps_id": 99, "since": 1}))
    assert sent(base, extra="since = 1") == Overrides()
    assert sent(base, extra="since = 1", **{"params.apps_id": "10"}) == Overrides(params={"apps_id": 10})


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("apps_id", "ten"),
        ("apps_id", ""),
        ("apps_id", str(2**64)),
        ("ratio", "nan"),
        ("ratio", "1e999"),
        ("tables", "[1,"),
        ("tables", '{"a": 1}'),
        ("tables", "[NaN]"),
        ("target_connector", "nowhere"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(name: str, typed: str) -> None:
    assert list(faults(values(), **{f"params.{name}": typed})) == [f"params.{name}"]


def test_a_nul_character_is_refused() -> None:
    assert faults(values(), **{"params.note": "a\0b"})


def test_a_secret_is_never_shown_and_stays_what_it_was() -> None:
    secret = seal({"password": "s3cr3t"})["password"]
    base = values(password=secret)
    form = RunForm(Job(id="nightly"), base, base, {})
    assert is_sealed(secret)
    assert "sealed" not in str(form)
    assert sent(base, **{"params.password": ""}) == Overrides()
    assert sent(base, **{"params.password": "new"}).params == {"password": "new"}


def test_a_masked_secret_inside_a_table_is_put_back() -> None:
    base = values(login=seal({"user": "a", "password": "s3cr3t"}))
    found = sent(base, **{"params.login": '{"user": "b", "password": "********"}'})
    assert found.params["login"]["user"] == "b"
    assert is_sealed(found.params["login"]["password"])


def test_a_job_that_was_changed_meanwhile_is_looked_at_again_first() -> None:
    assert "changed after this form was opened" in str(faults(values(), seen_version="2"))


def test_a_connector_that_is_gone_stays_chosen() -> None:
    assert sent(values(target_connector="${kw:other}")) == Overrides()


def test_every_key_that_ends_in_connector_gets_a_picker() -> None:
    base = values(connector="reporting", source_connector="ad", connectors="x")
    form = RunForm(Job(id="nightly"), base, base, {"reporting": "sql", "ad": "ldap"})
    kinds = [form[f"params.{name}"].widget_type for name in ("connector", "source_connector", "connectors")]
    assert kinds == ["select", "select", "text"]


def test_true_one_and_one_point_zero_are_three_values() -> None:
    assert not any(same(one, other) for one, other in ((1, True), (1, 1.0), ([1], [1.0]), ({"a": 1}, {"a": True})))


def test_values_of_a_plan_hold_the_parameters_of_each_step() -> None:
    from jobs.plan import plan_of

    steps = [{"name": "a", "type": "python", "callable": "m:f", "op_kwargs": {"x": 1}, "enabled": False}]
    found = values_of(plan_of({"id": "j", "params": {"p": 2}, "steps": steps}), "DEBUG")
    assert found == Values({Place("", "p"): 2, Place("a", "x"): 1}, {"a": False}, "DEBUG")
