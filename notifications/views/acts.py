"""What people do about alerts: take incidents on, and send messages again."""

import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from connectors.endpointadmin import too_many_tests
from notifications import delivery as deliveries
from notifications import incidents
from notifications.catalogue import try_channel
from notifications.ledger import why_not_again
from notifications.models import Channel, Delivery, Incident
from notifications.visibility import may_act_on, visible_deliveries, visible_incidents

SNOOZES = {"1 h": 60, "4 h": 4 * 60, "24 h": 24 * 60}


@login_required
@require_POST
def act_on_incident(request: HttpRequest, pk: int) -> HttpResponse:
    """Acknowledge, snooze or close an incident."""
    incident = visible_incidents(request.user).filter(pk=pk).first()
    if incident is None:
        raise Http404("There is no such incident.")
    if not may_act_on(request.user, incident.job_id):
        raise PermissionDenied(f"Who takes incidents of {incident.job_id} on may run it, which you may not.")
    done = _done(request, incident)
    if done is None:
        messages.error(request, "Nothing done: choose to acknowledge, to snooze or to close.")
    elif not done:
        messages.warning(request, f"Nothing done: incident {incident.pk} of {incident.job_id} is closed already.")
    else:
        messages.success(request, f"Incident {incident.pk} of {incident.job_id}: {done}")
    return back(request)


def _done(request: HttpRequest, incident: Incident) -> str | None:
    """What has been done, as a sentence; empty for a closed incident, None where nothing known was asked for."""
    by = request.user.get_username()
    match request.POST.get("act"):
        case "acknowledge":
            words = "acknowledged. It's silent until the job succeeds."
            return words if incidents.acknowledge(incident, by=by) else ""
        case "close":
            return "closed. The next failure opens another." if incidents.close(incident, by=by) else ""
        case "snooze" if (chosen := request.POST.get("for", "")) in SNOOZES:
            until = timezone.now() + datetime.timedelta(minutes=SNOOZES[chosen])
            return f"silent for {chosen}." if incidents.snooze(incident, until=until, by=by) else ""
        case _:
            return None


@login_required
@require_POST
def resend(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a message once more."""
    delivery: Delivery | None = (
        visible_deliveries(request.user).select_related("alert", "channel").filter(pk=pk).first()
    )
    if delivery is None:
        raise Http404("There is no such delivery.")
    if not may_act_on(request.user, delivery.alert.job_id):
        raise PermissionDenied(f"Who sends messages about {delivery.alert.job_id} again may run it, which you may not.")
    if why := why_not_again(delivery):
        messages.warning(request, f"Not sent again: {why}.")
    else:
        again = deliveries.resend(delivery, by=request.user.get_username())
        whom = again.recipient or again.channel_name
        messages.success(request, f"Sending it to {whom} again, as delivery {again.pk}.")
    return back(request)


@login_required
@require_POST
def test_channel(request: HttpRequest, pk: int) -> HttpResponse:
    """Send a test message through a channel, and come back with what the server answered."""
    if not request.user.has_perm("notifications.change_channel"):
        raise PermissionDenied("Who tests channels may edit them, which you may not.")
    channel = get_object_or_404(Channel.objects, pk=pk)
    if too_many_tests(request.user):
        messages.error(request, "Too many tests in a minute. Wait a moment and try again.")
    else:
        outcome = try_channel(channel.name)
        level = messages.SUCCESS if outcome.ok else messages.ERROR
        messages.add_message(request, level, f"Test of {channel.name}: {outcome.message} ({outcome.elapsed_ms:,} ms)")
    return redirect(f"{reverse('notifications:overview')}#channels")


def back(request: Any) -> HttpResponse:
    """To the page that the form stands on."""
    where = request.POST.get("back", "")
    safe = where.startswith("/") and url_has_allowed_host_and_scheme(where, allowed_hosts=None)
    return redirect(where if safe else "notifications:overview")
