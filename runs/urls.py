"""Pages and API of runs."""

from django.urls import include, path, re_path

from runs.api.trigger import TriggerView
from runs.views import catalogue, health, history, home, job, ledger, log, pages, start, stream

app_name = "runs"
urlpatterns = [
    path("", home.home, name="home"),
    re_path(r"^health/?\Z", health.alive, name="alive"),
    re_path(r"^admin/jobs/health/?\Z", health.scheduler, name="scheduler"),
    # With and without the slash: a redirect would turn a POST into a GET.
    re_path(r"^admin/jobs/(?P<job_id>[^/]+)/run/?$", TriggerView.as_view(), name="trigger"),
    path("jobs/", catalogue.jobs, name="jobs"),
    path("jobs/<str:job_id>/", job.job_page, name="job"),
    path("jobs/<str:job_id>/run/", start.run_now, name="run-now"),
    path("jobs/<str:job_id>/switch/", catalogue.switch, name="switch"),
    path("schedule/", ledger.schedule_page, name="schedule"),
    path("schedule/missed/", ledger.settle_misses, name="settle-misses"),
    path("runs/", history.run_list, name="runs"),
    path("runs/act/", history.act_on_runs, name="act-on-runs"),
    path("runs/<str:run_id>/", pages.run_page, name="run"),
    path("runs/<str:run_id>/standing/", pages.run_standing, name="standing"),
    path("runs/<str:run_id>/cancel/", pages.run_cancel, name="cancel"),
    path("runs/<str:run_id>/replay/", start.replay, name="replay"),
    path("runs/<str:run_id>/restore/<str:step>/", start.restore, name="restore"),
    path("runs/<str:run_id>/log/", pages.run_log, name="log"),
    path("runs/<str:run_id>/log/lines/", log.log_lines, name="log-lines"),
    path("runs/<str:run_id>/log/stream", stream.log_stream, name="stream"),
    path("api/v1/", include("runs.api.urls")),
]
