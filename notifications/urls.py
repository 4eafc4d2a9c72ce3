"""Pages and API of notifications."""

from django.urls import include, path

from notifications import api
from notifications.views import acts, overview

app_name = "notifications"
urlpatterns = [
    path("notifications/", overview.overview, name="overview"),
    path("notifications/incidents/<int:pk>/", acts.act_on_incident, name="act-on-incident"),
    path("notifications/deliveries/<int:pk>/resend/", acts.resend, name="resend"),
    path("notifications/channels/<int:pk>/test/", acts.test_channel, name="test-channel"),
    path("api/v1/", include(api.urlpatterns)),
]
