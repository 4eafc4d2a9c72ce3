"""News for the floors above: sent after the commit, so that who listens sees what has happened."""

from django.dispatch import Signal

# job_id: str, by: str, before: dict | None, after: dict | None: the job's definitions around one change; before is None
# for a new job, after is None for a deleted one.
job_saved = Signal()
