"""The Celery application. Its only message is `runs.advance(run number)`; what happens then is decided in the database."""

import os

from celery import Celery
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nomaflow_site.settings")

# The scheme of the embedded broker's address.
TRANSPORT_ALIASES["nomaflow-files"] = "nomaflow_site.lib.filebroker:Transport"

app = Celery("nomaflow")
app.config_from_object("django.conf:settings", namespace="CELERY")
# Database connections live as long as their thread; `advance` looks after broken ones itself.
app.conf.CELERY_DB_REUSE_MAX = 1_000_000_000
app.autodiscover_tasks(["runs"])
