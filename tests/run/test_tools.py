# SPDX-License-Identifier: MIT
"""Network tools and interpreters that nobody here wrote, from their first instruction under a hub,
with real servers: they print what they print without one."""
import contextlib
import http.server
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

import hub

SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
sys.path.insert(0, str(SOURCE / "tests/end_to_end"))
import servers  # noqa: E402


def needs(*tools):
    missing = [tool for tool in tools if not shutil.which(tool, path="/usr/sbin:/usr/bin")]
    return unittest.skipIf(missing, f"not installed: {' '.join(missing)}")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def files_by_http(folder):
    def handler(*arguments):
        return Quiet(*arguments, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@contextlib.contextmanager
def echo():
    """A server that sends back what it gets, connection by connection, until that ends."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(65536):
                        connection.sendall(data)
    threading.Thread(target=serve, daemon=True).start()
    with listener:
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def bare_repository(folder):
    """One with a file of a megabyte."""
    work, bare = os.path.join(folder, "work"), os.path.join(folder, "bare.git")
    os.mkdir(work)
    with open(os.path.join(work, "file"), "wb") as file:
        file.write(os.urandom(1 << 20))
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.test"]
    for command in (["-C", work, "init", "-q"], ["-C", work, "add", "file"],
                    ["-C", work, *identity, "commit", "-q", "-m", "file"],
                    ["clone", "-q", "--bare", work, bare], ["-C", bare, "update-server-info"]):
        subprocess.run(["git", *command], check=True)
    return bare


class Tools(hub.Comparison):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="green-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def fresh(self, name):
        """An empty place for the next command, the same each time."""
        path = os.path.join(self.folder, name)
        shutil.rmtree(path, ignore_errors=True)
        return path

    def ssh(self, server):
        return ["ssh", "-F", "none", "-i", server.key, "-p", str(server.port), "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "LogLevel=ERROR", f"{server.user}@127.0.0.1"]

    @needs("wget")
    def test_wget(self):
        pathlib.Path(self.folder, "large").write_bytes(b"x" * 3000000)
        with files_by_http(self.folder) as url:
            status, text, _ = self.both("wget", "-q", "-O", "-", url + "large", url + "nothing")
            self.assertEqual((status, len(text)), (8, 3000000))

    @needs("ssh", "sshd", "ssh-keygen")
    def test_ssh(self):
        with servers.OpenSSH() as server:
            status, text, errors = self.both(
                *self.ssh(server), "cat; sleep 0.2; echo done >&2; exit 7", stdin="text" * 100000)
            self.assertEqual((status, text, errors), (7, "text" * 100000, "done\n"))
            command = self.ssh(server)
            # With its echo, which comes first: whether the line comes before or after a program has
            # turned that off is a matter of chance.
            status, text, _ = self.both(command[0], "-tt", *command[1:], "tty >/dev/null && "
                                        "read line; stty -echo; echo \"<$line>\"", stdin="typed\n")
            self.assertEqual(status, 0)
            self.assertIn("<typed>", text)

    @needs("git", "ssh", "sshd", "ssh-keygen")
    def test_git(self):
        bare = bare_repository(self.folder)
        with servers.OpenSSH() as server, files_by_http(self.folder) as url:
            *options, host = self.ssh(server)
            environment = {"GIT_SSH_COMMAND": " ".join(options)}
            for where in url + "bare.git", f"{host}:{bare}", "file://" + bare:
                for kind in "plain", "hub":
                    copy = self.fresh("copy")
                    self.assertEqual(self.run_as(kind, "git", "clone", "-q", where, copy,
                                                 env=environment), (0, "", ""))
                    status, text, _ = self.run_as(kind, "git", "-C", copy, "log", "--format=%s")
                    self.assertEqual((status, text), (0, "file\n"))
                    self.assertEqual(os.path.getsize(os.path.join(copy, "file")), 1 << 20)

    @needs("rsync", "ssh", "sshd", "ssh-keygen")
    def test_rsync(self):
        source = os.path.join(self.folder, "source")
        os.mkdir(source)
        for i in range(50):
            pathlib.Path(source, str(i)).write_bytes(os.urandom(20000))
        with servers.OpenSSH() as server:
            *options, host = self.ssh(server)
            for kind in "plain", "hub":
                copy = self.fresh("copy")
                self.assertEqual(self.run_as(kind, "rsync", "-a", "-e", " ".join(options),
                                             f"{host}:{source}/", copy), (0, "", ""))
                self.assertEqual(self.run_as(kind, "diff", "-r", source, copy), (0, "", ""))

    @needs("nc")
    def test_nc(self):
        with echo() as port:
            status, text, errors = self.both("nc", "-N", "127.0.0.1", str(port),
                                             stdin="line\n" * 50000)
            self.assertEqual((status, text, errors), (0, "line\n" * 50000, ""))
        status, _, errors = self.both("nc", "-v", "-z", "127.0.0.1", "1")
        self.assertEqual(status, 1)
        self.assertIn("refused", errors)

    @needs("socat")
    def test_socat(self):
        with echo() as port:
            status, text, errors = self.both("socat", "-t5", "STDIO", f"TCP:127.0.0.1:{port}",
                                             stdin="line\n" * 50000)
            self.assertEqual((status, text, errors), (0, "line\n" * 50000, ""))
            status, text, _ = self.both("socat", "-t5", "-", "EXEC:'sh -c \"cat; sleep 0.1; echo end\"'",
                                        stdin="text\n")
            self.assertEqual((status, text), (0, "text\nend\n"))

    @needs("memcached", "memccapable")
    def test_libmemcached(self):
        with servers.Memcached() as server:
            status, text, errors = self.both("memccapable", "-h", "127.0.0.1",
                                             "-p", str(server.port), "-a")
            self.assertIn("All tests passed", text + errors)
            self.assertEqual(status, 0)

    @needs("ldapsearch", "slapd")
    def test_ldapsearch(self):
        with servers.OpenLDAP(20) as server:
            status, text, errors = self.both(
                "ldapsearch", "-x", "-LLL", "-H", f"ldaps://localhost:{server.port}",
                "-b", "dc=green", "(objectClass=organizationalUnit)", "description",
                env={"LDAPTLS_REQCERT": "never"})
            self.assertEqual((status, errors), (0, ""))
            self.assertEqual(len(re.findall("^description: entry", text, re.M)), 20)

    @needs("openssl")
    def test_openssl(self):
        with echo() as port:
            for kind in hub.KINDS:
                status, _, errors = self.run_as(kind, "openssl", "s_client", "-connect",
                                                f"127.0.0.1:{port}")
                self.assertEqual(status, 1)
                self.assertRegex(errors, ":SSL routines:")

    @needs("perl")
    def test_perl(self):
        with echo() as port:
            status, text, errors = self.both("perl", "-MIO::Socket::INET", "-MIO::Select", "-e", """
                $socket = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die $@;
                print $socket "line $_\\n" for 1 .. 1000;
                print scalar <$socket> for 1 .. 1000;
                print scalar(IO::Select->new($socket)->can_read(0.1)), "none\\n";
                $SIG{ALRM} = sub { die "alarm\\n" };
                alarm 1; eval { sysread $socket, $byte, 1 }; print $@;
                if ($child = fork) { waitpid $child, 0; print $? >> 8, "\\n" } else { sleep 1; exit 7 }
            """, str(port))
            self.assertEqual((status, errors), (0, ""))
            self.assertTrue(text.endswith("line 1000\nnone\nalarm\n7\n"), text[-100:])

    @needs("ruby")
    def test_ruby(self):
        with echo() as port:
            status, text, errors = self.both("ruby", "-rsocket", "-rtimeout", "-e", """
                threads = (1 .. 8).map do |i|
                  Thread.new do
                    TCPSocket.open("127.0.0.1", ARGV[0]) do |socket|
                      socket.puts "thread #{i}"
                      socket.close_write
                      socket.read
                    end
                  end
                end
                puts threads.map(&:value)
                begin
                  TCPSocket.open("127.0.0.1", ARGV[0]) { |socket| Timeout.timeout(0.2) { socket.read } }
                rescue Timeout::Error
                  puts "time"
                end
                puts `echo command`, IO.select([IO.pipe[0]], nil, nil, 0.1).inspect
            """, str(port))
            self.assertEqual((status, errors), (0, ""))
            self.assertTrue(text.endswith("thread 8\ntime\ncommand\nnil\n"), text)

    @needs("php")
    def test_php(self):
        with echo() as port:
            status, text, errors = self.both("php", "-r", """
                $socket = stream_socket_client("tcp://127.0.0.1:$argv[1]");
                fwrite($socket, str_repeat("x", 100000) . "\\n");
                echo strlen(fgets($socket)), "\\n";
                stream_set_timeout($socket, 0, 100000);
                var_dump(fgets($socket), stream_get_meta_data($socket)["timed_out"]);
                $reads = [$socket]; $none = null;
                echo stream_select($reads, $none, $none, 0, 100000), "\\n", shell_exec("echo command");
            """, str(port))
            self.assertEqual((status, errors), (0, ""))
            self.assertEqual(text, "100001\nbool(false)\nbool(true)\n0\ncommand\n")

    @needs("node")
    def test_node(self):
        with echo() as port:
            status, text, errors = self.both("node", "-e", """
                const socket = require("net").connect(process.argv[1], "127.0.0.1");
                let size = 0;
                socket.on("data", data => { size += data.length; });
                socket.on("end", () => console.log(size));
                socket.end("x".repeat(1000000));
                require("dns").lookup("localhost", 4, (error, address) => console.log(address));
                setTimeout(() => console.log("late"), 300);
                console.log(require("child_process").execSync("echo command").toString());
            """, str(port))
            self.assertEqual((status, errors), (0, ""))
            self.assertEqual(sorted(text.split()), ["1000000", "127.0.0.1", "command", "late"])


if __name__ == "__main__":
    unittest.main()
