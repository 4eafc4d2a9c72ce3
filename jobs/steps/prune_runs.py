"""The step that removes old runs: Nomaflow's own retention, as a job that can be seen, changed and switched off."""

import datetime
import time
from collections import Counter
from typing import Any

from django import forms

from jobs.context import Context
from jobs.steptype import Result, StepType
from nomaflow_site.lib.config import ConfigForm

KEEP_DAYS = 90
COUNTED = ("runs", "steps", "log_lines", "fires", "alerts")
# How often the log says how far it is, in seconds.
TELL_SECONDS = 5.0


class PruneRunsForm(ConfigForm):
    """`keep_days`: how long a run is kept after it has ended."""

    keep_days = forms.IntegerField(
        min_value=1,
        max_value=36_500,
        initial=KEEP_DAYS,
        help_text="Runs and their logs are removed so many days after they ended, except each job's last success and failure.",
    )


class PruneRuns(StepType):
    """Has its worker remove batch after batch until nothing is left that's old enough. It can be stopped between any two."""

    name = "prune_runs"
    label = "Retention: remove old runs"
    form = PruneRunsForm
    internal = True

    def run(self, ctx: Context, config: dict[str, Any]) -> Result:
        """Output: how many `runs`, `steps`, `log_lines`, `fires` and `alerts` are gone; `before`, the time they ended before."""
        before = (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=config["keep_days"])).isoformat()
        ctx.log.info("removing what ended before %s", before)
        gone = Counter(dict.fromkeys(COUNTED, 0))
        told_at = time.monotonic()
        while any((batch := ctx.link.prune(before)).values()):
            gone.update(batch)
            if time.monotonic() - told_at >= TELL_SECONDS:
                told_at = time.monotonic()
                ctx.log.info("removed %s so far", _in_words(gone))
        ctx.log.info("removed %s; nothing older is left to remove", _in_words(gone))
        return Result({**gone, "before": before}, gone.total())


def _in_words(gone: Counter[str]) -> str:
    return ", ".join(f"{gone[what]:,} {what.replace('_', ' ')}" for what in COUNTED)
