# SPDX-License-Identifier: MIT
import asyncio
import threading

from .process import START_SECONDS, STOP_SECONDS, ServerError


class Asynchronous:
    """A small server of our own, on 127.0.0.1, in a thread of the test: each kind has _answer()."""

    def __init__(self):
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._started.wait(START_SECONDS):
            raise ServerError(f"the {type(self).__name__} server did not start")
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_SECONDS)

    async def _serve(self):
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, backlog=1000)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
