"""A Celery broker in a folder: no server, safe with many readers and writers on one host.

kombu's own filesystem transport writes messages in place and reads them without the writer's lock, so that a reader can
meet half a message, which ends the worker. Here a message is written under a hidden name and renamed to publish it, and
renamed again to claim it: both are atomic within one folder.
"""

import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import virtual
from kombu.utils.json import dumps, loads

POLL_SECONDS = 0.05


class Channel(virtual.Channel):
    """One folder a queue, one file a message; the names sort by time of publication."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._listed: dict[str, list[Path]] = {}

    def _folder(self, queue: str) -> Path:
        folder = Path(self.connection.client.transport_options["queue_folder"]) / queue
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _waiting(self, queue: str) -> Iterable[Path]:
        return (path for path in self._folder(queue).iterdir() if path.suffix == ".msg")

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        folder = self._folder(queue)
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex}"
        draft = folder / f".{name}"
        draft.write_text(dumps(message))
        draft.rename(folder / f"{name}.msg")

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        # One listing serves many messages; newest first, because pop() takes from the end.
        listed = self._listed.get(queue)
        if not listed:
            listed = self._listed[queue] = sorted(self._waiting(queue), reverse=True)
        while listed:
            message = self._claim(listed.pop())
            if message is not None:
                return message
        raise Empty

    def _claim(self, path: Path) -> Any:
        """The message, or None when another reader was faster."""
        taken = path.with_name(f".{path.stem}.taken")
        try:
            os.rename(path, taken)
        except FileNotFoundError:
            return None
        text = taken.read_text()
        taken.unlink()
        try:
            return loads(text)
        except ValueError:
            # Not ours: nobody publishes half a message here. It's only a wake-up, and the sweeper sends another one.
            return None

    def _size(self, queue: str) -> int:
        return sum(1 for _ in self._waiting(queue))

    def _purge(self, queue: str) -> int:
        removed = 0
        for path in self._waiting(queue):
            path.unlink(missing_ok=True)
            removed += 1
        return removed

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        self._purge(queue)

    def _has_queue(self, queue: str, **kwargs: Any) -> bool:
        return True


class Transport(virtual.Transport):
    """`nomaflow_site.lib.filebroker:Transport://`; the option `queue_folder` names the folder."""

    Channel = Channel
    implements = virtual.Transport.implements.extend(asynchronous=False, exchange_type=frozenset(["direct"]))
    global_state = virtual.BrokerState()
    driver_type = "file"
    driver_name = "file"
    polling_interval = POLL_SECONDS

    def driver_version(self) -> str:
        """Has no version of its own."""
        return "1"
