"""A TCP link between a program and a server that a test can slow down, cut, or let swallow everything."""

import asyncio as _asyncio
import contextlib as _contextlib
import threading as _threading
from collections.abc import Callable, Iterator

import pytest

from tests.servers import free_port as _free_port


class Link:
    """Passes bytes on to `target` on loopback. `delay`: seconds each way; `hole`: take everything and pass nothing on."""

    def __init__(self, target: int) -> None:
        self.port = _free_port()
        self.delay = 0.0
        self.hole = False
        self._target = target
        self._loop = _asyncio.new_event_loop()
        self._server: _asyncio.Server | None = None
        self._writers: set[_asyncio.StreamWriter] = set()
        self._thread = _threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    def cut(self) -> None:
        """Close every connection and refuse new ones."""
        self._run(self._close())

    def mend(self) -> None:
        """Listen again, and pass on."""
        self.hole = False
        self._run(self._open())

    def stop(self) -> None:
        """Cut it for good."""
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, work) -> None:
        _asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        if self._server is None:
            self._server = await _asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: _asyncio.StreamReader, writer: _asyncio.StreamWriter) -> None:
        there_reader, there = await _asyncio.open_connection("127.0.0.1", self._target)
        self._writers |= {writer, there}
        try:
            ways = [self._pass(reader, there), self._pass(there_reader, writer)]
            await _asyncio.gather(*ways, return_exceptions=True)
        finally:
            for end in (writer, there):
                self._writers.discard(end)
                end.transport.abort()

    async def _pass(self, reader: _asyncio.StreamReader, writer: _asyncio.StreamWriter) -> None:
        with _contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                while self.hole:
                    await _asyncio.sleep(0.05)
                if self.delay:
                    await _asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@pytest.fixture
def make_link() -> Iterator[Callable[[int], Link]]:
    """Makes links to ports on this machine; all of them end with the test."""
    made: list[Link] = []

    def make(target: int) -> Link:
        made.append(Link(target))
        return made[-1]

    yield make
    for link in made:
        link.stop()
