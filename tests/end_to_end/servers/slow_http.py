# SPDX-License-Identifier: MIT
import asyncio
import contextlib

from .asynchronous import Asynchronous


class SlowHTTP(Asynchronous):
    """Answers GET /ANYTHING with the last part of the path, after `seconds`."""

    def __init__(self, seconds=1.0):
        super().__init__()
        self._seconds = seconds

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/"

    async def _answer(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = head.split(b" ", 2)[1].rsplit(b"/", 1)[-1]
            await asyncio.sleep(self._seconds)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()
