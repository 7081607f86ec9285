# SPDX-License-Identifier: MIT
"""Patched libraries that other tools rewrite afterwards still do their work, and revert() after use
still gives the original."""
import os
import shutil
import subprocess

import servers
import support

TOOLS = {
    "strip": ["strip"],
    "strip -g": ["strip", "-g"],
    "objcopy": ["objcopy"],
    "eu-strip": ["eu-strip"],
    "llvm-strip": ["llvm-strip"],
}


def _rewrite(tool, path):
    subprocess.run([*TOOLS[tool], path], check=True, timeout=support.PATIENCE)


class Survive(support.EndToEnd):
    @classmethod
    def setUpClass(cls):
        cls.plain = support.Libraries()
        cls.addClassCleanup(cls.plain.remove)
        http = cls.enterClassContext(servers.SlowHTTP(1.0))
        mysql = cls.enterClassContext(servers.MariaDB())
        pq = cls.enterClassContext(servers.PostgreSQL())
        query = {"query": "SELECT pg_sleep(1)", "expect": ""}
        cls.clients = [
            ("libmariadb", 100, support.Client("many_mysql", mysql.socket,
                                               query="SELECT SLEEP(1)", expect="0")),
            ("libpq", 50, support.Client("many_pq", pq.conninfo("disable"), **query)),
            ("libpq over TLS", 50, support.Client("many_pq", pq.conninfo("require"), **query)),
            ("libcurl", 50, support.Client("many_curl", http.url + "%d", expect="%d")),
        ]

    def patched(self):
        libraries = support.Libraries()
        self.addCleanup(libraries.remove)
        changed = libraries.patch()
        for soname in "libmariadb.so.3", "libpq.so.5", "libcurl.so.4", "libcrypto.so.3":
            self.assertIn(os.path.join(libraries.folder, soname), changed)
        return libraries, changed

    def check_tool(self, tool):
        if shutil.which(TOOLS[tool][0]) is None:
            self.skipTest(f"{TOOLS[tool][0]} is not installed")
        libraries, changed = self.patched()
        for path in changed:
            _rewrite(tool, path)
            verified = support.greenify("verify", path)
            self.assertEqual(verified.returncode, support.DONE, verified.stdout)
        for what, connections, client in self.clients:
            with self.subTest(client=what):
                self.assert_at_once(f"{what} after {tool}", client, connections, libraries)

    def test_revert_after_use(self):
        libraries, changed = self.patched()
        for _, _, client in self.clients:
            self.assert_right(client.run(libraries, "coroutines", 3), 3)
        for path in libraries.paths:
            with self.subTest(path=os.path.basename(path)):
                before = support.sha256(path)
                again = support.greenify(path)
                self.assertEqual(again.returncode, support.NOTHING, again.stdout)
                self.assertEqual(support.sha256(path), before)
                reverted = support.greenify("revert", path)
                self.assertEqual(reverted.returncode,
                                 support.DONE if path in changed else support.NOTHING,
                                 reverted.stdout)
                original = support.system_library(os.path.basename(path))
                self.assertEqual(support.sha256(path), support.sha256(original))
        for _, _, client in self.clients:
            self.assert_right(client.run(libraries, "serial", 1), 1)


def _test_of(tool):
    return lambda self: self.check_tool(tool)


for _tool in TOOLS:
    setattr(Survive, "test_" + _tool.replace(" -", "_").replace("-", "_"), _test_of(_tool))


if __name__ == "__main__":
    support.main()
