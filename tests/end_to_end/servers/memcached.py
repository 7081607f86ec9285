# SPDX-License-Identifier: MIT
from .process import Server, free_port, tool


class Memcached(Server):
    """On 127.0.0.1:`port`."""

    def _start(self):
        self.port = free_port()
        self._launch(tool("memcached"), "--listen=127.0.0.1", f"--port={self.port}",
                     "--udp-port=0", "--conn-limit=1000", "--listen-backlog=1000",
                     "--memory-limit=16", "--threads=1")

    def _ready(self):
        return self._accepts(self.port)
