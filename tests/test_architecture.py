"""The floors of the house: an app imports only what lies below it, also inside functions."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {"nomaflow_site.lib": 0, "connectors": 1, "jobs": 2, "runs": 3, "notifications": 4}
OURS = {"nomaflow_site", *FLOORS}


def floor_of(module: str) -> int | None:
    """The floor of a dotted module; None when it isn't ours, or is the site's wiring, which has no floor."""
    return next((floor for name, floor in FLOORS.items() if module == name or module.startswith(f"{name}.")), None)


def imports(path: Path, package: str) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: 1 - node.level or None]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def wrong_arrows(path: Path) -> list[str]:
    """Every import of a higher floor. The lowest floor knows nothing of ours, not even the site's wiring."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own = floor_of(module)
    assert own is not None
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for line, name in imports(path, module.rpartition(".")[0])
        if name.split(".")[0] in OURS and (own < floor if (floor := floor_of(name)) is not None else own == 0)
    ]


@pytest.mark.parametrize("name", FLOORS)
def test_an_app_imports_only_floors_below_it(name):
    files = sorted((ROOT / name.replace(".", "/")).rglob("*.py"))
    assert files, f"nothing found under {name}"
    assert [arrow for path in files for arrow in wrong_arrows(path)] == []


def test_a_wrong_arrow_inside_a_function_would_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "guilty.py").write_text("def late():\n    from runs.models import Run\n    return Run\n")
    assert wrong_arrows(tmp_path / "jobs" / "guilty.py") == ["jobs/guilty.py:2 imports runs.models.Run"]
