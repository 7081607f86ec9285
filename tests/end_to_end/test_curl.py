# SPDX-License-Identifier: MIT
"""libcurl's easy interface against a slow HTTP server, in one thread."""
import servers
import support
import tracing


class Curl(support.EndToEnd):
    @classmethod
    def setUpClass(cls):
        support.plain_and_patched(cls)

    def test_fifty_at_once(self):
        with servers.SlowHTTP(1.0) as server:
            client = support.Client("many_curl", server.url + "%d", expect="%d")
            self.assert_at_once("libcurl", client, 50)

    def test_unpatched_library_blocks_its_thread(self):
        with servers.SlowHTTP(1.0) as server:
            client = support.Client("many_curl", server.url + "%d", expect="%d")
            self.assert_blocks_unpatched(client)

    def test_errors_are_the_same(self):
        refused = support.Client("many_curl", "http://127.0.0.1:1/")
        self.assertIn("error 7", self.assert_same_answers(refused, 3).text)

    def test_same_system_calls_without_coroutines(self):
        with servers.SlowHTTP(0.01) as server:
            client = support.Client("many_curl", server.url + "%d", expect="%d")
            tracing.assert_same_calls(self, "libcurl", client)


if __name__ == "__main__":
    support.main()
