"""Secrets stay where they belong: a grep through everything an installation writes and shows finds none."""

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.flows.installation import Installation
from tests.servers import wait_for
from tests.servers.endpoint import Endpoint

pytestmark = pytest.mark.flow

CANARIES = {
    "JOB_DB_PASSWORD": "canary-database-4711",
    "JOB_API_TOKEN": "canary-apitoken-4712",
    "JOB_PLAIN": "canary-environment-4713",
}
TYPED = "canary-parameter-4714"
KEPT = "canary-connector-4715"
PLUGIN = """
import os


def leak(ctx, *, password, **_):
    definition = ctx.link.connector("api")
    for secret in (password, *definition.hidden):
        ctx.log.info("log %s", secret)
        print("print", secret)
        os.system("echo shell " + secret)
    raise RuntimeError("error with " + password + " and " + ", ".join(definition.hidden))
"""
TOML = """
[[connectors]]
name = "reporting"
type = "sql"
url = "sqlite:///nowhere/reporting.db"
password = "${env:JOB_DB_PASSWORD}"
[[connectors]]
name = "api"
type = "http"
base_url = "http://127.0.0.1:9/"
auth = "bearer"
token = "canary-connector-4715"
headers = { X-Api-Key = "canary-header-4716" }
[[jobs]]
id = "leaky"
params = { password = "canary-jobparam-4717" }
[[jobs.steps]]
name = "leak"
type = "python"
callable = "leaky:leak"
[[jobs]]
id = "query"
log_level = "DEBUG"
[[jobs.steps]]
name = "query"
type = "sql_query"
connector = "reporting"
query = "select :value"
params = { value = "${env:JOB_PLAIN}" }
[[jobs]]
id = "call"
[[jobs.steps]]
name = "call"
type = "http"
connector = "api"
url = "/x"
headers = { Authorization = "Bearer canary-stepheader-4718" }
[[jobs]]
id = "directory"
[[jobs.steps]]
name = "sync"
type = "ldap_sync"
server = "ldap://127.0.0.1:9"
bind_dn = "cn=admin"
bind_password = "canary-bind-4719"
search_base = "dc=x"
mapping = { uid = "uid" }
target_connector = "reporting"
target_table = "people"
key_columns = ["uid"]
"""


SAID_BACK = {
    "hook": "canary-path-4721 canary-query-4722 canary-header-4723 canary-signing-4724",
    "bot": "canary-slack-4725",
    "incoming": "canary-hook-4726",
}
CHANNEL_NAMES = ["bot", "hook", "incoming", "mail"]
CHANNELS = """
[[channels]]
name = "hook"
type = "webhook"
url = "{hook}/canary-path-4721?key=canary-query-4722"
secret = "canary-signing-4724"
headers = {{ Authorization = "Bearer canary-header-4723" }}
[[channels]]
name = "bot"
type = "slack"
token = "canary-slack-4725"
api_url = "{bot}/api"
recipient = "#ops"
[[channels]]
name = "incoming"
type = "slack"
webhook_url = "{incoming}/services/canary-hook-4726"
[[channels]]
name = "mail"
type = "email"
host = "localhost"
port = {port}
security = "none"
username = "nomaflow"
password = "${{env:JOB_SMTP_PASSWORD}}"
sender = "n@example.com"
recipients = ["o@example.com"]
[[jobs]]
id = "told"
[jobs.alerts]
[[jobs.steps]]
name = "s"
type = "python"
callable = "nothing:there"
"""


def _get(installation: Installation, path: str, token: str) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{installation.port}{path}", headers={"Authorization": f"Token {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def _everything_written(home: Path) -> dict[str, str]:
    found = {}
    for path in home.rglob("*"):
        if path.is_file() and "plugins" not in path.parts:
            found[str(path.relative_to(home))] = path.read_bytes().decode("latin-1")
    return found


def _process_list() -> str:
    lines = []
    for process in psutil.process_iter(["cmdline"]):
        lines.append(" ".join(process.info["cmdline"] or []))
    return "\n".join(lines)


def test_no_secret_comes_out_anywhere(installation: Installation) -> None:
    installation.plugin("leaky", PLUGIN)
    installation.env.update(CANARIES)
    imported = installation.import_toml(TOML)
    token = installation.manage("createtoken", "olga", "--create-superuser").strip()
    installation.start_worker()
    installation.start("web")
    wait_for(lambda: _is_up(installation), 30, "the web server")
    jobs = ["leaky", "query", "call", "directory"]
    runs = [
        installation.trigger("leaky", "--param", f"password={TYPED}"),
        *(installation.trigger(job) for job in jobs[1:]),
    ]
    shell = installation.try_manage("runjob", "call")
    ended = [installation.run_when_over(run_id, 60) for run_id in runs]
    assert [run["state"] for run in ended] == ["FAILED"] * 4
    pages = [f"/api/v1/runs/{r}/{part}" for r in runs for part in ("", "steps/", "log/")]
    pages += (
        [f"/runs/{r}/" for r in runs] + [f"/api/v1/jobs/{j}/" for j in jobs] + ["/api/v1/connectors/", "/api/v1/jobs/"]
    )
    seen = {path: _get(installation, path, token) for path in pages}
    seen["process list"] = _process_list()
    seen["shell"] = imported + shell.stdout + shell.stderr + json.dumps(ended)
    seen["export"] = installation.manage("exportjobs")
    seen["test"] = str(installation.try_manage("testconnector", "api"))
    seen["dump"] = installation.manage("dumpdata")
    seen.update(_everything_written(installation.home))
    assert _leaks(seen) == set()
    assert "********" in seen[f"/api/v1/runs/{runs[0]}/log/"]


def _leaks(seen: dict[str, str]) -> set[tuple[str, str]]:
    """(where, what) for every canary in the texts."""
    return {
        (where, word) for where, text in seen.items() for word in text.replace('"', " ").split() if "canary-" in word
    }


def _talkative(endpoint: Endpoint, said: str) -> str:
    endpoint.replies(400, json.dumps({"ok": False, "error": said}))
    return endpoint.url


def test_no_secret_of_a_channel_comes_out_anywhere(
    installation: Installation, make_endpoint: Callable[[], Endpoint], make_mail_server: Any
) -> None:
    installation.env["JOB_SMTP_PASSWORD"] = "canary-smtp-4720"
    # Receivers that say back what they were sent.
    urls = {name: _talkative(make_endpoint(), said) for name, said in SAID_BACK.items()}
    mail = make_mail_server(sign_in=True)
    mail.refuse["MAIL"] = "550 canary-smtp-4720 is not welcome"
    imported = installation.import_toml(CHANNELS.format(**urls, port=mail.port))
    token = installation.manage("createtoken", "olga", "--create-superuser").strip()
    installation.start_worker()
    installation.start("web")
    wait_for(lambda: _is_up(installation), 30, "the web server")
    installation.run_when_over(installation.trigger("told"))
    tried = "print(json.dumps(sorted(Delivery.objects.exclude(answer='').values_list('channel_name', flat=True))))"
    wait_for(lambda: installation.python(tried) == CHANNEL_NAMES, 30, "every delivery to be tried")
    seen = {path: _get(installation, path, token) for path in ("/api/v1/deliveries/", "/api/v1/incidents/")}
    seen |= {name: str(installation.try_manage("testchannel", name)) for name in CHANNEL_NAMES}
    seen |= {"import": imported, "export": installation.manage("exportjobs"), "dump": installation.manage("dumpdata")}
    seen |= {"process list": _process_list(), **_everything_written(installation.home)}
    assert _leaks(seen) == set()
    assert "********" in seen["/api/v1/deliveries/"]
    assert "${env:JOB_HOOK_URL}" in seen["export"]


def _is_up(installation: Installation) -> bool:
    with contextlib.suppress(OSError):
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{installation.port}/health", timeout=1).status == 200)
    return False


def test_the_environment_of_a_step_holds_none_of_the_installations_keys(installation: Installation) -> None:
    source = (
        "import os\ndef f(ctx):\n    return {'environ': open('/proc/self/environ', 'rb').read().decode('latin-1')}\n"
    )
    installation.plugin("look", source)
    installation.import_toml(
        '[[jobs]]\nid = "look"\n[[jobs.steps]]\nname = "s"\ntype = "python"\ncallable = "look:f"\n'
    )
    installation.env["NOMAFLOW_SECRET_KEY"] = "canary-secret-key-that-is-long-enough-for-django"
    installation.start_worker()
    run: dict[str, Any] = installation.run_when_over(installation.trigger("look"))
    assert run["state"] == "SUCCEEDED"
    assert "NOMAFLOW" not in run["steps"][0]["output"]["environ"]
