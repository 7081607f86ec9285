# SPDX-License-Identifier: MIT
"""The demo, as `./quickstart demo` shows it when all is built."""
import os
import subprocess
import unittest

import support

QUICKSTART = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../quickstart")
TOO_SLOW = "quickstart: all answers are right, but"


def run(*arguments):
    return subprocess.run([QUICKSTART, *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, "GREENIFY_BUILD": support.BUILD},
                          timeout=support.PATIENCE)


class Demo(unittest.TestCase):
    def test_demo(self):
        for _ in range(2):
            shown = run("show_demo")
            if TOO_SLOW not in shown.stdout:
                break
        self.assertRegex(shown.stdout, r"libmysqlclient\.so: \d+ functions redirected")
        self.assertRegex(shown.stdout, r"(?m)^ +3 +SELECT SLEEP\(1\): right 0$")
        self.assertRegex(shown.stdout, r"(?m)^ +100 +SELECT SLEEP\(1\): right 0$")
        if TOO_SLOW not in shown.stdout:  # twice: then the machine is at fault
            self.assertEqual(shown.returncode, 0, shown.stdout)

    def test_usage(self):
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("nonsense").returncode, 2)
        self.assertEqual(run("--help").returncode, 0)
        self.assertIn("usage: ./quickstart demo", run("--help").stdout)


if __name__ == "__main__":
    support.main()
