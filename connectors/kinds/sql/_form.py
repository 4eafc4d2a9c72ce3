"""How a SQL connector is described: the typed fields, and the way from one URL to them."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from connectors.kinds.sql._dialects import dialect_of, spellings
from nomaflow_site.lib.config import ConfigError, ConfigForm, SecretField, TableField

HOST = re.compile(r"\[?[A-Za-z0-9_.:%-]+\]?\Z|/[^,\0]+\Z")
FILES = ("sqlite", "duckdb")
URL_EXAMPLES = "postgresql://user@host:5432/db, mysql://user@host/db, sqlite:///relative.db or sqlite:////absolute.db"


def _given(value: Any) -> bool:
    """Whether a field holds something that can be looked at now, not a `${...}` that comes later."""
    return value not in (None, "") and not (isinstance(value, str) and "${" in value)


class SqlForm(ConfigForm):
    """The fields of a `sql` connector."""

    dialect = forms.ChoiceField(choices=lambda: [(name, label) for name, label in spellings().items()])
    host = forms.CharField(required=False, max_length=255, help_text="Name or address of the server")
    port = forms.IntegerField(required=False, min_value=1, max_value=65535, help_text="Empty: the usual one")
    database = forms.CharField(required=False, max_length=1000, help_text="SQLite: the file")
    username = forms.CharField(required=False, max_length=255)
    password = SecretField(required=False, max_length=1000)
    schema = forms.CharField(required=False, max_length=255, help_text="Where tables without a schema are looked up")
    options = TableField(required=False, help_text='Driver options, such as sslmode = "verify-full"')
    pool_size = forms.IntegerField(required=False, min_value=1, max_value=100, help_text="Kept for imported files")
    read_only = forms.BooleanField(required=False, initial=False, help_text="Refuse every change")

    def clean_host(self) -> str:
        """One host: a list would let a configuration lead somewhere else."""
        host = str(self.cleaned_data["host"] or "")
        if _given(host) and not HOST.match(host):
            raise ValidationError(f"Expected one host name or address, found {host!r}.")
        return host

    def clean_database(self) -> str:
        """A name or a file, never something that a driver would read as a whole connection string."""
        database = str(self.cleaned_data["database"] or "")
        if "\0" in database or "://" in database:
            raise ValidationError(f"Expected the name of a database or file, found {database!r}.")
        return database

    def clean(self) -> dict[str, Any]:
        """What only the dialect can judge."""
        cleaned = super().clean() or self.cleaned_data
        dialect = str(cleaned.get("dialect") or "")
        if _given(dialect):
            self._check_for_dialect(dialect, cleaned)
        return cleaned

    def _check_for_dialect(self, dialect: str, cleaned: dict[str, Any]) -> None:
        database = cleaned.get("database")
        if dialect in FILES and not database:
            self.add_error("database", "Name the database file.")
        if dialect not in FILES and _given(database) and "=" in str(database):
            self.add_error("database", f"Expected the name of a database, found {database!r}.")
        known = dialect_of(dialect).options
        options = cleaned.get("options")
        if isinstance(options, dict):
            cleaned["options"] = {name: self._option(dialect, known, name, value) for name, value in options.items()}

    def _option(self, dialect: str, known: Mapping[str, Any], name: str, value: Any) -> Any:
        if name not in known:
            self.add_error(
                "options", f"{name!r} is not an option of {dialect}; there are {', '.join(known) or 'none'}."
            )
        elif _given(value):
            try:
                return known[name](value)
            except ValueError as error:
                self.add_error("options", f"{name}: {error}, found {value!r}.")
        return value


def from_url(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` with their `url` spelled out; fields that are given beside it win. Raises ConfigError when it's unreadable."""
    fields = {key: value for key, value in settings.items() if key != "url"}
    text = settings.get("url")
    if text in (None, ""):
        return fields
    url = _parsed(text)
    found: dict[str, Any] = {
        "dialect": url.drivername.partition("+")[0],
        "host": url.host,
        "port": url.port,
        "database": url.database,
        "username": url.username,
        "password": url.password,
    }
    options = {**{name: _typed(value) for name, value in url.query.items()}, **dict(fields.pop("options", None) or {})}
    if options:
        found["options"] = options
    given = {key: value for key, value in fields.items() if value not in (None, "")}
    return {**{key: str(v) if key == "password" else v for key, v in found.items() if v is not None}, **given}


def _parsed(text: Any) -> URL:
    # The URL may hold a password: it's never part of a message.
    try:
        url = make_url(text) if isinstance(text, str) else None
    except (ArgumentError, ValueError):
        url = None
    if url is None:
        raise ConfigError({"url": [f"This is not a database URL; expected one such as {URL_EXAMPLES}."]})
    name = url.drivername.partition("+")[0]
    if name not in spellings():
        raise ConfigError({"url": [f"Unknown database {name!r}; there are {', '.join(spellings())}."]})
    return url


def _typed(value: Any) -> Any:
    """A value of a URL's query as TOML would have it."""
    if isinstance(value, tuple):
        return list(value)
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isdigit() else value
