"""Channels and rules, which people edit; alerts, deliveries and incidents, which are the ledger of what was told to whom."""

import uuid
from collections.abc import Mapping

from django.db import models
from django.db.models import Q

from connectors.kind import Kind
from connectors.models import Endpoint
from jobs.models import Job
from notifications.channels import transports
from notifications.events import OPEN, DeliveryState, Event
from runs.models import Fire, Run


class Channel(Endpoint):
    """A configured Slack, e-mail or webhook transport, and how it fares."""

    enabled = models.BooleanField(
        default=True, help_text="Off: nothing is sent through it; what should have been fails."
    )
    is_default = models.BooleanField(
        "default", default=True, help_text="Tells its own recipients of every alert of a job that names none."
    )
    fallback = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="stands_in_for",
        help_text="Tells its own recipients what this channel can't deliver.",
    )

    # Written by who sends, never by a form.
    hold_until = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    last_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_answer = models.TextField(blank=True, editable=False)

    @staticmethod
    def kinds() -> Mapping[str, Kind]:
        """What `notifications/channels/` holds."""
        return transports()


class RoutingRule(models.Model):
    """Jobs with this tag also tell this recipient."""

    tag = models.CharField(max_length=50)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="rules")
    recipient = models.CharField(
        max_length=320, blank=True, help_text="#channel, @user or an address. Empty: the channel's own recipients."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["tag", "channel__name", "recipient"]
        constraints = [models.UniqueConstraint(fields=["tag", "channel", "recipient"], name="one_rule_each")]

    def __str__(self) -> str:
        return f"{self.tag} → {self.channel}{f' {self.recipient}' if self.recipient else ''}"


class Incident(models.Model):
    """A job that fails, from its first failure until it succeeds again or somebody closes it. Repeats fold into it."""

    job = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="incidents")
    opened_at = models.DateTimeField()
    failures = models.PositiveIntegerField(default=0)
    last_failed_at = models.DateTimeField()
    last_run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.TextField(blank=True)
    # How often, and when last, somebody was told.
    told = models.PositiveIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.CharField(max_length=160, blank=True)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    snoozed_by = models.CharField(max_length=160, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=160, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["job"], condition=Q(closed_at=None), name="one_open_incident_per_job")
        ]
        indexes = [models.Index(fields=["closed_at"], name="incident_closed")]

    def __str__(self) -> str:
        return f"incident {self.pk} of {self.job_id}"


class Alert(models.Model):
    """The outbox: something happened that a job's alerts block or a rule wants told. Written in the transaction of the event.

    `key` is unique per event, so that nothing is told twice. `facts` are what can be told, `wanted` the alerts block and tags
    that held at that time. Until `settled_at` nobody has looked whom to tell; then `outcome` says what came of it.
    """

    key = models.CharField(max_length=200, unique=True)
    event = models.CharField(max_length=20, choices=Event.choices)
    job = models.ForeignKey(Job, on_delete=models.DO_NOTHING, db_constraint=False, related_name="alerts_told")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts_told")
    fire = models.ForeignKey(Fire, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts_told")
    incident = models.ForeignKey(Incident, null=True, blank=True, on_delete=models.SET_NULL, related_name="alerts")
    facts = models.JSONField(default=dict)
    wanted = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["id"], name="alert_unsettled", condition=Q(settled_at=None)),
            models.Index(fields=["created_at"], name="alert_created"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} {self.get_event_display()}"


class Delivery(models.Model):
    """Telling one recipient of one alert: how often it was tried, and what the other side answered."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    # The name stays readable after the channel is gone.
    channel = models.ForeignKey(Channel, null=True, blank=True, on_delete=models.SET_NULL, related_name="deliveries")
    channel_name = models.CharField(max_length=100)
    recipient = models.CharField(max_length=320, blank=True)
    state = models.CharField(max_length=8, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    tried_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True)
    # Every attempt: [{"at": ISO time, "answer": text}], the last ones.
    history = models.JSONField(default=list)
    # Who is sending it at the moment, under which token, until when.
    token = models.CharField(max_length=32, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    # The delivery that this one stands in for, and whether one stands in for this.
    fallback_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="fallbacks")
    fell_back = models.BooleanField(default=False)
    # The delivery that somebody asked to send again.
    resend_of = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="resends")
    requested_by = models.CharField(max_length=160, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["due_at"], name="delivery_open", condition=Q(state__in=OPEN)),
            models.Index(fields=["state", "-id"], name="delivery_state_newest"),
            models.Index(fields=["channel", "-id"], name="delivery_channel_newest"),
            models.Index(fields=["created_at"], name="delivery_created"),
        ]

    def __str__(self) -> str:
        return f"{self.alert} to {self.recipient or self.channel_name}"
