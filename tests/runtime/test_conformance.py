# SPDX-License-Identifier: MIT
"""The same scenarios, calling libc, and calling the hooks with and without a hub, print the same."""
import collections
import difflib
import os
import subprocess
import unittest

PROGRAMS = os.environ["CONFORMANCE"]
LIBRARY_FOLDER = os.environ["RUNTIME_DIR"]


def run(program, mode):
    environment = dict(os.environ, LD_LIBRARY_PATH=LIBRARY_FOLDER)
    done = subprocess.run([os.path.join(PROGRAMS, program), mode], env=environment,
                          stdout=subprocess.PIPE, universal_newlines=True)
    return done.returncode, done.stdout


def sections(text):
    """Scenario -> what it printed."""
    found = collections.OrderedDict()
    for line in text.splitlines():
        if line.startswith("== "):
            name = line[3:]
            found[name] = []
        else:
            found[name].append(line)
    return found


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        status, text = run("conformance_plain", "plain")
        assert status == 0
        cls.plain = sections(text)

    def compare(self, mode):
        status, text = run("conformance_hooked", mode)
        self.assertEqual(status, 0)
        hooked = sections(text)
        self.assertEqual(list(hooked), list(self.plain))
        for name, expected in self.plain.items():
            with self.subTest(scenario=name):
                difference = "\n".join(difflib.unified_diff(expected, hooked[name], "libc", mode,
                                                            lineterm=""))
                self.assertEqual(difference, "")

    def test_the_scenarios_are_sound(self):
        self.assertGreater(len(self.plain), 230)
        for name, lines in self.plain.items():
            self.assertTrue(lines, name)
            for line in lines:
                self.assertNotIn("DIES", line, name)
                self.assertNotIn("DOES NOT END", line, name)

    def test_hooked_without_a_hub(self):
        self.compare("bare")

    def test_hooked_inside_a_coroutine(self):
        self.compare("coroutine")

    @classmethod
    def tearDownClass(cls):
        counts = collections.Counter(name.split()[0] for name in cls.plain)
        print("%d scenarios:" % len(cls.plain),
              ", ".join("%s %d" % pair for pair in sorted(counts.items())))


if __name__ == "__main__":
    unittest.main()
