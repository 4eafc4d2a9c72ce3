"""What every kind of connector keeps to; a new kind is picked up by itself."""

import subprocess
import sys

import pytest
from django import forms

from connectors.definition import ConnectorError, Definition
from connectors.kinds import kinds, open_connector
from nomaflow_site.lib.config import ConfigError, SecretField
from nomaflow_site.lib.sealing import is_secret_name


@pytest.mark.parametrize("kind", kinds())
def test_its_module_is_named_after_it(kind: str) -> None:
    assert type(kinds()[kind]).__module__ == f"connectors.kinds.{kind}"
    assert kinds()[kind].label


@pytest.mark.parametrize("kind", kinds())
def test_fields_that_sound_secret_are_secret_fields(kind: str) -> None:
    for name, field in kinds()[kind].form.base_fields.items():
        assert isinstance(field, SecretField) == (is_secret_name(name) and isinstance(field, forms.CharField)), name


@pytest.mark.parametrize("kind", kinds())
def test_no_field_has_a_name_that_every_connector_has(kind: str) -> None:
    taken = {"id", "name", "kind", "type", "description", "queries", "config", "secrets"}
    assert not taken & set(kinds()[kind].form.base_fields)


@pytest.mark.parametrize("kind", kinds())
def test_what_keeps_secrets_is_neither_secret_nor_about_tls(kind: str) -> None:
    assert not kinds()[kind].harmless & {
        "host",
        "port",
        "url",
        "base_url",
        "server",
        "verify_tls",
        "start_tls",
        "ca_file",
        "options",
    }


@pytest.mark.parametrize("kind", kinds())
def test_an_empty_definition_is_an_expected_error(kind: str) -> None:
    with pytest.raises((ConnectorError, ConfigError)):
        kinds()[kind].test(Definition("empty", kind))


def test_an_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(ConnectorError, match=r"known kinds are http, ldap"):
        open_connector(Definition("x", "gopher"))


def test_kinds_need_no_django_apps() -> None:
    code = (
        "from django.conf import settings; settings.configure(USE_I18N=False, USE_TZ=True)\n"
        "from connectors.kinds import kinds; from jobs.steps import step_types\n"
        "kinds(); step_types()\n"
        "import sys; assert 'connectors.models' not in sys.modules and 'jobs.models' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
