"""The seam through which a floor above says whom alerts reach."""

import pytest

from jobs import recipients
from jobs.recipients import Directory, known_names, recipient_check, register_directory


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipients, "DIRECTORIES", [])


def test_where_nobody_sends_alerts_anybody_may_be_named() -> None:
    assert recipient_check()(["anything"]) == []
    assert known_names() == []


def test_the_directory_is_asked_with_the_document() -> None:
    register_directory(Directory(lambda document: lambda named: [f"{document} {named}"], lambda: ["ops"]))
    assert recipient_check({"channels": []})(["x"]) == ["{'channels': []} ['x']"]
    assert known_names() == ["ops"]
