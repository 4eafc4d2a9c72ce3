"""The columns of a copy on the job's check: asked for by a button, found out by connecting, changing nothing."""

import html
import re
import sqlite3

import pytest
from django.contrib.auth.models import Permission

from connectors.catalogue import save_connector
from jobs.catalogue import save_job
from tests import cast

pytestmark = pytest.mark.django_db
URL = "/admin/jobs/job/mirror/check/"


@pytest.fixture
def folder(db, tmp_path):
    for name in ("crm", "reporting"):
        sqlite3.connect(tmp_path / f"{name}.db").close()
        save_connector(name, "sql", {"url": f"sqlite:///{tmp_path}/{name}.db"})
    run(
        tmp_path / "crm.db",
        "CREATE TABLE goods (id integer PRIMARY KEY, price numeric(10,2), day date, fresh text)",
        "INSERT INTO goods (id) VALUES (1)",
    )
    return tmp_path


def run(path, *statements):
    with sqlite3.connect(path) as base:
        for sql in statements:
            base.execute(sql)


@pytest.fixture
def olga(client):
    client.force_login(cast.olga())
    return client


def save(**step):
    source, target = {"connector": "crm", "table": "goods"}, {"connector": "reporting", "table": "${kw:into}"}
    copy = {"name": "copy", "type": "sql_copy", "source": source, "target": target, **step}
    wait = {"name": "look", "type": "sql_query", "connector": "crm", "query": "SELECT 1"}
    save_job({"id": "mirror", "params": {"into": "goods"}, "steps": [wait, copy]}, by="olga")


def asked(client, step="2"):
    """The page's rows, faults and remarks."""
    answer = client.post(URL, {"step": step})
    assert answer.status_code == 200
    page = answer.content.decode()
    found = page.partition('<div class="examined"')[2].partition("</section>")[0]
    # Some versions of SQLite write the types that they know in capitals.
    rows = [re.findall(r"<td>(.*?)</td>", row.lower()) for row in re.findall(r"<tr>(.*?)</tr>", found)]
    faults = [html.unescape(text) for text in re.findall(r'class="row-fault">✗ (.*?)</p>', found)]
    return [row for row in rows if row], faults, html.unescape(" ".join(re.findall(r"<p>(.*?)</p>", found)))


def test_a_table_that_is_to_be_made_is_shown_with_its_types(olga, folder):
    save()
    rows, faults, remarks = asked(olga)
    assert rows == [
        ["id", "integer", "id", "integer", "as they are"],
        ["price", "numeric(10,2)", "price", "numeric(10,2)", "as they are"],
        ["day", "date", "day", "date", "as they are"],
        ["fresh", "text", "fresh", "text", "as they are"],
    ]
    assert faults == []
    assert "Main.goods isn't there and would be made, with the key id." in remarks
    with sqlite3.connect(folder / "reporting.db") as base:
        assert base.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_what_only_one_side_has_is_shown_with_the_fault(olga, folder):
    save()
    run(
        folder / "reporting.db",
        "CREATE TABLE goods (id integer PRIMARY KEY, price integer, day date, gone text, at date DEFAULT '1', "
        "twice int AS (id * 2))",
    )
    rows, faults, _ = asked(olga)
    assert (
        rows[1]
        == [
            "price",
            "numeric(10,2)",
            "price",
            "INTEGER",
            "each is looked at: it fits exactly, or the copy fails and names it",
        ]
        or rows[1][3] == "integer"
    )
    assert rows[3:] == [
        ["fresh", "text", "–", "", "left out"],
        ["–", "", "gone", "text", "null in new rows"],
        ["–", "", "at", "date", "the target&#x27;s default"],
        ["–", "", "twice", "int", "the target computes them"],
    ]
    assert "A run would fail" in olga.post(URL, {"step": "2"}).content.decode()
    assert "fresh (text) is new at the source; gone (text) is not at the source any more" in faults[0].lower()


def test_columns_that_would_be_added_are_shown(olga, folder):
    save(schema_drift="add", mode="upsert")
    run(folder / "reporting.db", "CREATE TABLE goods (id integer, price numeric(10,2), day date)")
    rows, faults, _ = asked(olga)
    assert rows[3] == ["fresh", "text", "fresh", "text", "the column is added"]
    assert faults == ["Target main.goods has no primary key; name the key with `key_columns`."]


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ({"source": {"connector": "crm", "table": "nothing"}}, "There is no table main.nothing at the source"),
        ({"source": {"connector": "crm", "query": "SELECT x FROM goods"}}, "no such column: x"),
        ({"target": {"connector": "crm", "table": "goods"}}, "would be copied onto itself"),
        ({"columns": ["id", "none"]}, "The source has no column 'none'"),
    ],
)
def test_what_would_keep_the_copy_from_beginning_is_told(olga, folder, step, fault):
    save(**step)
    assert fault in asked(olga)[1][0]


def test_a_database_that_is_away_is_a_fault_and_no_password_is_shown(olga, folder):
    save_connector("crm", "sql", {"url": "postgresql://rui:s3cr3t-canary@127.0.0.1:1/none"})
    save()
    answer = olga.post(URL, {"step": "2"}).content.decode()
    assert "Can&#x27;t connect to PostgreSQL at 127.0.0.1:1/none" in answer
    assert "s3cr3t-canary" not in answer


def test_what_only_a_run_knows_is_not_asked_for(olga, folder):
    save(where="id > ${out:look.rows_returned}")
    page = olga.get(URL).content.decode()
    assert "Compare the columns" not in page
    assert asked(olga)[1] == ["There is nothing to find out before a run."]


def test_nothing_connects_before_somebody_asks_and_only_for_who_may_change_the_job(client, folder):
    save()
    viewer = cast.user("viewer")
    viewer.user_permissions.add(Permission.objects.get(content_type__app_label="jobs", codename="view_job"))
    client.force_login(viewer)
    page = client.get(URL).content.decode()
    assert ("Compare the columns" in page, 'class="examined"' in page) == (False, False)
    assert client.post(URL, {"step": "2"}).status_code == 403


@pytest.mark.parametrize("step", ["", "1", "9", "x"])
def test_a_step_that_has_nothing_to_find_out_is_left_alone(olga, folder, step):
    save()
    assert asked(olga, step)[0] == []
