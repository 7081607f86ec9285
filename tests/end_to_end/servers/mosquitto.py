# SPDX-License-Identifier: MIT
from .process import Server, free_port, tool

CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous true
persistence false
certfile {certificate}
keyfile {key}
"""


class Mosquitto(Server):
    """MQTT over TLS on localhost:`port`. `authority`: a file."""

    def _start(self):
        key, self.authority = self._make_certificate(self.folder)
        self.port = free_port()
        self._launch(tool("mosquitto", "/usr/sbin"), "-c", self._write(
            "configuration",
            CONFIGURATION.format(port=self.port, certificate=self.authority, key=key)))

    def _ready(self):
        return self._accepts(self.port)
