"""A small house in full operation, for tests that look at every page: jobs, runs in every state, fires, a freeze, connectors,
channels of every kind and health, alerts in every state."""

SAMPLE = """
import datetime
from django.contrib.auth import get_user_model
from django.utils import timezone
from connectors.models import Connector
from runs.ids import new_run_id

now = timezone.now().replace(microsecond=0)
minute, hour, day = datetime.timedelta(minutes=1), datetime.timedelta(hours=1), datetime.timedelta(days=1)
get_user_model().objects.create_superuser("olga", password="correct horse")
Connector.objects.create(name="reporting", kind="sql", config={"dialect": "sqlite", "database": "reporting.sqlite3"})
Connector.objects.create(name="crm", kind="http", config={"base_url": "http://127.0.0.1:1/", "verify_tls": False})
Connector.objects.create(name="directory", kind="ldap", config={"server": "ldap://127.0.0.1:1"})
Calendar.objects.create(name="holidays", days={"12-25": "Christmas Day"}, weekdays=["SAT", "SUN"])
chat = Channel.objects.create(name="chat", kind="slack", config={"recipient": "#ops"}, last_sent_at=now - 2 * hour,
                              secrets={"webhook_url": "https://127.0.0.1:1/services/T0/B0/s3cr3t"}, last_answer="200 ok")
mail = Channel.objects.create(name="mail", kind="email", fallback=chat, is_default=False, failures=4, failing_since=now - 5 * hour,
                              config={"host": "127.0.0.1", "security": "starttls", "sender": "nomaflow@example.org",
                                      "recipients": ["operations@example.org", "night-watch@example.org"]},
                              last_answer="535 5.7.8 authentication failed: bad user name or password")
pager = Channel.objects.create(name="pager", kind="webhook", is_default=False, hold_until=now + hour, failing_since=now - minute,
                               config={"url": "https://127.0.0.1:1/hooks/nomaflow"}, last_answer="429 Too Many Requests")
Channel.objects.create(name="old-pager", kind="webhook", enabled=False, config={"url": "https://127.0.0.1:1/"})
RoutingRule.objects.create(tag="etl", channel=mail, recipient="etl-team@example.org")
RoutingRule.objects.create(tag="api", channel=pager)

definition = {
    "id": "refresh", "description": "Refresh the reporting views from the OLTP database.", "schedule": "0 2 * * *",
    "timezone": "Europe/Paris", "tags": ["etl", "nightly"],
    "params": {"apps_id": 10, "target_connector": "reporting", "dry_run": False, "ratio": 0.5, "tables": ["a", "b"],
               "password": "s3cr3t"},
    "retry": {"attempts": 2, "backoff": "fixed", "base_seconds": 60},
    "alerts": {"on_failure": True, "on_success": False, "recipients": ["#ops"]},
    "steps": [
        {"name": "refresh-orders", "type": "sql_query", "connector": "reporting", "query": "select ${kw:apps_id}"},
        {"name": "pull", "type": "http", "url": "/orders", "connector": "crm"},
        {"name": "send-summary", "type": "python", "callable": "reports:summary", "op_kwargs": {"limit": 5}},
    ],
    "presets": [{"name": "sandbox", "params": {"apps_id": 99}, "schedule": "30 3 * * 0"}],
}
from jobs.catalogue import save_job
save_job(definition, by="olga")
save_job({**definition, "description": definition["description"] + " Twice as careful."}, by="olga")
save_job({"id": "frequent", "schedule": "*/5 * * * *", "tags": ["api"], "steps": definition["steps"][:1]}, by="olga")
save_job({"id": "clash", "schedule": "10 2 * * *", "timezone": "Europe/Paris", "enabled": False,
          "steps": definition["steps"][:1]}, by="olga")
refresh = Job.objects.get(pk="refresh")
names = ["refresh-orders", "pull", "send-summary"]


def run(state, at, seconds, failed=None, **values):
    over = state in ("SUCCEEDED", "FAILED", "CANCELED")
    snapshot = {"id": "refresh", "params": definition["params"], "presets": [],
                "steps": [{"name": name, "type": "python"} for name in names]}
    made = Run.objects.create(**{
        "run_id": new_run_id(), "job": refresh, "job_version": 2, "state": state, "triggered_by": "cron", "snapshot": snapshot,
        "parameters": {name: {"apps_id": 10} for name in names}, "step_count": 3, "created_at": at, "due_at": at,
        "started_at": None if state == "QUEUED" else at, "finished_at": at + seconds * minute if over else None,
        "lease_until": now + 9 * day, **values})
    if state == "QUEUED":
        return made
    for number, name in enumerate(names):
        mine = state if name == failed or (failed is None and not over and number == 0) else "SUCCEEDED"
        if failed and names.index(failed) < number or (not over and number):
            if over:
                StepRun.objects.create(run=made, number=number, attempt=0, name=name, type="python", state="CANCELED",
                                       reason="not run: step failed")
            continue
        start = at + number * seconds / 3 * minute
        end = None if mine == "RUNNING" else start + seconds / 3 * minute
        if mine == "FAILED":
            StepRun.objects.create(run=made, number=number, attempt=1, name=name, type="python", state="FAILED",
                                   started_at=start, finished_at=start + (end - start) / 4, error="timeout after 30 s")
            start += (end - start) / 2
        StepRun.objects.create(run=made, number=number, attempt=2 if mine == "FAILED" else 1, name=name, type="python",
                               state=mine, started_at=start, finished_at=end, rows_affected=1234 * number,
                               output={"rows": 3} if mine == "SUCCEEDED" else {},
                               error="no such table: orders" if mine == "FAILED" else "")
    LogLine.objects.bulk_create(LogLine(run=made, seq=seq, at=at + seq * minute / 10, step=names[0], attempt=1, text=f"row {seq}",
                                        level=["INFO", "WARNING", "ERROR", "DEBUG"][seq % 4]) for seq in range(1, 60))
    return made


for ago in range(25, 2, -1):
    at = now - ago * hour
    made = run("SUCCEEDED", at, 4 + ago % 5)
    Fire.objects.create(job=refresh, scheduled_at=at, noticed_at=at, outcome="ran", run=made)
failed = run("FAILED", now - 2 * hour, 6, failed="pull", reason="step 'pull' failed: no such table: orders")
cancelled = run("CANCELED", now - hour, 2, reason="cancelled by user:olga", triggered_by="user:olga", requested_by="olga")
running = run("RUNNING", now - 3 * minute, 0)
queued = run("QUEUED", now - minute, 0, triggered_by="api", requested_by="rui")
for hours, outcome, cause in ((5, "skipped", "overlap"), (6, "missed", "outage"), (7, "late", "")):
    at = now - hours * hour - minute
    Fire.objects.create(job=refresh, scheduled_at=at, noticed_at=at, outcome=outcome, cause=cause, reason="why it was so")
Freeze.objects.create(scope="tag", target="api", reason="year-end close", starts_at=now, ends_at=now + day, owner="olga")

from notifications.events import Event
incident = Incident.objects.create(job=refresh, opened_at=now - 5 * hour, failures=3, last_failed_at=failed.finished_at,
                                   last_run=failed, reason=failed.reason, told=2, told_at=now - 2 * hour)
Incident.objects.create(job_id="frequent", opened_at=now - day, failures=212, last_failed_at=now - 5 * minute, told=1,
                        told_at=now - day, reason="timeout after 30 s", acknowledged_at=now - hour, acknowledged_by="olga")
Incident.objects.create(job_id="clash", opened_at=now - hour, failures=1, last_failed_at=now - hour, told_at=now - hour,
                        reason="the connector 'reporting' can't be reached", snoozed_until=now + 3 * hour, snoozed_by="rui")


def alert(event, outcome="to 1 recipient", **values):
    return Alert.objects.create(**{"key": f"sample:{Alert.objects.count()}", "event": event, "job": refresh, "outcome": outcome,
                                   "created_at": now - 2 * hour, "settled_at": now - 2 * hour, **values})


def delivery(of, channel, recipient, state, *answers, **values):
    at, over = of.created_at, state in ("SENT", "FAILED")
    history = [{"at": (at + number * minute).isoformat(), "answer": text} for number, text in enumerate(answers)]
    return Delivery.objects.create(**{
        "alert": of, "channel": channel, "channel_name": channel.name, "recipient": recipient, "state": state,
        "attempts": len(answers), "history": history, "answer": answers[-1] if answers else "", "created_at": at,
        "due_at": at if over else now + 7 * minute, "ended_at": at + len(answers) * minute if over else None, **values})


for event in Event.values[1:-1]:
    delivery(alert(event), chat, "#ops", "SENT", "200 ok")
told = alert("failed", "to 4 recipients", run=failed, incident=incident)
refused = "535 5.7.8 authentication failed: bad user name or password"
somebody = "a-rather-long-address-of-somebody@operations.example.org"
lost = delivery(told, mail, somebody, "FAILED", *["421 try again later"] * 4, refused, fell_back=True)
delivery(told, chat, "#ops", "SENT", "200 ok", fallback_of=lost)
delivery(told, pager, "", "RETRYING", "timed out after 20 s", "429 Too Many Requests")
again = delivery(told, mail, "night-watch@example.org", "FAILED", refused, fell_back=True)
delivery(told, mail, "night-watch@example.org", "PENDING", resend_of=again, requested_by="olga")
alert("guard", "folded into incident 12, told less than 60 min ago", run=failed, incident=incident)
alert("long_running", "", run=running, settled_at=None)
nobody = alert("failed", "to 0 recipients, 1 can't be told", job_id="frequent")
Delivery.objects.create(alert=nobody, recipient="#gone", state="FAILED", created_at=now, due_at=now, ended_at=now,
                        answer="No channel of type Slack is set up for #gone; add one.")
print(json.dumps({"failed": failed.run_id, "delivery": lost.pk, "alert": told.pk, "incident": incident.pk, "mail": mail.pk,
                  "chat": chat.pk, "pager": pager.pk, "rule": RoutingRule.objects.first().pk,
                  "running": running.run_id, "freeze": Freeze.objects.get().pk,
                  "crm": Connector.objects.get(name="crm").pk, "reporting": Connector.objects.get(name="reporting").pk,
                  "directory": Connector.objects.get(name="directory").pk, "calendar": Calendar.objects.get().pk}))
"""
