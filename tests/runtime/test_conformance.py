# SPDX-License-Identifier: MIT
"""The same scenarios, calling libc, and calling the hooks on several stages, print the same."""
import collections
import concurrent.futures
import difflib
import os
import re
import subprocess
import unittest

PROGRAMS = os.environ["CONFORMANCE"]
LIBRARY_FOLDER = os.environ["RUNTIME_DIR"]

# Stage -> program and arguments. Who attaches a host of his own waits for signals, too: no wait of
# ours is ended by one.
STAGES = {
    "plain": ["conformance_plain", "plain"],
    "bare": ["conformance_hooked", "bare"],
    "coroutine": ["conformance_hooked", "coroutine"],
    "company": ["conformance_hooked", "company"],
    "foreign": ["conformance_hooked", "foreign", "-eintr"],
}

Scenario = collections.namedtuple("Scenario", "rows lines")


def run(program, *arguments):
    environment = dict(os.environ, LD_LIBRARY_PATH=LIBRARY_FOLDER)
    done = subprocess.run([os.path.join(PROGRAMS, program), *arguments], env=environment,
                          stdout=subprocess.PIPE, universal_newlines=True, check=True)
    return sections(done.stdout)


def sections(text):
    """Name -> Scenario."""
    found = collections.OrderedDict()
    for line in text.splitlines():
        title = re.fullmatch(r"== (.*) \[(.*)\]", line)
        if title:
            scenario = found[title[1]] = Scenario(re.findall(r"\w+", title[2]), [])
        else:
            scenario.lines.append(line)
    return found


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            cls.results = dict(zip(STAGES, pool.map(lambda command: run(*command),
                                                    STAGES.values())))
        cls.plain = cls.results["plain"]

    def compare(self, stage, without=None):
        hooked = self.results[stage]
        self.assertEqual(list(hooked), [name for name, scenario in self.plain.items()
                                        if without not in scenario.rows])
        for name, scenario in hooked.items():
            with self.subTest(scenario=name):
                difference = "\n".join(difflib.unified_diff(self.plain[name].lines, scenario.lines,
                                                            "libc", stage, lineterm=""))
                self.assertEqual(difference, "")

    def test_the_scenarios_are_sound(self):
        self.assertGreater(len(self.plain), 1800)
        for name, scenario in self.plain.items():
            self.assertTrue(scenario.lines, name)
            for line in scenario.lines:
                self.assertNotIn("DIES", line, name)
                self.assertNotIn("DOES NOT END", line, name)

    def test_hooked_without_a_hub(self):
        self.compare("bare")

    def test_hooked_inside_a_coroutine(self):
        self.compare("coroutine")

    def test_hooked_with_errands_in_the_same_thread(self):
        self.compare("company")

    def test_hooked_inside_a_flow_of_a_foreign_host(self):
        self.compare("foreign", without="eintr")

    @classmethod
    def tearDownClass(cls):
        print("figure: scenarios by stage:", ", ".join(
            "%s %d" % (stage, len(results)) for stage, results in cls.results.items()))


if __name__ == "__main__":
    unittest.main()
