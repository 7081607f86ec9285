# SPDX-License-Identifier: MIT
"""What every server process needs: a folder, a log, a start, the wait for it, and an end."""
import atexit
import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_SECONDS = 90
STOP_SECONDS = 30
SERVER_PORTS = 15000, 32768  # below ip_local_port_range, as it is by default


class ServerError(Exception):
    pass


def _wrapper(owner, stop_signal):
    """A command in front of the server's: it ends when we do, even if we are killed."""
    identity = [] if owner is None else [
        f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return ["setpriv", "--pdeathsig", stop_signal.name.removeprefix("SIG"), *identity, "--"]


def tool(name, *folders):
    path = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if path is None:
        raise ServerError(f"{name} is not installed")
    return path


def free_port():
    """Of those that the kernel gives to no client: it stays free until the server takes it, if no
    other server asked for the same one meanwhile."""
    while True:
        port = random.SystemRandom().randrange(*SERVER_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A context manager. Each kind has _start() and _ready()."""

    _stop_signal = signal.SIGTERM
    _keeps_root = False  # started by root, it needs to stay root

    def __enter__(self):
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 and not self._keeps_root else None
        self._wrapper = _wrapper(owner, self._stop_signal)
        # A short path: the name of a Unix socket has room for 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="green-")
        self._log = os.path.join(self.folder, "log")
        self._process = None
        atexit.register(self._stop)  # a second call does nothing
        try:
            os.chmod(self.folder, 0o711)
            if owner:
                os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_):
        self._stop()

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(self._path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self._path(name)

    def _environment(self):
        kept = {name: value for name, value in os.environ.items()
                if name not in ("LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "TMPDIR")}
        return {**kept, "HOME": self.folder, "LC_ALL": "C"}

    def _run(self, *command):
        """A step before the start, finished when it returns."""
        done = subprocess.run([*self._wrapper, *command], cwd=self.folder, env=self._environment(),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=2 * START_SECONDS,
                              check=False)
        if done.returncode:
            raise ServerError(f"{command[0]} failed with {done.returncode}:\n{done.stdout}")

    def _make_certificate(self, folder):
        """Its own authority. Made as the server's user: PostgreSQL insists on owning its key."""
        key, certificate = os.path.join(folder, "server.key"), os.path.join(folder, "server.crt")
        self._run(tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                  "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                  "-keyout", key, "-out", certificate)
        self._run("chmod", "600", key)
        return key, certificate

    def _launch(self, *command):
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen([*self._wrapper, *command], cwd=self.folder,
                                             env=self._environment(),
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._await_ready(command[0])

    def _await_ready(self, name):
        limit = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None:
                raise ServerError(f"{name} ended with {self._process.returncode}:\n{self._text()}")
            if time.monotonic() > limit:
                raise ServerError(f"{name} not ready after {START_SECONDS} s:\n{self._text()}")
            time.sleep(0.05)

    def _accepts(self, port):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def _text(self):
        with open(self._log, encoding="utf-8", errors="replace") as log:
            return log.read()[-4000:]

    def _stop(self):
        if self._process and self._process.poll() is None:
            self._process.send_signal(self._stop_signal)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
