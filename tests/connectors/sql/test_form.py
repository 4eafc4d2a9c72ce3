"""How a SQL connector is described."""

import pytest

from connectors.kinds.sql import SqlForm, SqlKind
from nomaflow_site.lib.config import ConfigError


def checked(**settings) -> dict:
    found = SqlForm.check(SqlKind().normalize(settings), tokens=False)
    return {key: value for key, value in found.items() if value not in (None, "", {}, False)}


@pytest.mark.parametrize(("url", "fields"), [
    ("sqlite:///data/my.db", {"dialect": "sqlite", "database": "data/my.db"}),
    ("sqlite:////srv/my.db", {"dialect": "sqlite", "database": "/srv/my.db"}),
    ("postgresql://ann@db:5433/shop", {"dialect": "postgresql", "host": "db", "port": 5433, "database": "shop", "username": "ann"}),
    ("mariadb://ann:p%40ss@db/shop",
     {"dialect": "mariadb", "host": "db", "database": "shop", "username": "ann", "password": "p@ss"}),
    ("mysql+pymysql://db/shop", {"dialect": "mysql", "host": "db", "database": "shop"}),
    ("postgresql://db/shop?sslmode=require&connect_timeout=5",
     {"dialect": "postgresql", "host": "db", "database": "shop", "options": {"sslmode": "require", "connect_timeout": 5}}),
])  # fmt: skip
def test_a_url_is_spelled_out(url, fields):
    assert checked(url=url) == fields


def test_a_field_beside_the_url_wins():
    assert checked(url="postgresql://ann@db/shop", username="rui")["username"] == "rui"


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host/x", "postgresql://user:s3cr3t@host:port/x"])
def test_an_unreadable_url_is_refused_without_being_repeated(url):
    with pytest.raises(ConfigError) as caught:
        checked(url=url)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("settings", [
    {"host": "a,b"},
    {"host": "a b"},
    {"database": "host=evil dbname=x"},
    {"database": "postgresql://evil/x"},
    {"options": {"options": "-c log_statement=all"}},
    {"options": {"service": "x"}},
    {"options": {"passfile": "/etc/passwd"}},
    {"options": {"sslmode": "disable"}},
    {"options": {"connect_timeout": "5"}},
    {"options": {"sslrootcert": "a\nb"}},
    {"dialect": "mysql", "options": {"local_infile": True}},
    {"dialect": "mysql", "options": {"read_default_file": "/etc/my.cnf"}},
    {"dialect": "sqlite", "database": ""},
    {"dialect": "db2"},
    {"port": 70000},
    {"unknown": 1},
], ids=str)  # fmt: skip
def test_what_could_lead_somewhere_else_is_refused(settings):
    with pytest.raises(ConfigError):
        checked(**{"dialect": "postgresql", "host": "db", "database": "shop", **settings})


def test_a_secret_in_the_environment_may_come_later():
    settings = {"dialect": "postgresql", "host": "${env:DB_HOST}", "password": "${env:DB_PASSWORD}", "port": "${env:P}"}
    assert SqlForm.canonical(settings) == settings
