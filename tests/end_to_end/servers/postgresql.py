# SPDX-License-Identifier: MIT
import glob
import signal

from .process import Server, free_port, tool


class PostgreSQL(Server):
    """User postgres without a password, on 127.0.0.1, with and without TLS."""

    _stop_signal = signal.SIGINT

    def _start(self):
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:]
        data = self._path("data")
        self.port = free_port()
        self._run(tool("initdb", *folders), "-D", data, "--username=postgres", "--auth=trust",
                  "--no-locale", "--encoding=UTF8", "--no-sync")
        self._make_certificate(data)
        self._launch(tool("postgres", *folders), "-D", data, "-p", str(self.port),
                     "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on",
                     "-c", "max_connections=300", "-c", "fsync=off", "-c", "shared_buffers=32MB")

    def conninfo(self, sslmode):
        return (f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres "
                f"sslmode={sslmode} gssencmode=disable")

    def _ready(self):
        return "database system is ready to accept connections" in self._text()
