"""The embedded broker: every message is read once, whole, whoever reads and writes at the same time."""

import threading
from collections import Counter
from pathlib import Path

import kombu
import kombu.simple
import pytest
from kombu.transport import TRANSPORT_ALIASES

TRANSPORT_ALIASES["nomaflow-files"] = "nomaflow_site.lib.filebroker:Transport"


def connect(folder: Path) -> kombu.Connection:
    return kombu.Connection("nomaflow-files://localhost", transport_options={"queue_folder": str(folder)})


def drain(queue: kombu.simple.SimpleQueue) -> list[int]:
    found = []
    try:
        while True:
            message = queue.get(block=False)
            message.ack()
            found.append(message.payload)
    except queue.Empty:
        return found


def test_messages_come_out_in_the_order_they_went_in(tmp_path: Path) -> None:
    with connect(tmp_path) as one, connect(tmp_path) as two:
        sender = one.SimpleQueue("q")
        for number in range(50):
            sender.put(number)
        assert drain(two.SimpleQueue("q")) == list(range(50))


def test_many_readers_and_writers_lose_and_double_nothing(tmp_path: Path) -> None:
    done = threading.Event()
    found: list[list[int]] = []

    def read() -> None:
        with connect(tmp_path) as connection:
            queue, mine = connection.SimpleQueue("q"), []
            while not done.is_set():
                mine += drain(queue)
            found.append(mine + drain(queue))

    def write(start: int) -> None:
        with connect(tmp_path) as connection:
            queue = connection.SimpleQueue("q")
            for number in range(start, start + 300):
                queue.put(number)

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(n * 300,)) for n in range(3)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert Counter(number for mine in found for number in mine) == Counter(range(900))


@pytest.mark.parametrize("junk", ["", "{", "not json"])
def test_a_broken_file_in_the_queue_does_not_stop_the_reader(tmp_path: Path, junk: str) -> None:
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("q")
        (tmp_path / "q").mkdir(exist_ok=True)
        (tmp_path / "q" / "00000000000000000000-junk.msg").write_text(junk)
        queue.put(1)
        assert drain(connection.SimpleQueue("q")) == [1]


def test_purging_empties_the_queue(tmp_path: Path) -> None:
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("q")
        queue.put(1)
        assert (queue.qsize(), queue.clear(), queue.qsize()) == (1, 1, 0)
