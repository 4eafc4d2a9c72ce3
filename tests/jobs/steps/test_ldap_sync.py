"""Step type `ldap_sync`: a real slapd into real SQLite and PostgreSQL."""

import base64
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.definition import ConnectorError, Definition
from jobs.steps.ldap_sync import LdapSyncStep
from jobs.steptype import Result, StepFailed
from jobs.testing import fake_ctx
from nomaflow_site.lib.config import ConfigError
from tests.connectors.kinds.test_ldap import _cut_after

PEOPLE = "CREATE TABLE people (id varchar(64) PRIMARY KEY, name varchar(200), mail varchar(200), active {boolean} DEFAULT {true})"


class Target:
    """A database to mirror into, seen from beside the step."""

    def __init__(self, definition: Definition, execute: Any) -> None:
        self.definition, self.execute = definition, execute

    def rows(self, sql: str = "SELECT id, name, mail FROM people ORDER BY id") -> list[tuple[Any, ...]]:
        """What a reader sees."""
        return [tuple(row) for row in self.execute(sql)]


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """An empty table of people."""
    if request.param == "sqlite":
        path = tmp_path / "people.db"
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute(PEOPLE.format(boolean="integer", true="1"))
        config = {"dialect": "sqlite", "database": str(path)}
        yield Target(Definition("target", "sql", config), lambda sql: connection.execute(sql).fetchall())
        connection.close()
        return
    server = request.getfixturevalue("postgresql")
    url = server.create_database()
    connection = server.connect(url)
    connection.execute(PEOPLE.format(boolean="boolean", true="true"))

    def execute(sql: str) -> list[Any]:
        cursor = connection.execute(sql)
        return list(cursor.fetchall()) if cursor.description else []

    yield Target(Definition("target", "sql", {"url": url}), execute)
    connection.close()


@pytest.fixture
def warnings() -> list[str]:
    """What guards of the syncs have warned of."""
    return []


@pytest.fixture
def sync(slapd: Any, target: Target, warnings: list[str]) -> Any:
    """Run one sync; fields given override those of a plain mirror of the people whose uid starts with user00."""

    def run(**fields: Any) -> Result:
        config = {
            "connector": "directory",
            "search_base": f"ou=people,{slapd.suffix}",
            "search_filter": "(uid=user00*)",
            "mapping": {"uid": "id", "cn": "name", "mail": "mail"},
            "target_connector": "target",
            "target_table": "people",
            "key_columns": ["id"],
            **fields,
        }
        config = {key: value for key, value in config.items() if value is not None}
        ctx = fake_ctx(
            connectors={"directory": Definition("directory", "ldap", slapd.settings()), "target": target.definition}
        )
        try:
            outcome = LdapSyncStep().run(ctx, LdapSyncStep.form.check(config, tokens=False))
        finally:
            ctx.close()
        assert isinstance(outcome, Result)
        warnings.extend(ctx.link.guard_warnings)
        return outcome

    return run


def counts(result: Result) -> tuple[int, ...]:
    """fetched, inserted, updated, unchanged, pruned."""
    return tuple(result.output[name] for name in ("fetched", "inserted", "updated", "unchanged", "pruned"))


def test_every_page_arrives(sync: Any, target: Target, slapd: Any) -> None:
    result = sync(search_filter="(uid=*)", page_size=400)
    assert counts(result) == (slapd.people, slapd.people, 0, 0, 0)
    assert len(target.rows()) == slapd.people


def test_only_what_differs_is_changed(sync: Any, target: Target) -> None:
    sync()
    target.execute("UPDATE people SET name = 'wrong' WHERE id = 'user0003'")
    target.execute("UPDATE people SET mail = NULL WHERE id = 'user0004'")
    target.execute("DELETE FROM people WHERE id = 'user0005'")
    assert counts(sync()) == (100, 1, 2, 97, 0)
    assert ("user0003", "User 3", "user0003@example.org") in target.rows()


def test_its_own_server_will_do_as_well(sync: Any, slapd: Any) -> None:
    result = sync(connector=None, server=slapd.url, bind_dn=slapd.admin, bind_password=slapd.password)
    assert result.output["inserted"] == 100


def test_rows_no_longer_in_the_directory_are_deleted_when_asked(sync: Any, target: Target) -> None:
    sync()
    target.execute("INSERT INTO people (id, name) VALUES ('gone', 'Gone')")
    assert counts(sync()) == (100, 0, 0, 100, 0)
    assert counts(sync(prune="delete")) == (100, 0, 0, 100, 1)
    assert "gone" not in [row[0] for row in target.rows()]


def test_rows_no_longer_in_the_directory_are_switched_off_and_on_again(sync: Any, target: Target) -> None:
    sync()
    target.execute("INSERT INTO people (id, name) VALUES ('gone', 'Gone')")
    assert sync(prune="deactivate").output["pruned"] == 1
    assert [bool(row[0]) for row in target.rows("SELECT active FROM people WHERE id = 'gone'")] == [False]
    assert sync(prune="deactivate").output["pruned"] == 0
    target.execute("UPDATE people SET active = (1 = 0) WHERE id = 'user0001'")
    assert sync(prune="deactivate").output["updated"] == 1
    assert [bool(row[0]) for row in target.rows("SELECT active FROM people WHERE id = 'user0001'")] == [True]


def test_the_switch_may_be_a_number_under_another_name(sync: Any, target: Target) -> None:
    target.execute("CREATE TABLE staff (id varchar(64) PRIMARY KEY, enabled integer NOT NULL)")
    target.execute("INSERT INTO staff VALUES ('gone', 1), ('user0001', 0)")
    fields = {"mapping": {"uid": "id"}, "target_table": "staff", "prune": "deactivate", "deactivate_column": "enabled"}
    assert counts(sync(**fields, max_prune_percent=100)) == (100, 99, 1, 0, 1)
    assert target.rows("SELECT id FROM staff WHERE enabled = 0") == [("gone",)]


@pytest.mark.parametrize("prune", ["delete", "deactivate"])
def test_more_than_the_allowed_share_gone_changes_nothing_at_all(sync: Any, target: Target, prune: str) -> None:
    sync()
    target.execute("UPDATE people SET name = 'old' WHERE id = 'user0001'")
    before = target.rows("SELECT id, name, mail, active FROM people ORDER BY id")
    with pytest.raises(StepFailed, match=r"90 of 100 rows \(90.0 %\) are no longer in the directory; at most 10 %"):
        sync(search_filter="(uid=user000*)", prune=prune)
    assert target.rows("SELECT id, name, mail, active FROM people ORDER BY id") == before
    assert sync(search_filter="(uid=user000*)", prune=prune, max_prune_percent=95).output["pruned"] == 90


@pytest.mark.parametrize(("limit", "warns"), [(95, True), (100, False)])
def test_pruning_close_to_the_limit_warns(sync: Any, warnings: list[str], limit: float, warns: bool) -> None:
    sync()
    sync(search_filter="(uid=user000*)", prune="delete", max_prune_percent=limit)
    assert ["90 of 100 rows (90.0 %)" in text for text in warnings] == [True] * warns


def test_long_switched_off_rows_do_not_count_against_the_limit(sync: Any, target: Target) -> None:
    sync()
    sync(search_filter="(uid=user000*)", prune="deactivate", max_prune_percent=100)
    assert sync(search_filter="(uid=user000*)", prune="deactivate").output["pruned"] == 0


@pytest.mark.parametrize("prune", ["delete", "deactivate"])
def test_an_empty_answer_never_prunes(sync: Any, target: Target, prune: str) -> None:
    assert counts(sync(search_filter="(uid=nobody)", prune=prune)) == (0, 0, 0, 0, 0)
    sync()
    with pytest.raises(StepFailed, match="The search found nothing, and people has 100 rows"):
        sync(search_filter="(uid=nobody)", prune=prune, max_prune_percent=100)
    assert len(target.rows()) == 100


def test_a_connection_lost_half_way_changes_nothing(sync: Any, target: Target, slapd: Any) -> None:
    sync()
    with _cut_after(slapd.port, 30_000) as port:
        own = {
            "connector": None,
            "server": f"localhost:{port}",
            "bind_dn": slapd.admin,
            "bind_password": slapd.password,
        }
        with pytest.raises(ConnectorError, match="before its end"):
            sync(**own, search_filter="(uid=*)", page_size=50, prune="delete", max_prune_percent=100)
    assert len(target.rows()) == 100


def test_one_value_that_does_not_fit_undoes_everything(sync: Any, target: Target) -> None:
    target.execute("CREATE UNIQUE INDEX one_mail ON people (name)")
    target.execute("INSERT INTO people (id, name) VALUES ('other', 'User 99')")
    with pytest.raises(ConnectorError):
        sync()
    assert target.rows() == [("other", "User 99", None)]


def test_a_unique_value_can_move_from_a_pruned_row_to_a_new_one(sync: Any, target: Target) -> None:
    target.execute("CREATE UNIQUE INDEX one_mail ON people (name)")
    target.execute("INSERT INTO people (id, name) VALUES ('other', 'User 99')")
    assert counts(sync(prune="delete", max_prune_percent=100)) == (100, 100, 0, 0, 1)


def test_members_of_groups_become_rows(sync: Any, target: Target, slapd: Any) -> None:
    target.execute("CREATE TABLE membership (grp varchar(50), member varchar(200), PRIMARY KEY (grp, member))")
    result = sync(
        search_base=f"ou=groups,{slapd.suffix}",
        search_filter="(objectClass=groupOfNames)",
        mapping={"cn": "grp", "member": "member"},
        multi_valued={"member": "rows"},
        target_table="membership",
        key_columns=["grp", "member"],
    )
    assert counts(result)[:2] == (3, 6)
    found = target.rows("SELECT member FROM membership WHERE grp = 'auditors'")
    assert found == [(f"uid=user0005,ou=people,{slapd.suffix}",)]


def test_several_values_can_be_joined(sync: Any, target: Target) -> None:
    sync(multi_valued={"mail": "join:, "})
    assert ("user0010", "User 10", "user0010@example.org, u10@example.com") in target.rows()


def test_binary_values_arrive_as_base64(sync: Any, target: Target, slapd: Any) -> None:
    dn = slapd.add("cn=photo", {"objectClass": "inetOrgPerson", "sn": "x", "jpegPhoto": slapd.photo})
    try:
        target.execute("CREATE TABLE photos (id varchar(200) PRIMARY KEY, photo text)")
        fields = {"mapping": {"dn": "id", "jpegPhoto": "photo"}, "target_table": "photos"}
        sync(search_base=dn, search_filter=None, scope="base", **fields)
        assert target.rows("SELECT id, photo FROM photos") == [(dn, base64.b64encode(slapd.photo).decode())]
    finally:
        slapd.delete(dn)


def test_entries_without_a_key_are_left_out_and_told(sync: Any, slapd: Any, caplog: pytest.LogCaptureFixture) -> None:
    result = sync(search_filter=None, scope="base")
    assert result.output["skipped"] == 1
    assert "1 entries have no value for the key (id) and were left out: ou=people" in caplog.text


def test_a_query_gets_each_row_as_bound_parameters(sync: Any, target: Target) -> None:
    sql = "INSERT INTO people (id, name) VALUES (:uid, :label)"
    fields = {"target_table": None, "key_columns": None, "target_query": sql, "mapping": {"uid": "uid", "cn": "label"}}
    assert counts(sync(**fields)) == (100, 0, 100, 0, 0)
    with pytest.raises(ConnectorError):
        sync(**fields)
    assert len(target.rows()) == 100


def test_a_value_in_the_filter_never_widens_the_result(sync: Any) -> None:
    fields = {"search_filter": "(&(uid={uid})(sn=*))"}
    assert sync(**fields, filter_params={"uid": "user0001"}).output["fetched"] == 1
    assert sync(**fields, filter_params={"uid": "*)(uid=*"}).output["fetched"] == 0


def test_progress_is_told_per_thousand(sync: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        sync(search_filter="(uid=*)")
    assert [line for line in caplog.messages if line.startswith("read")] == [
        "read 1,000 entries",
        "read 2,000 entries",
        "read 2,500 entries",
    ]


PLAIN: dict[str, Any] = {
    "connector": "d",
    "search_base": "dc=x",
    "mapping": {"uid": "id"},
    "target_connector": "t",
    "target_table": "people",
    "key_columns": ["id"],
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"server": "ldap://x"}, "connector: Give either"),
        ({"connector": None}, "connector: Give either"),
        ({"connector": None, "server": "http://x"}, "server: Expected ldap://"),
        ({"target_query": "INSERT"}, "target_table: Give either"),
        ({"key_columns": None}, "key_columns: Name the columns"),
        ({"key_columns": ["name"]}, "name is not a column of the mapping"),
        ({"mapping": {"a": "id", "b": "id"}}, "mapping: Two attributes"),
        ({"multi_valued": "all"}, "multi_valued"),
        ({"multi_valued": {"mail": "last"}}, "multi_valued: mail: Expected first, rows or join"),
        ({"search_filter": "(uid={uid})"}, r"search_filter: \{uid\} has no value"),
        ({"max_prune_percent": 101}, "max_prune_percent"),
        ({"target_table": None, "key_columns": None, "target_query": "q", "prune": "delete"}, "prune: Rows can only"),
    ],
)
def test_faults_are_found_when_saving(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        LdapSyncStep.form.canonical({**PLAIN, **change})


def test_tokens_may_stand_before_substitution() -> None:
    config = {**PLAIN, "search_base": "${kw:base}", "page_size": "${kw:size}", "multi_valued": "${kw:rule}"}
    assert LdapSyncStep.form.canonical(config) == config
