"""News for the floors above: sent inside the transaction of the change, so that what a listener writes is stored with it or not
at all. A listener writes rows only, and acts on the world after the commit.
"""

from django.dispatch import Signal

# job_id: str, by: str, before: dict | None, after: dict | None: the job's definitions around one change; before is None
# for a new job, after is None for a deleted one.
job_saved = Signal()
