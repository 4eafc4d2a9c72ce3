"""The retention step: asks for batches until there are none."""

import datetime

import pytest

from jobs.steps import prune_runs
from jobs.steps.prune_runs import PruneRuns, PruneRunsForm
from jobs.steptype import Result
from jobs.testing import fake_ctx
from nomaflow_site.lib.config import ConfigError

BATCH = {"runs": 2, "steps": 4, "log_lines": 1500, "fires": 1}
REST = {"runs": 0, "steps": 0, "log_lines": 0, "fires": 3}


def run(ctx, **config) -> Result:
    return PruneRuns().run(ctx, PruneRunsForm.check(config, tokens=False))


@pytest.fixture
def ctx():
    ctx = fake_ctx()
    ctx.link.to_prune = [BATCH, BATCH, REST]
    return ctx


def test_it_goes_on_until_nothing_is_left_and_counts_all(ctx):
    result = run(ctx)
    before = result.output.pop("before")
    assert result == Result({"runs": 4, "steps": 8, "log_lines": 3000, "fires": 5, "alerts": 0}, 3017)
    assert ctx.link.prune_calls == [before] * 4


def test_without_anything_to_remove_it_says_so_with_zeros():
    result = run(fake_ctx())
    assert (result.rows, result.output["runs"], result.output["fires"]) == (0, 0, 0)


@pytest.mark.parametrize(("config", "days"), [({}, 90), ({"keep_days": 7}, 7)])
def test_what_is_older_than_the_days_to_keep_goes(ctx, config, days):
    before = datetime.datetime.fromisoformat(run(ctx, **config).output["before"])
    assert before - datetime.datetime.now(datetime.UTC) == pytest.approx(
        datetime.timedelta(days=-days), abs=datetime.timedelta(minutes=1)
    )


def test_its_log_says_how_far_it_is(ctx, caplog, monkeypatch):
    monkeypatch.setattr(prune_runs, "TELL_SECONDS", 0)
    with caplog.at_level("INFO", logger="nomaflow.step"):
        run(ctx)
    assert "removed 2 runs, 4 steps, 1,500 log lines, 1 fires, 0 alerts so far" in caplog.messages
    assert caplog.messages[-1].startswith("removed 4 runs, 8 steps, 3,000 log lines, 5 fires, 0 alerts; ")


@pytest.mark.parametrize("days", [0, -1, 10**9])
def test_at_least_a_day_is_kept(days):
    with pytest.raises(ConfigError, match="keep_days"):
        PruneRunsForm.check({"keep_days": days}, tokens=False)
