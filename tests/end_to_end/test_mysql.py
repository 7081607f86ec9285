# SPDX-License-Identifier: MIT
"""libmariadb, which is Debian's libmysqlclient, against a real server, in one thread."""
import servers
import support
import tracing


class MySQL(support.EndToEnd):
    @classmethod
    def setUpClass(cls):
        support.plain_and_patched(cls)
        cls.server = cls.enterClassContext(servers.MariaDB(tls=True))

    def client(self, query, expect, *targets):
        return support.Client("many_mysql", *(targets or [self.server.socket]), query=query,
                              expect=expect)

    def test_a_hundred_at_once(self):
        self.assert_at_once("libmariadb, Unix socket", self.client("SELECT SLEEP(1)", "0"), 100)

    def test_a_hundred_at_once_over_tcp(self):
        client = self.client("SELECT SLEEP(1)", "0", f"127.0.0.1:{self.server.port}")
        self.assert_at_once("libmariadb, TCP", client, 100)

    def test_twenty_at_once_over_tls(self):
        """Here libcrypto reads and writes. Each connection loads all certificate authorities of the
        system first, which is work that cannot be done at once."""
        client = self.client("SELECT SLEEP(1)", "0", f"tls:127.0.0.1:{self.server.port}")
        self.assert_at_once("libmariadb over TLS", client, 20, share=0.5)

    def test_folder_that_deps_filled(self):
        """libcrypto is found and patched without being named."""
        libraries = support.PatchedWithDeps("libmariadb.so.3")
        self.addCleanup(libraries.remove)
        client = self.client("SELECT SLEEP(1)", "0", f"tls:127.0.0.1:{self.server.port}")
        self.assert_at_once("libmariadb over TLS, by --deps", client, 20, libraries, share=0.5)

    def test_unpatched_library_blocks_its_thread(self):
        self.assert_blocks_unpatched(self.client("SELECT SLEEP(1)", "0"))

    def test_answers_do_not_mix(self):
        client = self.client("SELECT %d, SLEEP(RAND() / 5)", "%d|0")
        self.assert_right(client.run(self.patched, "coroutines", 100), 100)

    def test_long_answers_do_not_mix(self):
        client = self.client("SELECT REPEAT(%d, 100000%d)", "%d*100000%d")
        self.assert_right(client.run(self.patched, "coroutines", 10), 10)

    def test_long_queries(self):
        client = self.client(f"SELECT LENGTH('{'x' * 100_000}%d'), %d", "100001|%d")
        self.assert_right(client.run(self.patched, "coroutines", 10), 10)

    def test_errors_are_the_same(self):
        outcome = self.assert_same_answers(self.client("SELECT nothing", ""), 3)
        self.assertIn("error 1054", outcome.text)
        outcome = self.assert_same_answers(self.client("SELECT 1", "1", "/no/socket"), 3)
        self.assertIn("error 2002", outcome.text)
        outcome = self.assert_same_answers(self.client("SELECT 1", "1", "127.0.0.1:1"), 3)
        self.assertIn("error 2002", outcome.text)

    def test_same_system_calls_without_coroutines(self):
        tracing.assert_same_calls(self, "libmariadb", self.client("SELECT SLEEP(0.01), %d", "0|%d"))


if __name__ == "__main__":
    support.main()
