"""Every setting comes from the environment (`NOMAFLOW_*`); nothing set means the embedded mode: SQLite and a file broker.

docs/settings.md lists the variables. A wrong one stops the start with its name and the remedy.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from nomaflow_site.lib.home import fresh_field_key, fresh_secret_key, kept_secret, prepare_home

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()


def _integer(name: str, default: int, least: int, most: int) -> int:
    text = env.str(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise ImproperlyConfigured(f"{name} is {text!r}; it takes a whole number from {least} to {most}.")
    return int(text)


def _switch(name: str) -> bool:
    text = env.str(name, "off").lower()
    if text not in {"on", "off", "true", "false", "yes", "no", "1", "0"}:
        raise ImproperlyConfigured(f"{name} is {text!r}; it takes on or off.")
    return text in {"on", "true", "yes", "1"}


NOMAFLOW_HOME = prepare_home(Path(env.str("NOMAFLOW_HOME", str(BASE_DIR / "var"))))
NOMAFLOW_DATABASE_URL = env.str("NOMAFLOW_DATABASE_URL", "")
NOMAFLOW_BROKER_URL = env.str("NOMAFLOW_BROKER_URL", "")
NOMAFLOW_EMBEDDED = not NOMAFLOW_DATABASE_URL or NOMAFLOW_DATABASE_URL.startswith("sqlite")
NOMAFLOW_PLUGINS = [
    Path(folder).expanduser().absolute()
    for folder in env.str("NOMAFLOW_PLUGINS", str(NOMAFLOW_HOME / "plugins")).split(os.pathsep)
    if folder
]
NOMAFLOW_JOB_ENV = [name.strip() for name in env.str("NOMAFLOW_JOB_ENV", "JOB_*").split(",") if name.strip()]
NOMAFLOW_HOST = env.str("NOMAFLOW_HOST", "127.0.0.1")
NOMAFLOW_PORT = _integer("NOMAFLOW_PORT", 8000, 1, 65535)
NOMAFLOW_WORKER_SLOTS = _integer("NOMAFLOW_WORKER_SLOTS", 4, 1, 256)
NOMAFLOW_BASE_URL = env.str("NOMAFLOW_BASE_URL", f"http://{NOMAFLOW_HOST}:{NOMAFLOW_PORT}").rstrip("/")
# How long a worker may be silent before its runs are taken from it, and how often the housekeeping looks, in seconds.
# Not for tuning by hand: the reliability tests shorten them.
NOMAFLOW_LEASE_SECONDS = float(env.str("NOMAFLOW_LEASE_SECONDS", "20"))
NOMAFLOW_HEARTBEAT_SECONDS = float(env.str("NOMAFLOW_HEARTBEAT_SECONDS", "5"))
NOMAFLOW_SWEEP_SECONDS = float(env.str("NOMAFLOW_SWEEP_SECONDS", "5"))

DEBUG = _switch("NOMAFLOW_DEBUG")
ALLOWED_HOSTS = [
    host.strip() for host in env.str("NOMAFLOW_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",") if host.strip()
]


def _database() -> dict[str, object]:
    url = NOMAFLOW_DATABASE_URL or f"sqlite:///{NOMAFLOW_HOME / 'nomaflow.sqlite3'}"
    scheme = urlsplit(url).scheme
    if scheme not in {"sqlite", "postgres", "postgresql"}:
        raise ImproperlyConfigured(
            f"NOMAFLOW_DATABASE_URL names a {scheme!r} database; Nomaflow keeps its own data in sqlite:///PATH or "
            "postgresql://USER:PASSWORD@HOST:PORT/NAME."
        )
    database: dict[str, object] = dict(environ.Env.db_url_config(url))
    if scheme == "sqlite":
        # WAL lets readers and the one writer go on side by side; IMMEDIATE takes the write lock at BEGIN, where waiting
        # works, instead of failing at the first write of a transaction that began by reading.
        database["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        database["CONN_HEALTH_CHECKS"] = True
        database["OPTIONS"] = {
            **dict(database.get("OPTIONS") or {}),  # type: ignore[call-overload]
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "application_name": "nomaflow",
        }
    # Under ASGI a request has a thread of its own, so a kept connection serves nobody; workers keep theirs (runs/worker.py).
    database["CONN_MAX_AGE"] = 0
    return database


DATABASES = {"default": _database()}


def _secret(name: str, file: str, make: Callable[[], str]) -> str:
    given = str(env.str(name, ""))
    if given:
        return given
    if not NOMAFLOW_EMBEDDED:
        raise ImproperlyConfigured(
            f"{name} is not set, and NOMAFLOW_DATABASE_URL names a database server. Only the embedded mode makes its own "
            f"keys; set {name} to the same value on every host of this installation (docs/settings.md says how to make one)."
        )
    return kept_secret(NOMAFLOW_HOME / file, make)


SECRET_KEY = _secret("NOMAFLOW_SECRET_KEY", "secret.key", fresh_secret_key)
NOMAFLOW_FIELD_KEYS = [
    key.strip() for key in _secret("NOMAFLOW_FIELD_KEYS", "field.keys", fresh_field_key).split(",") if key.strip()
]
if len(SECRET_KEY) < 32:
    raise ImproperlyConfigured(
        "NOMAFLOW_SECRET_KEY is shorter than 32 characters. "
        "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(64))'"
    )

INSTALLED_APPS = [
    "adminsortable2",
    "nomaflow_site.apps.NomaflowAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_celery_beat",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "knox",
    "guardian",
    "auditlog",
    "nomaflow_site.apps.SiteConfig",
    "connectors.apps.ConnectorsConfig",
    "jobs.apps.JobsConfig",
    "runs.apps.RunsConfig",
    "notifications.apps.NotificationsConfig",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "nomaflow_site.headers.SecurityHeadersMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
]

ROOT_URLCONF = "nomaflow_site.urls"
ASGI_APPLICATION = "nomaflow_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "runs.views.frame.frame",
            ]
        },
    }
]


DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
USE_I18N = True

STATIC_URL = "/static/"
STATIC_ROOT: Path | None = None
STATICFILES_DIRS = [BASE_DIR / "nomaflow_site" / "static"]
# Static files are served where they lie, ours and the packages': there is nothing to collect.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ANONYMOUS_USER_NAME = None  # guardian: nobody gets in without an account
GUARDIAN_MONKEY_PATCH_USER = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"

# https switches follow the address that the installation says it is reached at.
_HTTPS = NOMAFLOW_BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 31536000 if _HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
CSRF_TRUSTED_ORIGINS = [NOMAFLOW_BASE_URL] if _HTTPS else []
SESSION_COOKIE_AGE = 24 * 3600
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000  # a job with many steps posts many fields

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "nomaflow_site.lib.paging.NewestFirst",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
REST_KNOX = {"AUTH_HEADER_PREFIX": "Token", "TOKEN_TTL": None, "TOKEN_LIMIT_PER_USER": None}
SPECTACULAR_SETTINGS = {
    "TITLE": "Nomaflow",
    "VERSION": "1",
    "DESCRIPTION": "Jobs, runs and their logs.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "StateEnum": "runs.states.RunState",
        "DeliveryStateEnum": "notifications.events.DeliveryState",
        "EventEnum": "notifications.events.Event",
    },
}

# Celery carries wake-ups only: the database decides (docs/adr/0001-the-database-is-the-ledger.md).
_FILE_BROKER = not NOMAFLOW_BROKER_URL or NOMAFLOW_BROKER_URL.startswith("file:")
_BROKER_SCHEME = urlsplit(NOMAFLOW_BROKER_URL).scheme if NOMAFLOW_BROKER_URL else "file"
if _BROKER_SCHEME not in {"file", "redis", "rediss", "amqp", "amqps"}:
    raise ImproperlyConfigured(
        f"NOMAFLOW_BROKER_URL names a {_BROKER_SCHEME!r} broker; it takes redis://, amqp://, or nothing for the embedded one."
    )
if _FILE_BROKER:
    CELERY_BROKER_URL = "nomaflow-files://localhost"
    CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {
        "queue_folder": urlsplit(NOMAFLOW_BROKER_URL).path or str(NOMAFLOW_HOME / "queue"),
    }
elif _BROKER_SCHEME.startswith("redis"):
    CELERY_BROKER_URL = NOMAFLOW_BROKER_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_timeout": 30,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }
else:
    CELERY_BROKER_URL = NOMAFLOW_BROKER_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {"confirm_publish": True}
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_REJECT_ON_WORKER_LOST = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "nomaflow"
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = _BROKER_SCHEME.startswith("redis")
CELERY_WORKER_CONCURRENCY = NOMAFLOW_WORKER_SLOTS
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TIMEZONE = "UTC"
CELERY_ENABLE_UTC = True
CELERY_BEAT_SCHEDULER = "runs.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 1
CELERY_BEAT_SYNC_EVERY = 1
CELERY_RESULT_EXPIRES = None  # no backend_cleanup entry in beat

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "stream": sys.stderr}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        name: {"level": "DEBUG" if DEBUG else "INFO"}
        for name in ("nomaflow_site", "connectors", "jobs", "runs", "notifications")
    },
}
