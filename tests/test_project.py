"""The project's own promises: documentation that is complete, locks and files that fit every machine."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXTS = {
    ".py",
    ".md",
    ".toml",
    ".txt",
    ".in",
    ".html",
    ".js",
    ".css",
    ".sample",
    ".service",
    ".cfg",
    ".yml",
    ".yaml",
    "",
}
SKIPPED = {".git", ".venv", "var", "__pycache__"}
SECTIONS = ["Question", "Choice", "Refused", "Cost", "When to look again"]
TAKEN = re.compile(r'(?:env\.str|_integer|_switch|_secret)\(\s*"(NOMAFLOW_\w+)"')
LOCKED = re.compile(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.+!]+( ; [^:/]+)?\Z")


def project_files() -> list[Path]:
    """Every text file that belongs to the project."""
    places = [p for p in ROOT.iterdir() if p.name not in SKIPPED and not p.name.endswith("_cache")]
    files = [f for p in places for f in ([p] if p.is_file() else p.rglob("*"))]
    kept = [f for f in files if f.is_file() and f.suffix in TEXTS and not SKIPPED & set(f.relative_to(ROOT).parts)]
    return [f for f in kept if ".hypothesis" not in f.parts]


def lines_with(pattern: str) -> list[str]:
    """`file: line` of every match in the project."""
    wanted = re.compile(pattern)
    return [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in project_files()
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines()
        if wanted.search(line)
    ]


def documented() -> set[str]:
    """The variables of the table in docs/settings.md."""
    return set(re.findall(r"^\| `(NOMAFLOW_\w+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))


def test_every_setting_is_documented_and_nothing_else_is():
    assert documented() == set(TAKEN.findall((ROOT / "nomaflow_site" / "settings.py").read_text()))


def test_the_environment_sample_names_only_settings_that_exist():
    names = set(re.findall(r"^#?(NOMAFLOW_\w+)=", (ROOT / "deploy" / "nomaflow.env.sample").read_text(), re.MULTILINE))
    assert names
    assert names <= documented()


def test_no_file_holds_a_path_of_somebodys_machine():
    # Spelled so that this line doesn't find itself.
    assert lines_with(r"/(?:h[o]me|U[s]ers|r[o]ot|w[o]rk)/[a-z]") == []


def test_no_lock_names_more_than_packages_and_versions():
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    lines = [line for lock in locks for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    assert len(locks) == 5
    assert [line for line in lines if not LOCKED.match(line)] == []


def test_no_file_names_a_package_index():
    assert lines_with(r"(?:(?<!no-emit-)in[d]ex-url|pypi[.]o[r]g|/sim[p]le/|files[.]pythonh[o]sted)") == []


def test_the_readme_starts_with_the_two_commands():
    first, second = (ROOT / "README.md").read_text().splitlines()[:2]
    assert (first.split()[:2], second.split()[:2]) == (["make", "demo"], ["make", "test"])


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "adr").glob("*.md")), ids=lambda page: page.name)
def test_a_decision_says_what_was_asked_chosen_refused_paid_and_when_to_look_again(page: Path):
    assert re.findall(r"^\*\*(.+?)\.\*\*", page.read_text(), re.MULTILINE) == SECTIONS


def test_every_link_between_documents_leads_somewhere():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_every_make_target_is_listed_by_make_help():
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", text, re.MULTILINE)
    assert phony
    told = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(phony[1].split()) == set(re.findall(r"^  make (\S+)", told, re.MULTILINE))


def test_every_command_of_ours_is_in_the_shell_page():
    page = (ROOT / "docs" / "shell.md").read_text()
    commands = [file.stem for file in ROOT.glob("*/management/commands/*.py") if file.stem != "__init__"]
    assert commands
    assert [command for command in commands if not re.search(rf"\b{command}\b", page)] == []


def test_every_field_of_every_step_type_is_in_the_steps_page():
    from jobs.steps import step_types

    page = (ROOT / "docs" / "steps.md").read_text()
    for name, kind in step_types().items():
        section = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert [f for f in kind.form.base_fields if f.rpartition("__")[2] not in section] == [], name


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, text) of every fenced block of a language in the documentation."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [(page.name, text) for page in pages for text in fence.findall(page.read_text())]


def test_every_job_in_the_documentation_could_be_saved():
    from jobs.validation import check_job

    faults = []
    for page, text in blocks("toml"):
        document = text if "[[jobs]]" in text else f'[[jobs]]\nid = "example"\n{text}'
        faults += [f"{page}: {fault}" for job in tomllib.loads(document)["jobs"] for fault in check_job(job)]
    assert len(blocks("toml")) >= 7
    assert faults == []


def test_every_piece_of_python_in_the_documentation_compiles():
    assert len(blocks("python")) >= 3
    for page, text in blocks("python"):
        compile(text, page, "exec")


def test_the_pages_scripts_stay_small_and_plain():
    scripts = list((ROOT / "nomaflow_site" / "static").rglob("*.js"))
    assert sum(len(script.read_text().splitlines()) for script in scripts) < 800
    assert [
        script.name for script in scripts if re.search(r"\beval\(|innerHTML|document\.write", script.read_text())
    ] == []


def test_colours_are_written_in_the_tokens_alone():
    styles = (ROOT / "nomaflow_site" / "static" / "nomaflow").glob("*.css")
    found = {style.name: re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[^{}]*[;}])|hsl\(", style.read_text()) for style in styles}
    assert {name: colours for name, colours in found.items() if colours and name != "tokens.css"} == {}
