# SPDX-License-Identifier: MIT
import os
import pwd

from .process import Server, free_port, tool

CONFIGURATION = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
PidFile {folder}/pid
AuthorizedKeysFile {folder}/client.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 1000
"""


class OpenSSH(Server):
    """On 127.0.0.1:`port`; lets `user`, who is the user that runs the test, in with the private key
    in the file `key`, to run commands."""

    _keeps_root = True

    def _start(self):
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.port = free_port()
        self.key = self._path("client")
        for name in "host", "client":
            self._run(tool("ssh-keygen"), "-q", "-t", "ed25519", "-N", "",
                      "-f", self._path(name))
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # where nothing started sshd yet
        self._launch(tool("sshd", "/usr/sbin"), "-D", "-e", "-f", self._write(
            "configuration", CONFIGURATION.format(folder=self.folder, port=self.port)))

    def _ready(self):
        return "Server listening on" in self._text()
