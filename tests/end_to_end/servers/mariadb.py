# SPDX-License-Identifier: MIT
import contextlib
import socket

from .process import Server, free_port, tool


class MariaDB(Server):
    """User root without a password. `socket` and, on 127.0.0.1, `port`, there also with TLS, for
    which `authority` is a file."""

    def __init__(self, tls=False):
        self._tls = tls

    def _start(self):
        data = self._path("data")
        self.socket = self._path("socket")
        self.port = free_port()
        self._run(tool("mariadb-install-db"), "--no-defaults", f"--datadir={data}",
                  "--auth-root-authentication-method=normal", "--skip-test-db",
                  "--skip-name-resolve", "--force")  # even where no host name can be looked up
        tls = []
        if self._tls:
            key, self.authority = self._make_certificate(self.folder)
            tls = [f"--ssl-key={key}", f"--ssl-cert={self.authority}"]
        self._launch(tool("mariadbd", "/usr/sbin"), "--no-defaults", f"--datadir={data}",
                     f"--socket={self.socket}", "--bind-address=127.0.0.1", f"--port={self.port}",
                     f"--pid-file={self.folder}/pid", f"--tmpdir={self.folder}",
                     "--skip-name-resolve", "--skip-log-bin", "--max-connections=600",
                     "--back-log=600", "--innodb-buffer-pool-size=32M",
                     "--innodb-flush-log-at-trx-commit=0", *tls)

    def _ready(self):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            with contextlib.suppress(OSError):
                probe.connect(self.socket)
                return bool(probe.recv(1))
        return False
