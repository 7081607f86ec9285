# SPDX-License-Identifier: MIT
"""Private servers on sockets of their own: MariaDB, PostgreSQL, and an HTTP server that is slow.

Each is a context manager: started in a temporary folder, waited for, and at the end stopped by its
own process id and removed. As root they run as `nobody`, because PostgreSQL refuses root.
Also a program: `servers.py mariadb -- COMMAND...` runs COMMAND with {socket} replaced.
"""
import asyncio
import atexit
import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

START_SECONDS = 90
STOP_SECONDS = 30


class ServerError(Exception):
    pass


def _wrapper(owner, stop_signal):
    """A command in front of the server's: it ends when we do, even if we are killed."""
    identity = [] if owner is None else [
        f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    return ["setpriv", "--pdeathsig", stop_signal.name.removeprefix("SIG"), *identity, "--"]


def _tool(name, *folders):
    path = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if path is None:
        raise ServerError(f"{name} is not installed")
    return path


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class _Server:
    """What every server process needs: folder, log, start, wait, stop."""

    def __enter__(self):
        owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
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
        """Made as the server's user: PostgreSQL insists on owning its key."""
        key, certificate = os.path.join(folder, "server.key"), os.path.join(folder, "server.crt")
        self._run(_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                  "/CN=localhost", "-keyout", key, "-out", certificate)
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


class MariaDB(_Server):
    """User root without a password. `socket` and, on 127.0.0.1, `port`, there also with TLS."""

    _stop_signal = signal.SIGTERM

    def __init__(self, tls=False):
        self._tls = tls

    def _start(self):
        data = os.path.join(self.folder, "data")
        self.socket = os.path.join(self.folder, "socket")
        self.port = _free_port()
        self._run(_tool("mariadb-install-db"), "--no-defaults", f"--datadir={data}",
                  "--auth-root-authentication-method=normal", "--skip-test-db",
                  "--skip-name-resolve", "--force")  # even where no host name can be looked up
        tls = []
        if self._tls:
            key, certificate = self._make_certificate(self.folder)
            tls = [f"--ssl-key={key}", f"--ssl-cert={certificate}"]
        self._launch(_tool("mariadbd", "/usr/sbin"), "--no-defaults", f"--datadir={data}",
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


class PostgreSQL(_Server):
    """User postgres without a password, on 127.0.0.1, with and without TLS."""

    _stop_signal = signal.SIGINT

    def _start(self):
        folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:]
        data = os.path.join(self.folder, "data")
        self.port = _free_port()
        self._run(_tool("initdb", *folders), "-D", data, "--username=postgres", "--auth=trust",
                  "--no-locale", "--encoding=UTF8", "--no-sync")
        self._make_certificate(data)
        self._launch(_tool("postgres", *folders), "-D", data, "-p", str(self.port),
                     "-k", self.folder, "-c", "listen_addresses=127.0.0.1", "-c", "ssl=on",
                     "-c", "max_connections=300", "-c", "fsync=off", "-c", "shared_buffers=32MB")

    def conninfo(self, sslmode):
        return (f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres "
                f"sslmode={sslmode} gssencmode=disable")

    def _ready(self):
        return "database system is ready to accept connections" in self._text()


class SlowHTTP:
    """Answers GET /ANYTHING with the last part of the path, after `seconds`."""

    def __init__(self, seconds=1.0):
        self._seconds = seconds
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        if not self._started.wait(START_SECONDS):
            raise ServerError("the HTTP server did not start")
        self.url = f"http://127.0.0.1:{self.port}/"
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

    async def _answer(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            body = head.split(b" ", 2)[1].rsplit(b"/", 1)[-1]
            await asyncio.sleep(self._seconds)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()
        writer.close()


def main(arguments):
    if arguments[:2] != ["mariadb", "--"] or len(arguments) < 3:
        sys.exit("usage: servers.py mariadb -- COMMAND...")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with MariaDB() as server:
            command = [word.replace("{socket}", server.socket) for word in arguments[2:]]
            return subprocess.run(command, check=False).returncode
    except ServerError as error:
        sys.exit(f"servers.py: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
