# SPDX-License-Identifier: MIT
import asyncio
import contextlib

from .asynchronous import Asynchronous

CHUNK = 65536


class Distance(Asynchronous):
    """Puts a server that has no slow command far away: what it says on 127.0.0.1:`port` arrives
    `seconds` later."""

    def __init__(self, port, seconds):
        super().__init__()
        self._to = port
        self._seconds = seconds

    async def _answer(self, reader, writer):
        try:
            there = await asyncio.open_connection("127.0.0.1", self._to)
            await asyncio.gather(self._carry(reader, there[1], 0),
                                 self._carry(there[0], writer, self._seconds))
        except OSError:
            pass
        finally:
            writer.close()

    async def _carry(self, reader, writer, seconds):
        """In order, each chunk as late as every other, however many are under way."""
        under_way = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(under_way, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await under_way.put((self._loop.time() + seconds, data))
        await under_way.put((self._loop.time() + seconds, None))
        await delivery

    async def _deliver(self, under_way, writer):
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - self._loop.time())
            if data is None:
                break
            with contextlib.suppress(OSError):
                writer.write(data)
                await writer.drain()
        writer.close()
