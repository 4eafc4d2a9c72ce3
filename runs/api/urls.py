"""Everything under `/api/v1/`."""

from django.urls import path

from runs.api import cron, docs, fires, log, views

urlpatterns = [
    path("jobs/", views.JobList.as_view(), name="api-jobs"),
    path("jobs/<str:job_id>/", views.JobDetail.as_view(), name="api-job"),
    path("runs/", views.RunList.as_view(), name="api-runs"),
    path("runs/<str:run_id>/", views.RunDetail.as_view(), name="api-run"),
    path("runs/<str:run_id>/steps/", views.RunSteps.as_view(), name="api-run-steps"),
    path("runs/<str:run_id>/log/", log.LogView.as_view(), name="api-run-log"),
    path("runs/<str:run_id>/cancel/", views.RunCancel.as_view(), name="api-run-cancel"),
    path("runs/<str:run_id>/restore/", views.RunRestore.as_view(), name="api-run-restore"),
    path("runs/<str:run_id>/replay/", views.RunReplay.as_view(), name="api-run-replay"),
    path("schedule/", cron.ScheduleView.as_view(), name="api-schedule"),
    path("fires/", fires.FireList.as_view(), name="api-fires"),
    path("fires/run/", fires.FiresRun.as_view(), name="api-fires-run"),
    path("fires/dismiss/", fires.FiresDismiss.as_view(), name="api-fires-dismiss"),
    path("cron-preview/", cron.CronPreview.as_view(), name="api-cron-preview"),
    path("connectors/", views.ConnectorList.as_view(), name="api-connectors"),
    path("schema/", docs.Schema.as_view(), name="api-schema"),
    path("docs/", docs.Docs.as_view(), name="api-docs"),
]
