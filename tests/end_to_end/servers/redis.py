# SPDX-License-Identifier: MIT
from .process import Server, free_port, tool


class Redis(Server):
    """On 127.0.0.1:`port`, nothing saved."""

    def _start(self):
        self.port = free_port()
        self._launch(tool("redis-server"), "--bind", "127.0.0.1", "--port", str(self.port),
                     "--save", "", "--appendonly", "no", "--maxclients", "1000",
                     "--tcp-backlog", "1000", "--dir", self.folder)

    def _ready(self):
        return "Ready to accept connections" in self._text()
