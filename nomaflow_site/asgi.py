"""ASGI entry point for uvicorn."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nomaflow_site.settings")
application = get_asgi_application()
