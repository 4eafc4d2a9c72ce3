"""The step that runs another job: how jobs are chained."""

from typing import Any

from django import forms

from jobs.context import Context
from jobs.steptype import ChildJob, StepType
from nomaflow_site.lib.config import ConfigForm, TableField


class CallJobForm(ConfigForm):
    """`job`: the id of the job to run; `params` go over what cascades from this run."""

    job = forms.CharField(max_length=100, help_text="The id of the job to run and wait for.")
    params = TableField(required=False, help_text="Parameters for that job, over this run's own.")


class CallJob(StepType):
    """Runs another job as a child run and waits; the child's state decides the step."""

    name = "call_job"
    label = "Another job"
    form = CallJobForm

    def run(self, ctx: Context, config: dict[str, Any]) -> ChildJob:
        """Say which job to start; the engine starts it and gives the slot free while it runs."""
        return ChildJob(config["job"], {**ctx.params, **config["params"]})
