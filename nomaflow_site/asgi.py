"""ASGI entry point for uvicorn."""

import gc
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nomaflow_site.settings")
application = get_asgi_application()

# What has been loaded by now stays for ever. The collector need not look through it again and again: that's a fifth of the time
# of a large page.
gc.collect()
gc.freeze()
