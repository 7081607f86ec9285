# SPDX-License-Identifier: MIT
"""The scenarios print the same in threads with libc, in threads with the hooks, in coroutines."""
import os
import subprocess
import unittest


def lines(variant):
    run = subprocess.run([os.environ["SCENARIOS_" + variant]], stdout=subprocess.PIPE,
                         universal_newlines=True, timeout=60, check=True)
    return run.stdout.splitlines()


class Scenarios(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.plain = lines("PLAIN")

    def test_there_is_something_to_compare(self):
        self.assertGreater(len(self.plain), 200)
        self.assertFalse([line for line in self.plain if "errno!" in line])

    def test_hooks_in_threads_do_what_libc_does(self):
        self.assertEqual(self.plain, lines("THREADS"))

    def test_hooks_in_coroutines_do_what_libc_does_in_threads(self):
        self.assertEqual(self.plain, [line.replace("greenify_", "") for line in lines("COROUTINES")])


if __name__ == "__main__":
    unittest.main()
