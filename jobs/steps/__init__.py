"""The step types, found by looking into this folder. A new type is one new module."""

import sys
from functools import cache

from jobs.steptype import StepType
from nomaflow_site.lib.discovery import discover


@cache
def step_types() -> dict[str, StepType]:
    """Every step type by its name."""
    return {name: kind() for name, kind in discover(sys.modules[__name__], StepType).items()}
