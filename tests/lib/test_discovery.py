"""Variants are found by looking into their folder."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from jobs.steptype import StepType
from nomaflow_site.lib.discovery import discover

GOOD = "from jobs.steptype import StepType\nclass {0}(StepType):\n    name = '{1}'\n"


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Any]:
    """A package `variants` with the given modules."""
    sys.path.insert(0, str(tmp_path))
    (tmp_path / "variants").mkdir()
    (tmp_path / "variants" / "__init__.py").touch()

    def make(**modules: str) -> ModuleType:
        for name, source in modules.items():
            (tmp_path / "variants" / f"{name}.py").write_text(source)
        return importlib.import_module("variants")

    yield make
    sys.path.remove(str(tmp_path))
    for name in [name for name in sys.modules if name.split(".")[0] == "variants"]:
        del sys.modules[name]


def test_a_new_variant_is_one_new_file(package: Any) -> None:
    found = discover(package(one=GOOD.format("One", "one"), two=GOOD.format("Two", "two"), _shared="x = 1"), StepType)
    assert list(found) == ["one", "two"]


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ({"two": GOOD.format("A", "a") + GOOD.format("B", "b")}, "exactly one StepType, found A, B"),
        ({"none": "x = 1"}, "found none"),
        ({"broken": "import nowhere_to_be_found"}, "can't be imported"),
        ({"one": GOOD.format("A", "same"), "two": GOOD.format("B", "same")}, "both call themselves 'same'"),
    ],
)
def test_two_variants_in_a_file_or_a_broken_one_stop_the_start(
    package: Any, modules: dict[str, str], words: str
) -> None:
    with pytest.raises(ImproperlyConfigured, match=words):
        discover(package(**modules), StepType)
