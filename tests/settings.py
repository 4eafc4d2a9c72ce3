"""Settings of the in-process tests: a home of their own, one per test process."""

import atexit
import os
import shutil
import tempfile

if "NOMAFLOW_HOME" not in os.environ or "PYTEST_XDIST_WORKER" in os.environ:
    _home = tempfile.mkdtemp(prefix="nomaflow-tests-")
    os.environ["NOMAFLOW_HOME"] = _home
    _owner = os.getpid()
    atexit.register(lambda: os.getpid() == _owner and shutil.rmtree(_home, ignore_errors=True))

from nomaflow_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, as in an installation: SQLite's shared in-memory databases lock by table and don't wait.
    DATABASES["default"]["TEST"] = {"NAME": str(NOMAFLOW_HOME / "test.sqlite3")}  # noqa: F405
