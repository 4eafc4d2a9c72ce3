"""The step that calls a plugin's function."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.definition import ConnectorError
from jobs.steps.python import Python, PythonForm
from jobs.steptype import Result, StepFailed
from jobs.testing import fake_ctx
from nomaflow_site.lib.config import ConfigError


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Any]:
    """Runs `callable` of a plugin folder that holds `source` as plug.py."""
    before, path = dict(sys.modules), list(sys.path)

    def run(source: str, callable: str = "plug:f", **facts: Any) -> Result:
        (tmp_path / "plug.py").write_text(source)
        result = Python().run(fake_ctx(plugins=(tmp_path,), **facts), {"callable": callable})
        assert isinstance(result, Result)
        return result

    yield run
    sys.path[:] = path
    for name in set(sys.modules) - set(before):
        del sys.modules[name]


def test_the_function_gets_the_context_and_its_parameters(plugin: Any) -> None:
    result = plugin("def f(ctx, *, name, **_): return {'got': [ctx.run_id, name]}", params={"name": "Olga", "more": 1})
    assert result.output == {"got": ["run_test", "Olga"]}


def test_the_seeds_example_gets_target_connector_and_its_own_op_kwargs(plugin: Any) -> None:
    source = "def f(ctx, *, target_connector, **kw): return {'target': target_connector, 'rest': kw}"
    result = plugin(source, params={"target_connector": "reporting", "day": "monday"})
    assert result.output == {"target": "reporting", "rest": {"day": "monday"}}


def test_without_a_catch_all_only_named_parameters_are_passed(plugin: Any) -> None:
    assert plugin("def f(ctx, a=0): return {'a': a}", params={"a": 1, "b": 2}).output == {"a": 1}


def test_a_missing_parameter_is_named(plugin: Any) -> None:
    with pytest.raises(StepFailed, match="needs the parameter day; the run has name"):
        plugin("def f(ctx, *, day): pass", params={"name": "x"})


def test_an_async_function_is_run_to_its_end(plugin: Any) -> None:
    source = "import asyncio\nasync def f(ctx):\n    await asyncio.sleep(0)\n    return 3"
    assert plugin(source).rows == 3


def test_connectors_and_ctx_can_be_asked_for_by_name(plugin: Any) -> None:
    source = "def f(c, *, connectors, ctx): connectors['nowhere']"
    with pytest.raises(ConnectorError, match="'nowhere'"):
        plugin(source)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ("None", Result()),
        ("7", Result(rows=7)),
        ("{'a': 1}", Result({"a": 1})),
        ("{'rows_affected': 2}", Result({"rows_affected": 2}, 2)),
    ],
)
def test_what_is_returned_is_output_rows_or_nothing(plugin: Any, returned: str, expected: Result) -> None:
    assert plugin(f"def f(ctx): return {returned}") == expected


@pytest.mark.parametrize("returned", ["'text'", "[1]", "True", "{'a': object()}", "{'a': float('nan')}"])
def test_anything_that_is_not_json_fails_with_a_clear_message(plugin: Any, returned: str) -> None:
    with pytest.raises(StepFailed, match="plug:f returned"):
        plugin(f"def f(ctx): return {returned}")


@pytest.mark.parametrize("callable", ["os:system", "subprocess:run", "builtins:eval", "json:dumps", "nowhere:f"])
def test_modules_outside_the_plugins_folders_are_refused(plugin: Any, callable: str) -> None:
    with pytest.raises(StepFailed, match="plugin"):
        plugin("x = 1", callable)


@pytest.mark.parametrize("callable", ["plug:system", "plug:thing", "plug:Popen"])
def test_what_a_plugin_merely_imports_is_not_callable(plugin: Any, callable: str) -> None:
    with pytest.raises(StepFailed, match="is not a function written in the plugins"):
        plugin("from os import system\nfrom subprocess import Popen\nthing = 5", callable)


def test_a_missing_function_is_named_with_those_there_are(plugin: Any) -> None:
    with pytest.raises(StepFailed, match=r"no function 'g'; it has f"):
        plugin("def f(ctx): pass", "plug:g")


def test_a_plugin_that_can_not_be_imported_says_why(plugin: Any) -> None:
    with pytest.raises(StepFailed, match="ZeroDivisionError"):
        plugin("1/0")


def test_a_plugin_that_anybody_may_write_to_is_not_run(plugin: Any, tmp_path: Path) -> None:
    (tmp_path / "plug.py").touch()
    (tmp_path / "plug.py").chmod(0o666)
    with pytest.raises(StepFailed, match="chmod o-w"):
        plugin("def f(ctx): pass")


def test_a_link_that_leads_out_of_the_plugins_folder_is_refused(tmp_path: Path, plugin: Any) -> None:
    outside = tmp_path.parent / "outside_plugin.py"
    outside.write_text("def f(ctx): pass")
    (tmp_path / "linked.py").symlink_to(outside)
    with pytest.raises(StepFailed, match="plugin"):
        plugin("", "linked:f")


@pytest.mark.parametrize(
    "spelled",
    ["os.system", "a:b:c", "a.b:__class__", "_a:f", "a:_f", "../x:y", "a b:c", "a:f()", "plug:mod.f", ":f", "a:"],
)
def test_a_misspelled_callable_is_refused_when_it_is_saved(spelled: str) -> None:
    with pytest.raises(ConfigError):
        PythonForm.check({"callable": spelled}, tokens=True)


def test_progress_reaches_whoever_supervises(plugin: Any, tmp_path: Path) -> None:
    (tmp_path / "plug.py").write_text("def f(ctx): ctx.progress(1, 2)")
    ctx = fake_ctx(plugins=(tmp_path,))
    Python().run(ctx, {"callable": "plug:f"})
    assert ctx.link.progress_calls == [(1, 2)]  # type: ignore[attr-defined]


def test_the_output_of_an_earlier_step_can_be_read(plugin: Any) -> None:
    source = "def f(ctx): return {'n': ctx.previous_step('load').output['rows']}"
    assert plugin(source, previous={"load": {"rows": 3}}).output == {"n": 3}
