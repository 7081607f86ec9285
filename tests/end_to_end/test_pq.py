# SPDX-License-Identifier: MIT
"""libpq against a real PostgreSQL, in one thread, with and without TLS."""
import servers
import support
import tracing


class PostgreSQL(support.EndToEnd):
    @classmethod
    def setUpClass(cls):
        support.plain_and_patched(cls)
        cls.server = cls.enterClassContext(servers.PostgreSQL())

    def client(self, sslmode, query, expect):
        return support.Client("many_pq", self.server.conninfo(sslmode), query=query, expect=expect)

    def test_fifty_at_once(self):
        self.assert_at_once("libpq", self.client("disable", "SELECT pg_sleep(1)", ""), 50)

    def test_fifty_at_once_over_tls(self):
        self.assert_at_once("libpq over TLS", self.client("require", "SELECT pg_sleep(1)", ""), 50)

    def test_unpatched_library_blocks_its_thread(self):
        self.assert_blocks_unpatched(self.client("disable", "SELECT pg_sleep(1)", ""))

    def test_answers_do_not_mix(self):
        for sslmode in "disable", "require":
            with self.subTest(sslmode=sslmode):
                client = self.client(sslmode, "SELECT %d, pg_sleep(random() / 5)", "%d|")
                self.assert_right(client.run(self.patched, "coroutines", 50), 50)

    def test_long_answers_do_not_mix(self):
        for sslmode in "disable", "require":
            with self.subTest(sslmode=sslmode):
                client = self.client(sslmode, "SELECT repeat('%d', 100000%d)", "%d*100000%d")
                self.assert_right(client.run(self.patched, "coroutines", 10), 10)

    def test_errors_are_the_same(self):
        outcome = self.assert_same_answers(self.client("require", "SELECT nothing", ""), 3)
        self.assertIn('column "nothing" does not exist', outcome.text)
        refused = support.Client("many_pq", "host=127.0.0.1 port=1 sslmode=disable")
        self.assertIn("refused", self.assert_same_answers(refused, 3).text)
        slow = self.client("disable", "SET statement_timeout = 100; SELECT pg_sleep(5)", "")
        self.assertIn("statement timeout", self.assert_same_answers(slow, 3).text)

    def test_same_system_calls_without_coroutines(self):
        for sslmode in "disable", "require":
            with self.subTest(sslmode=sslmode):
                client = self.client(sslmode, "SELECT %d, pg_sleep(0.01)", "%d|")
                tracing.assert_same_calls(self, f"libpq, sslmode={sslmode}", client)


if __name__ == "__main__":
    support.main()
