"""News for the floors above: sent inside the transaction of the change, so that what a listener writes is stored with it or not
at all. A listener writes rows only, and acts on the world after the commit.
"""

from django.dispatch import Signal

# run: Run, in a final state, its steps' rows written.
run_finished = Signal()
# run: Run, in flight for longer than its job expects; once per run.
run_is_long = Signal()
# run: Run, step: str, text: str: a guard of a step that goes on wants somebody to look.
guard_warned = Signal()
# fires: list[Fire] of one look, each with outcome skipped or missed; never those of planned days off.
fires_skipped = Signal()
