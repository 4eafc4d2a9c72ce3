"""News for the floors above: sent after the commit, so that who listens sees what has happened."""

from django.dispatch import Signal

# run: Run, in a final state.
run_finished = Signal()
# fire: Fire, with outcome skipped or missed.
fire_skipped = Signal()
