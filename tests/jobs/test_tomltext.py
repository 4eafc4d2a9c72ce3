"""A job as TOML reads back as the same job."""

import json
import tomllib

from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.placeholders import exportable, keep_secrets
from jobs.tomltext import export_toml, job_toml, readable_toml
from jobs.validation import read_job
from nomaflow_site.lib.sealing import ONE_TOKEN, is_sealed, seal, unseal

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
LITERAL = st.sampled_from(
    ["${kw:a}", "$${x", "a\nb\n", '"""', "\\", "tail\\\n", '\n"', "\r\n", "${env:JOB_J_PARAMS_TOKEN}"]
)
NUMBER = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAF = st.one_of(TEXT, LITERAL, NUMBER, st.booleans())
NAME = TEXT.filter(lambda name: name != "$sealed")
VALUE = st.recursive(LEAF, lambda v: st.lists(v, max_size=3) | st.dictionaries(NAME, v, max_size=3), max_leaves=6)
TABLE = st.dictionaries(NAME | st.sampled_from(["token", "password"]), VALUE, max_size=4)
# A body may hold null, which TOML can't say.
BODY = st.dictionaries(NAME, st.none() | VALUE, min_size=1, max_size=3)
LINE = TEXT.map(str.strip).filter(bool)


@st.composite
def jobs(draw):
    query = {"name": "q", "type": "sql_query", "connector": "c", "query": draw(LINE | st.just('a\n  b\'\n"""\n'))}
    call = {"name": "h", "type": "http", "url": "https://example.com", "body": draw(BODY), "op_kwargs": draw(TABLE)}
    preset = {"name": "p", "params": draw(TABLE), "op_kwargs": {"h": draw(TABLE)}}
    steps = {"steps": [query, call], "presets": [preset], "alerts": {"recipients": ["#ops"]}}
    return {"id": "J", "description": draw(TEXT), "params": draw(TABLE), **steps}


def sound(definition):
    read, faults = read_job(definition)
    # Drawn texts may hold ${...}, which is a fault of its own; everything else must be all right.
    return read if not faults else None


@settings(max_examples=200, deadline=None)
@given(jobs())
def test_what_is_exported_reads_back_as_the_same_job(drawn):
    read = sound(drawn)
    if read is not None:
        sealed = seal(read)
        back, faults = read_job(keep_secrets(tomllib.loads(export_toml(sealed))["jobs"][0], sealed))
        assert faults == []
        assert json.dumps(unseal(back), sort_keys=True) == json.dumps(unseal(sealed), sort_keys=True)


def test_a_text_of_several_lines_is_written_as_one_reads_it():
    step = {"name": "q", "type": "sql_query", "query": "select a,\n  'b\\c'\nfrom t"}
    text = job_toml({"id": "j", "steps": [step], "presets": []})
    assert 'query = """\nselect a,\n  \'b\\\\c\'\nfrom t"""' in text


def test_an_export_and_a_page_show_no_secret():
    sealed = seal({"id": "a-b", "params": {"password": "hunter22"}, "steps": [], "presets": []})
    assert 'password = "${env:JOB_A_B_PARAMS_PASSWORD}"' in export_toml(sealed)
    assert 'password = "********"' in readable_toml(sealed)


def test_secrets_whose_paths_look_alike_get_different_placeholders():
    sealed = seal({"id": "j", "params": {"a-token": "1", "a_token": "2", "a.token": "3"}, "steps": [], "presets": []})
    placeholders = exportable(sealed)["params"].values()
    assert len(set(placeholders)) == 3
    assert all(ONE_TOKEN.match(placeholder) for placeholder in placeholders)


def test_a_secret_is_kept_only_where_its_own_placeholder_stands():
    sealed = seal({"id": "j", "params": {"token": "x", "other": 1}, "steps": [], "presets": []})
    token = "${env:JOB_J_PARAMS_TOKEN}"
    back = keep_secrets({"id": "j", "params": {"token": token, "other": token}}, sealed)["params"]
    assert is_sealed(back["token"])
    assert back["other"] == token
