"""One copy by the real step in a process of its own: run by copying.py and jdecopy.py.

Prints `seconds`, `before_mb`, `lines` as a JSON object. The seconds are the step's, connecting included; starting Python isn't,
which a worker has behind it.
"""

import json
import logging
import resource
import sys
import time
from pathlib import Path

# Its own folder goes: nothing of it is wanted, and its names could hide others.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

from runs.executor import child  # noqa: E402

# What the fork server of a worker has imported before it forks a step, with the bare settings of a step's process.
child.preload()

from connectors.definition import Definition  # noqa: E402
from jobs.steps.sql_copy import SqlCopy, SqlCopyForm  # noqa: E402
from jobs.testing import fake_ctx  # noqa: E402


class Lines(logging.Handler):
    """What the step's log said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())


def main(source: str, target: str, table: str, into: str, mode: str, more: str = "{}") -> None:
    """Copy `table` at the URL `source` to `into` at `target`, and print; `more` are other fields of the step, as JSON."""
    places = {"from": source, "to": target}
    ctx = fake_ctx(connectors={name: Definition(name, "sql", config={"url": url}) for name, url in places.items()})
    heard = Lines()
    ctx.log.addHandler(heard)
    ctx.log.setLevel("INFO")
    ctx.log.propagate = False
    sides = {"source": {"connector": "from", "table": table}, "target": {"connector": "to", "table": into}}
    config = SqlCopyForm.check({**sides, "mode": mode, **json.loads(more)}, tokens=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    SqlCopy().run(ctx, config)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "before_mb": before, "lines": heard.lines}))


if __name__ == "__main__":
    main(*sys.argv[1:])
