# SPDX-License-Identifier: MIT
"""Debian's python3-mysqldb, as it is, in greenlets of Debian's python3-gevent."""
import json
import os
import subprocess

import servers
import support

PYTHON = "/usr/bin/python3"
SCENES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mysqldb_greenlets.py")
SECONDS_MOST = 10   # one after another: 100
TICKER_SLACK = 0.9  # seconds that a ticker may be late; a query that blocks makes it one


class MySQLdb(support.EndToEnd):
    @classmethod
    def setUpClass(cls):
        support.plain_and_patched(cls, ["libmariadb.so.3"])
        cls.server = cls.enterClassContext(servers.MariaDB())

    def scene(self, name, libraries=None):
        environment = {**(libraries or self.patched).environment(),
                       "PYTHONPATH": support.PYTHON_PACKAGE, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run([PYTHON, SCENES, name, self.server.socket], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=support.PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return json.loads(done.stdout)

    def test_a_hundred_greenlets(self):
        best = late = None
        for _ in range(support.TRIES):
            seen = self.scene("hundred")
            self.assertEqual(seen["right"], 100)
            best = min(best or seen["seconds"], seen["seconds"])
            late = min(late or seen["worst"], seen["worst"])
            if best < SECONDS_MOST and late < TICKER_SLACK:
                break
        support.figure(f"MySQLdb: 100 greenlets at once {best:.3f} s; a ticker of 10 ms at worst"
                       f" {late * 1000:.1f} ms late")
        self.assertLess(best, SECONDS_MOST)
        self.assertLess(late, TICKER_SLACK)
        self.assertGreater(seen["ticks"], 10)

    def test_unpatched_library_blocks_the_ticker(self):
        seen = self.scene("plain-timeout", self.plain)
        self.assertGreater(seen["seconds"], 4.5)
        self.assertGreater(seen["worst"], 4.5)

    def test_patched_library_without_a_hub(self):
        seen = self.scene("plain-one_after_another")
        self.assertEqual(seen["right"], 3)
        self.assertGreater(seen["seconds"], 2.9)

    def test_main_greenlet(self):
        self.assertEqual(self.scene("one_after_another")["right"], 3)

    def test_timeout(self):
        seen = self.scene("timeout")
        support.figure(f"MySQLdb: gevent.Timeout(0.2) around SLEEP(5) raised after"
                       f" {seen['seconds']:.3f} s, the close took {seen['closing']:.3f} s")
        self.assertEqual(seen["raised"], "Timeout")
        self.assertGreater(seen["seconds"], 0.19)
        self.assertLess(seen["seconds"] + seen["closing"], 4.9)  # the query: 5
        self.assertIs(seen["other"], True)
        self.assertIs(seen["later"], True)
        self.assertLess(seen["later_seconds"], 4.9)

    def test_many_timeouts(self):
        self.assertEqual(self.scene("silent_timeouts")["answers"], [0, "timeout"] * 10)

    def test_kill(self):
        seen = self.scene("kill")
        self.assertLess(seen["seconds"], 4.7)  # the query: 5, of which 0.2 were over
        self.assertEqual((seen["dead"], seen["value"]), (True, "GreenletExit"))
        self.assertEqual(seen["seen"], ["GreenletExit"])
        self.assertIs(seen["other"], True)
        self.assertIs(seen["later"], True)

    def test_time_limit_of_the_library(self):
        seen = self.scene("read_timeouts")
        alone = self.scene("plain-read_timeouts", self.plain)
        self.assertEqual(seen["codes"], alone["codes"])
        self.assertLess(seen["seconds"], alone["seconds"] / 2)
        self.assertGreater(seen["seconds"], 0.99)

    def test_errors(self):
        seen = self.scene("errors")
        self.assertEqual(seen["codes"], [1054, 1064])
        self.assertEqual(seen["refused"], 2002)
        self.assertEqual(self.scene("plain-errors", self.plain), seen)

    def test_status(self):
        self.assertIn("libmariadb.so.3", self.scene("status")["status"])


if __name__ == "__main__":
    support.main()
