"""The job's page in the admin, posted as a browser without JavaScript posts it."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Permission

from jobs.admin import JobAdmin
from jobs.catalogue import save_job
from jobs.definition import definition_of
from jobs.models import Job, JobVersion
from jobs.steps import step_types
from nomaflow_site.lib.sealing import is_sealed, unseal
from tests import cast

pytestmark = pytest.mark.django_db
ADD = "/admin/jobs/job/add/"
CHANGE = "/admin/jobs/job/nightly/change/"


class Inputs(HTMLParser):
    """The values that a browser would send for a page's main form, by name."""

    def __init__(self, page):
        super().__init__()
        self.values, self._select, self._text, self._inside = {}, None, None, False
        self.scripts, self.styles = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        name = given.get("name")
        if tag == "form":
            self._inside = given.get("id") == "job_form"
        if tag == "script" and "src" not in given:
            self.scripts.append(given)
        self.styles += [key for key in given if key == "style" or key.startswith("on")]
        if not self._inside:
            return
        if tag == "input" and name and given.get("type") not in ("submit", "checkbox"):
            self.values[name] = given.get("value", "")
        if tag == "input" and given.get("type") == "checkbox" and "checked" in given:
            self.values[name] = given.get("value", "on")
        if tag == "select":
            self._select = name
        if tag == "option" and self._select and ("selected" in given or self._select not in self.values):
            self.values[self._select] = given.get("value", "")
        if tag == "textarea":
            self._text = name
            self.values[name] = ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._inside = False
        if tag == "select":
            self._select = None
        if tag == "textarea":
            # A browser drops one newline at the beginning and sends every other as two characters.
            self.values[self._text] = self.values[self._text].removeprefix("\n").replace("\n", "\r\n")
            self._text = None

    def handle_data(self, data):
        if self._text:
            self.values[self._text] += data


@pytest.fixture
def olga(client):
    client.force_login(cast.olga())
    return client


@pytest.fixture
def saved(definition):
    return save_job(definition, by="olga")


def form(client, url):
    return Inputs(client.get(url).content.decode()).values


def new_step(values, type_name):
    """The prefix of the blank form of a type."""
    types = {key: value for key, value in values.items() if key.endswith("-type")}
    count = int(values["steps-INITIAL_FORMS"])
    return next(k.removesuffix("type") for k, v in types.items() if v == type_name and int(k.split("-")[1]) >= count)


def row(values, name):
    """The prefix of the row of a parameter: databases keep names in orders of their own."""
    return next(
        key.removesuffix("name") for key, value in values.items() if key.startswith("params-") and value == name
    )


def errors(response):
    context = response.context
    found = dict(context["adminform"].form.errors)
    for formset in context["inline_admin_formsets"]:
        found["formset"] = [*found.get("formset", []), *formset.formset.non_form_errors()]
        for part in formset.formset.forms:
            found |= {f"{part.prefix}-{name}": messages for name, messages in part.errors.items()}
    return {name: " ".join(map(str, messages)) for name, messages in found.items() if messages}


def test_a_job_is_made_with_a_step_of_a_type_and_its_version_is_kept(olga, reporting):
    values = form(olga, ADD)
    step = new_step(values, "sql_query")
    values |= {"id": "fresh", "schedule": "0 2 * * *", "tags": "etl, nightly", "params": 'n = 1\ntext = "x"'}
    values |= {f"{step}name": "load", f"{step}cfg_connector": "reporting", f"{step}cfg_query": "select 1\r\nfrom t"}
    response = olga.post(ADD, values)
    assert response.status_code == 302, errors(response)
    stored = definition_of(Job.objects.get(pk="fresh"))
    assert stored["params"] == {"n": 1, "text": "x"}
    assert stored["tags"] == ["etl", "nightly"]
    expected = {"name": "load", "type": "sql_query", "connector": "reporting", "query": "select 1\nfrom t"}
    assert stored["steps"] == [expected]
    assert [(v.number, v.saved_by) for v in JobVersion.objects.all()] == [(1, "olga")]


def test_every_step_type_has_a_blank_form_with_its_own_fields_only(olga):
    values = form(olga, ADD)
    query, copy = new_step(values, "sql_query"), new_step(values, "sql_copy")
    assert f"{query}cfg_query" in values
    assert f"{query}cfg_mode" not in values
    assert f"{copy}cfg_target__table" in values
    assert "Add a step: </span>" in olga.get(ADD).content.decode()


def test_an_internal_step_type_is_not_offered_to_new_steps(olga):
    page = olga.get(ADD).content.decode()
    offered = [kind.label for kind in step_types().values() if not kind.internal]
    assert page.count("Add a step: </span>") == len(offered)
    assert [label for label in offered if f"Add a step: </span>{label}</summary>" not in page] == []


def test_a_posted_internal_type_makes_no_step_of_it(olga):
    values = form(olga, ADD)
    step = {f"{new_step(values, 'http')}{key}": value for key, value in {"type": "prune_runs", "name": "s"}.items()}
    response = olga.post(ADD, values | {"id": "fresh"} | step)
    assert response.status_code == 200
    assert not Job.objects.exists()


def test_a_step_of_an_internal_type_can_be_edited(olga):
    save_job({"id": "nightly", "steps": [{"name": "prune", "type": "prune_runs"}]}, by="nomaflow")
    olga.post(CHANGE, form(olga, CHANGE) | {"steps-0-cfg_keep_days": "30"})
    step = Job.objects.get().steps.get()
    assert (step.type, step.config) == ("prune_runs", {"keep_days": 30})


def test_a_job_without_a_step_is_refused(olga):
    response = olga.post(ADD, form(olga, ADD) | {"id": "fresh"})
    assert errors(response) == {"formset": "A job needs at least one step."}
    assert not Job.objects.exists()


def test_opening_and_saving_changes_nothing(olga, saved):
    before = definition_of(saved)
    response = olga.post(CHANGE, form(olga, CHANGE))
    assert response.status_code == 302, errors(response)
    assert definition_of(Job.objects.get()) == before
    assert JobVersion.objects.count() == 1


def test_secrets_are_neither_shown_nor_lost(olga, saved):
    page = olga.get(CHANGE).content.decode()
    assert "k-4711" not in page
    assert "tok-12345" not in page
    assert "$sealed" not in page
    olga.post(CHANGE, form(olga, CHANGE) | {"description": "new"})
    stored = definition_of(Job.objects.get())
    assert is_sealed(stored["params"]["api_key"])
    assert unseal(stored)["steps"][1]["headers"] == {"Authorization": "Bearer tok-12345"}


def test_a_secret_can_be_replaced(olga, saved):
    values = form(olga, CHANGE)
    olga.post(CHANGE, values | {"params": values["params"].replace("********", "brand-new")})
    assert unseal(Job.objects.get().params)["api_key"] == "brand-new"


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("number", "10", 10),
        ("number", "10.0", 10.0),
        ("text", "10", "10"),
        ("yes_no", "true", True),
        ("table", '{"a": [1, 1.5]}', {"a": [1, 1.5]}),
        ("text", "2026-01-01", "2026-01-01"),
    ],
)
def test_a_parameter_gets_the_type_that_was_chosen_and_keeps_it(olga, saved, kind, value, stored):
    values = form(olga, CHANGE) | {"params-2-name": "fresh", "params-2-kind": kind, "params-2-value": value}
    assert olga.post(CHANGE, values).status_code == 302
    assert olga.post(CHANGE, form(olga, CHANGE) | {"description": "again"}).status_code == 302
    kept = Job.objects.get().params
    assert (kept["fresh"], type(kept["fresh"])) == (stored, type(stored))
    assert (kept["apps_id"], unseal(kept)["api_key"]) == (10, "k-4711-abc")


def test_a_parameter_that_only_changes_its_type_is_saved(olga, saved):
    values = form(olga, CHANGE)
    olga.post(CHANGE, values | {f"{row(values, 'apps_id')}value": "10.0"})
    assert type(Job.objects.get().params["apps_id"]) is float


def test_a_parameter_is_removed_and_its_secret_replaced(olga, saved):
    values = form(olga, CHANGE)
    values |= {f"{row(values, 'apps_id')}gone": "on", f"{row(values, 'api_key')}value": "brand-new"}
    assert olga.post(CHANGE, values).status_code == 302
    assert unseal(Job.objects.get().params) == {"api_key": "brand-new"}


def test_a_fault_in_a_row_stands_at_the_row(olga, saved):
    values = form(olga, CHANGE)
    prefix = row(values, "apps_id")
    response = olga.post(CHANGE, values | {f"{prefix}value": "1,5"})
    assert "apps_id: found '1,5', expected a number" in errors(response)["params"]
    assert f'aria-describedby="id_{prefix}fault"' in response.content.decode()


def test_rows_and_text_can_not_both_be_changed(olga, saved):
    values = form(olga, CHANGE)
    values[f"{row(values, 'apps_id')}value"] = "11"
    response = olga.post(CHANGE, values | {"params": values["params"] + "\nmore = 1"})
    assert "Both the rows and the text" in errors(response)["params"]


@pytest.mark.parametrize("count", ["-1", "x", "9" * 5000, "\0"])
def test_a_forged_number_of_rows_loses_nothing(olga, saved, count):
    assert olga.post(CHANGE, form(olga, CHANGE) | {"params-rows": count}).status_code == 302
    assert unseal(Job.objects.get().params) == {"apps_id": 10, "api_key": "k-4711-abc"}


def test_a_mask_under_another_name_is_not_taken_for_a_secret(olga, saved):
    response = olga.post(CHANGE, form(olga, CHANGE) | {"params": 'other_token = "********"'})
    assert "hidden value" in errors(response)["params"]


def test_the_id_and_the_type_of_a_step_are_locked(olga, saved):
    olga.post(CHANGE, form(olga, CHANGE) | {"id": "other", "steps-0-type": "python", "description": "new"})
    job = Job.objects.get()
    assert (job.id, job.description, job.steps.first().type) == ("nightly", "new", "sql_query")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"schedule": "0 25 * * *"}, "schedule", "hour: found 25"),
        ({"params": "no toml"}, "params", "Write one"),
        ({"retry_attempts": "0"}, "retry_attempts", "greater than or equal to 1"),
        ({"step_defaults": "nonsense = 1"}, "step_defaults", "Unknown key"),
        ({"alerts_declared": "on", "alerts_on_long_run_minutes": "0"}, "alerts_on_long_run_minutes", "greater"),
        ({"alerts_declared": "on", "alerts_after_failures": "101"}, "alerts_after_failures", "less than"),
        ({"alerts_declared": "on", "alerts_recipients": "foo bar"}, "alerts_recipients", "is no recipient"),
        ({"steps-0-cfg_connector": "gone"}, "steps-0-cfg_connector", "There is no connector 'gone'"),
        ({"steps-0-cfg_query": ""}, "steps-0-cfg_query", "required"),
        ({"steps-0-name": "send"}, "steps-0-name", "2 steps of the job"),
        ({"steps-0-cfg_params": "a = "}, "steps-0-cfg_params", "Write one"),
        ({"steps-0-timeout_seconds": "0"}, "steps-0-timeout_seconds", "greater than or equal to 1"),
        ({"steps-1-cfg_headers": "A = {'$sealed' = 'x'}"}, "steps-1-cfg_headers", "can't be typed in"),
        ({"steps-1-op_kwargs": 'my_token = "********"'}, "steps-1-op_kwargs", "hidden value"),
        ({"presets-0-params": 'my_token = "********"'}, "presets-0-params", "hidden value"),
        ({"steps-1-cfg_url": "https://x/${out:gone.y}"}, "steps-1-cfg_url", "names no earlier step"),
        ({"presets-0-schedule": "x"}, "presets-0-schedule", "Found 1 fields"),
        ({"presets-0-step_enabled": "gone = false"}, "presets-0-step_enabled", "There is no step 'gone'"),
    ],
)
def test_a_fault_is_shown_beside_its_field_and_nothing_is_saved(olga, saved, changes, field, words):
    response = olga.post(CHANGE, form(olga, CHANGE) | changes)
    found = errors(response)
    assert words in found.get(field, ""), found
    assert JobVersion.objects.count() == 1


def test_the_order_of_steps_follows_the_numbers(olga, saved):
    values = form(olga, CHANGE) | {"steps-0-position": "2", "steps-1-position": "1"}
    values["steps-1-cfg_url"] = "https://example.com/"
    assert olga.post(CHANGE, values).status_code == 302
    assert list(Job.objects.get().steps.values_list("name", flat=True)) == ["send", "load"]


def test_steps_may_swap_names_and_go(olga, saved):
    values = form(olga, CHANGE) | {"steps-0-name": "send", "steps-1-name": "load", "presets-0-DELETE": "on"}
    values["steps-1-cfg_url"] = "https://example.com/"
    assert olga.post(CHANGE, values).status_code == 302
    assert dict(Job.objects.get().steps.values_list("name", "type")) == {"send": "sql_query", "load": "http"}
    assert olga.post(CHANGE, form(olga, CHANGE) | {"steps-1-DELETE": "on"}).status_code == 302
    assert list(Job.objects.get().steps.values_list("name", flat=True)) == ["send"]


def test_alerts_are_declared_and_taken_back(olga, saved):
    values = form(olga, CHANGE) | {"alerts_declared": "on", "alerts_recipients": "#ops\r\nolga@example.com"}
    olga.post(CHANGE, values)
    assert Job.objects.get().alerts == {
        "on_failure": True,
        "on_success": False,
        "recipients": ["#ops", "olga@example.com"],
    }
    values = form(olga, CHANGE)
    del values["alerts_declared"]
    olga.post(CHANGE, values)
    assert Job.objects.get().alerts is None


def test_more_about_alerts_is_kept_and_shown_again(olga, saved):
    values = form(olga, CHANGE) | {"alerts_declared": "on", "alerts_on_recovery": "on", "alerts_after_failures": "3"}
    del values["alerts_on_missed"]
    olga.post(CHANGE, values)
    more = {"on_missed": False, "on_recovery": True, "after_failures": 3}
    assert Job.objects.get().alerts == {"on_failure": True, "on_success": False, "recipients": [], **more}
    shown = form(olga, CHANGE)
    assert (shown["alerts_after_failures"], shown["alerts_repeat_minutes"]) == ("3", "60")
    assert "alerts_on_recovery" in shown
    assert "alerts_on_missed" not in shown


def test_an_unset_value_follows_the_step_defaults_and_a_set_one_does_not(olga, saved):
    olga.post(CHANGE, form(olga, CHANGE) | {"step_defaults": 'fetch = "all"'})
    step = Job.objects.get().steps.get(name="load")
    assert step.config["fetch"] == "first"
    values = form(olga, CHANGE)
    blank = new_step(values, "sql_query")
    assert values[f"{blank}cfg_fetch"] == "all"
    values |= {f"{blank}name": "more", f"{blank}cfg_connector": "reporting", f"{blank}cfg_query": "select 2"}
    assert olga.post(CHANGE, values).status_code == 302
    assert "fetch" not in Job.objects.get().steps.get(name="more").config


def test_a_token_in_a_field_survives_opening_and_saving(olga, saved, definition):
    load = {**definition["steps"][0], "connector": "${kw:target_connector}"}
    send = {**definition["steps"][1], "verify_tls": "${kw:verify}"}
    before = definition_of(save_job({**definition, "steps": [load, send]}, by="olga"))
    assert olga.post(CHANGE, form(olga, CHANGE)).status_code == 302
    assert definition_of(Job.objects.get()) == before


def test_a_save_over_somebody_elses_is_refused(olga, saved, definition):
    values = form(olga, CHANGE)
    save_job({**definition, "description": "rui's"}, by="rui")
    response = olga.post(CHANGE, values | {"description": "olga's"})
    assert "saved by rui after you opened" in errors(response)["__all__"]
    assert Job.objects.get().description == "rui's"


def test_the_page_has_no_inline_script_style_or_handler(olga, saved):
    found = Inputs(olga.get(CHANGE).content.decode())
    assert (found.scripts, found.styles) == ([], [])


def test_the_preview_says_the_schedule_in_words_with_three_fires_or_what_is_wrong(olga):
    url = "/admin/jobs/job/cron-preview/"
    shown = olga.get(url, {"cron": "30 2 * * *", "tz": "Europe/Paris"}).json()["fires"]
    assert (shown[0], len(shown)) == ("every day at 02:30", 4)
    assert "match either one" in olga.get(url, {"cron": "0 0 13 * 5", "tz": "UTC"}).json()["fires"][1]
    assert "hour: found 99" in olga.get(url, {"cron": "0 99 * * *", "tz": "UTC"}).json()["fires"][0]


def test_the_check_shows_what_would_run_with_a_presets_values_and_runs_nothing(olga, saved):
    url = "/admin/jobs/job/nightly/check/"
    page = olga.get(url).content.decode()
    assert "Nothing wrong found" in page
    assert "k-4711" not in page
    assert "left out" in olga.get(url, {"preset": "sandbox"}).content.decode()
    assert not saved.runs.exists()


def test_the_check_names_what_would_fail(olga, saved, reporting):
    reporting.delete()
    page = olga.get("/admin/jobs/job/nightly/check/").content.decode()
    assert "A run would fail" in page
    assert "load: connector: There is no connector &#x27;reporting&#x27;" in page


@pytest.mark.parametrize("preset", ["gone", "\0", "x" * 5000])
def test_the_check_of_an_unknown_preset_is_not_found(olga, saved, preset):
    assert olga.get("/admin/jobs/job/nightly/check/", {"preset": preset}).status_code == 404


def test_duplicating_asks_for_the_id_first(olga, saved):
    url = "/admin/jobs/job/nightly/duplicate/"
    assert "Id of the copy" in olga.get(url).content.decode()
    assert "choose another id" in olga.post(url, {"new_id": "nightly"}).content.decode()
    assert olga.post(url, {"new_id": "nightly_2"}).status_code == 302
    assert Job.objects.get(pk="nightly_2").steps.count() == 2


def test_versions_show_the_difference_without_secrets_and_restore_by_post(olga, saved, definition):
    save_job({**definition, "description": "new", "params": {}, "presets": []}, by="rui")
    url = "/admin/jobs/job/nightly/versions/"
    page = olga.get(url).content.decode()
    assert "+description = &quot;new&quot;" in page
    assert "k-4711" not in page
    assert olga.get(f"{url}1/restore/").status_code == 405
    assert olga.post(f"{url}1/restore/").status_code == 302
    assert Job.objects.get().description == "the nightly refresh"


def test_deleting_asks_first_keeps_runs_and_leaves_the_versions_readable(olga, saved):
    run = cast.run(saved, "SUCCEEDED")
    url = "/admin/jobs/job/nightly/delete/"
    assert "Are you sure" in olga.get(url).content.decode()
    assert olga.post(url, {"post": "yes"}).status_code == 302
    run.refresh_from_db()
    assert not Job.objects.exists()
    assert "deleted" in olga.get("/admin/jobs/job/nightly/versions/").content.decode()


def test_deleting_several_keeps_their_runs(olga, saved):
    cast.run(saved, "SUCCEEDED")
    data = {"action": "delete_selected", "_selected_action": ["nightly"], "post": "yes"}
    assert olga.post("/admin/jobs/job/", data).status_code == 302
    assert not Job.objects.exists()
    assert JobVersion.objects.order_by("-number").first().comment == "deleted"


def test_jobs_are_exported_and_switched_from_the_list(olga, saved):
    url = "/admin/jobs/job/"
    answer = olga.post(url, {"action": "export_selected", "_selected_action": ["nightly"]})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="jobs.toml"'
    assert "[[connectors]]" in answer.content.decode()
    assert "k-4711" not in answer.content.decode()
    olga.post(url, {"action": "switch_off", "_selected_action": ["nightly"]})
    assert not Job.objects.get().enabled


def staff(client, *permissions):
    person = cast.user("editor")
    for name in permissions:
        person.user_permissions.add(Permission.objects.get(content_type__app_label="jobs", codename=name))
    client.force_login(person)
    return client


def test_an_editor_saves_with_the_permission_on_jobs_alone(client, saved):
    editor = staff(client, "change_job", "view_job")
    response = editor.post(CHANGE, form(editor, CHANGE) | {"description": "edited"})
    assert response.status_code == 302
    assert JobVersion.objects.order_by("-number").first().saved_by == "editor"


def test_who_may_only_look_sees_a_text_without_secrets_and_can_not_save(client, saved):
    viewer = staff(client, "view_job")
    page = viewer.get(CHANGE).content.decode()
    assert "api_key = &quot;********&quot;" in page
    assert "steps-0-name" not in page
    assert viewer.post(CHANGE, {"description": "x"}).status_code == 403
    assert viewer.post("/admin/jobs/job/nightly/duplicate/", {"new_id": "x"}).status_code == 403
    assert viewer.post("/admin/jobs/job/nightly/versions/1/restore/").status_code == 403


@pytest.mark.parametrize("page", ["change/", "check/", "versions/", "duplicate/", "delete/"])
def test_who_has_no_permission_gets_nowhere(client, saved, page):
    assert staff(client).get(f"/admin/jobs/job/nightly/{page}").status_code in (403, 302)


def test_higher_floors_add_columns_actions_and_links(olga, saved, monkeypatch):
    for name in ("inlines", "actions", "list_display", "links"):
        monkeypatch.setattr(JobAdmin, name, getattr(JobAdmin, name))

    def last_run(job):
        return f"last run of {job.id}"

    def ring(modeladmin, request, queryset):
        """Ring."""

    JobAdmin.contribute(columns=[last_run], actions=[ring], links=[("Ring", "admin:jobs_job_duplicate")])
    page = olga.get("/admin/jobs/job/").content.decode()
    assert "last run of nightly" in page
    assert 'value="ring"' in page
    assert ">Ring</a>" in olga.get(CHANGE).content.decode()
