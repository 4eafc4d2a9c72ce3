#!/usr/bin/env python
"""Django's command line for Nomaflow."""

import os
import sys


def main() -> None:
    """Run the management command named on the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "nomaflow_site.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A setting that can't be used: the message says which and what to do, a stack trace would only hide it.
        sys.exit(f"nomaflow: {error}")


if __name__ == "__main__":
    main()
