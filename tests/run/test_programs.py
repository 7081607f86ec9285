# SPDX-License-Identifier: MIT
"""Command line clients that nobody here wrote, from their first instruction under a hub, with real
servers: they print what they print without one."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import hub

SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
sys.path.insert(0, str(SOURCE / "tests/end_to_end"))
import servers  # noqa: E402

PACKAGE = os.environ["PYTHON_PACKAGE"]
MYSQLDB = all(importlib.util.find_spec(name) for name in ("gevent", "MySQLdb"))


class Programs(hub.Comparison):
    @unittest.skipUnless(shutil.which("mysql") and shutil.which("mariadbd", path="/usr/sbin:/usr/bin"),
                         "the client or the server of MariaDB is not installed")
    def test_mysql(self):
        with servers.MariaDB() as server:
            status, text, errors = self.both(
                "mysql", "--no-defaults", f"--socket={server.socket}", "--user=root",
                stdin="SELECT 6*7; SELECT SLEEP(0.2); SELECT REPEAT('x', 300000);")
            self.assertEqual((status, errors), (0, ""))
            self.assertIn("42", text)
            self.assertGreater(len(text), 300000)
            status, text, errors = self.both(
                "mysql", "--no-defaults", f"--socket={server.socket}", "--user=root",
                "-e", "SELECT nothing")
            self.assertEqual(status, 1)
            self.assertIn("Unknown column", errors)

    @unittest.skipUnless(shutil.which("mariadbd", path="/usr/sbin:/usr/bin") and MYSQLDB,
                         "MariaDB, python3-mysqldb or python3-gevent is not installed")
    def test_greenlets_of_a_library_that_nobody_patched(self):
        scenes = SOURCE / "tests/end_to_end/mysqldb_greenlets.py"
        environment = dict(os.environ, PYTHONPATH=PACKAGE)
        late = 0.9  # seconds, of a ticker; a query that blocks makes it 1, and each more than one
        with servers.MariaDB() as server:
            for _ in range(3):
                done = subprocess.run([hub.GREENIFY, "run", "--library", "libmariadb.so.3", "--",
                                       "/usr/bin/python3", "-B", scenes, "hundred", server.socket],
                                      env=environment, capture_output=True, text=True, timeout=100)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                seen = json.loads(done.stdout)
                self.assertEqual(seen["right"], 100)
                if seen["worst"] < late:
                    break
        self.assertLess(seen["seconds"], 50)  # one after another: 100
        self.assertLess(seen["worst"], late)

    @unittest.skipUnless(shutil.which("psql"), "psql is not installed")
    def test_psql(self):
        with servers.PostgreSQL() as server:
            for mode in "disable", "require":
                status, text, errors = self.both(
                    "psql", "-X", "-A", "-t", server.conninfo(mode),
                    stdin="SELECT 6*7; SELECT pg_sleep(0.2); SELECT repeat('x', 300000);\n"
                          "\\! echo from the shell\n")
                self.assertEqual((status, errors), (0, ""))
                self.assertIn("42", text)
                self.assertIn("from the shell\n", text)
                self.assertGreater(len(text), 300000)

    @unittest.skipUnless(shutil.which("redis-cli") and shutil.which("redis-server"),
                         "redis-cli or redis-server is not installed")
    def test_redis_cli(self):
        with tempfile.TemporaryDirectory() as folder:
            socket = os.path.join(folder, "socket")
            server = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", socket,
                                       "--dir", folder, "--save", ""], stdout=subprocess.DEVNULL)
            try:
                while not os.path.exists(socket):
                    time.sleep(0.01)
                status, text, errors = self.both(
                    "redis-cli", "-s", socket,
                    stdin="SET a 42\nGET a\nBLPOP nothing 0.3\nDEBUG SLEEP 0.2\nDEL a\n")
                self.assertEqual((status, errors), (0, ""))
                self.assertIn("42", text)
            finally:
                server.terminate()
                server.wait()

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl(self):
        with servers.SlowHTTP(0.2) as server:
            status, text, errors = self.both("curl", "-sS", server.url + "first", server.url + "second")
            self.assertEqual((status, errors), (0, ""))
        status, _, errors = self.both("curl", "-sS", "http://127.0.0.1:1/")
        self.assertEqual(status, 7)
        self.assertTrue(re.search("Failed to connect|refused", errors))

    def test_a_shell(self):
        status, text, errors = self.both(
            "sh", "-c", "for i in 1 2 3; do (sleep 0.05; exit $i) & done; wait; "
            "seq 100000 | sort -rn | head -n 1; printf %s $(echo inner)")
        self.assertEqual((status, text, errors), (0, "100000\ninner", ""))


if __name__ == "__main__":
    unittest.main()
