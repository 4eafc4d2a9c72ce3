"""One scheduled moment: it ends as exactly one Fire row, and mostly a run."""

import datetime
import logging

from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.models import Job
from runs.models import Fire
from runs.signals import fire_skipped
from runs.trigger import InvalidTrigger, RunInFlight, trigger_run

log = logging.getLogger(__name__)
# A moment noticed later than this was missed: nothing runs at a surprising hour.
LATE_SECONDS = 60


def fire(job_id: str, scheduled_at: datetime.datetime, now: datetime.datetime | None = None) -> Fire | None:
    """Record the moment and start its run, in one transaction. None when another beat has done so."""
    now = now or timezone.now()
    if Fire.objects.filter(job_id=job_id, preset="", scheduled_at=scheduled_at).exists():
        return None
    try:
        with transaction.atomic():
            moment = Fire.objects.create(
                job_id=job_id, scheduled_at=scheduled_at, noticed_at=now, outcome=Fire.Outcome.RAN
            )
            _decide(moment, now)
    except IntegrityError:
        return None
    if moment.outcome != Fire.Outcome.RAN:
        log.warning("%s did not run: %s", moment, moment.reason)
        fire_skipped.send_robust(sender=Fire, fire=moment)
    return moment


def _decide(moment: Fire, now: datetime.datetime) -> None:
    """Start the run or say why not."""
    job = Job.objects.filter(pk=moment.job_id).first()
    late = (now - moment.scheduled_at).total_seconds()
    if job is None or not job.enabled:
        _leave_out(moment, Fire.Outcome.SKIPPED, "the job was switched off or deleted in between")
    elif late > LATE_SECONDS:
        _leave_out(moment, Fire.Outcome.MISSED, f"noticed {late:.0f} s late: no scheduler was running")
    else:
        try:
            moment.run = trigger_run(job, triggered_by="cron", scheduled_at=moment.scheduled_at)
            moment.save(update_fields=["run"])
        except RunInFlight as refusal:
            _leave_out(moment, Fire.Outcome.SKIPPED, f"{refusal.run.run_id} was still {refusal.run.state}")
        except InvalidTrigger as refusal:
            _leave_out(moment, Fire.Outcome.SKIPPED, f"the job can't run as it is: {refusal}")


def _leave_out(moment: Fire, outcome: Fire.Outcome, reason: str) -> None:
    moment.outcome, moment.reason = outcome, reason
    moment.save(update_fields=["outcome", "reason"])
