"""What floors above let run in every worker and beat."""

import pytest

from runs import companions
from runs.companions import Companions


class Recorder:
    """Says what it's told."""

    def __init__(self, said: list[str], broken: bool = False) -> None:
        self.said, self.broken = said, broken

    def start(self) -> None:
        self.said.append("start")

    def stop(self) -> None:
        if self.broken:
            raise OSError("no")
        self.said.append("stop")


def test_each_process_has_its_own_and_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(companions, "FACTORIES", [lambda: Recorder(said)])
    mine = Companions()
    mine.start()
    mine.stop()
    assert said == ["start", "stop"]


def test_one_that_cannot_stop_does_not_keep_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(companions, "FACTORIES", [lambda: Recorder(said, broken=True), lambda: Recorder(said)])
    mine = Companions()
    mine.start()
    mine.stop()
    assert said == ["start", "start", "stop"]
