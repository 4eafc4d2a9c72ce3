"""One copy at a time into a table of a SQLite file, also among processes: a lock on a small file beside it."""

import fcntl
import os
import sqlite3
from typing import Any


class Connection(sqlite3.Connection):
    """Holds locks until it's closed; the system takes them from a process that is killed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._locks: dict[str, int] = {}

    def lock(self, path: str) -> bool:
        """Whether this connection holds the lock now, or held it already."""
        while path not in self._locks:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            # Who held it before may have removed the file between our opening and our locking it.
            if os.path.exists(path) and os.path.samestat(os.fstat(descriptor), os.stat(path)):
                self._locks[path] = descriptor
            else:
                os.close(descriptor)
        return True

    def close(self) -> None:
        """Let go of the locks."""
        super().close()
        while self._locks:
            path, descriptor = self._locks.popitem()
            os.unlink(path)
            os.close(descriptor)
