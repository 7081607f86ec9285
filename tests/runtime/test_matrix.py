# SPDX-License-Identifier: MIT
"""Every hook has scenarios, and every call those of the rows that concern it (matrix.def)."""
import collections
import os
import re
import subprocess
import unittest

ROOT = os.environ["SOURCE_ROOT"]
PROGRAMS = os.environ["CONFORMANCE"]


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def rows_of(text, kind):
    """The arguments of each KIND(...), split at commas outside of quotes."""
    without_comments = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    for arguments in re.findall(kind + r"\(((?:[^()\"]|\"[^\"]*\")*)\)", without_comments):
        yield [part.strip() for part in re.findall(r'(?:"[^"]*"|[^,"])+', arguments)]


HOOKS = {name: group for group, name, _ in rows_of(read("runtime", "hooks.def"), "HOOK")}
SAME = dict(rows_of(read("runtime", "hook_entries.def"), "SAME"))
MATRIX = read("fixtures", "conformance", "matrix.def")
KINDS = {kind: calls.split() for kind, calls in rows_of(MATRIX, "CALLS")}

WITHIN = [hook for hooks, _ in rows_of(MATRIX, "WITHIN") for hook in hooks.split()]

# These have a program of their own, which compares threads with coroutines, and tests of their own.
ELSEWHERE = {"sync": os.path.join("tests", "sync")}


def calls_of(names=""):
    return [call for name in names.split() for call in KINDS.get(name, [name])]


def scenarios():
    """Title -> rows, calls: that of the title, and those that are printed."""
    done = subprocess.run([os.path.join(PROGRAMS, "conformance_plain"), "plain"], check=True,
                          stdout=subprocess.PIPE, universal_newlines=True)
    found = {}
    for line in done.stdout.splitlines():
        title = re.fullmatch(r"== (.*) \[(.*)\]", line)
        if title:
            rows, calls = found[title[1]] = re.findall(r"\w+", title[2]), {title[1].split()[0]}
        else:
            calls |= set(re.findall(r"\b(\w+)\(", line.split(" = ")[0])) & set(HOOKS)
    return found


def called(program):
    listing = subprocess.run(["nm", "-u", os.path.join(PROGRAMS, program)], check=True,
                             stdout=subprocess.PIPE, universal_newlines=True).stdout
    return set(re.findall(r"\bgreenify_(\w+)", listing))


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scenarios = scenarios()
        cls.cells = collections.Counter()
        cls.calls = collections.Counter()
        for rows, calls in cls.scenarios.values():
            cls.calls.update(calls)
            cls.cells.update((row, call) for row in rows for call in calls)

    def test_every_hook_has_scenarios(self):
        imported = called("conformance_hooked")
        for name, group in HOOKS.items():
            with self.subTest(hook=name):
                if group in ELSEWHERE:
                    continue
                self.assertTrue(name in imported or SAME.get(name) in imported,
                                "no scenario calls it")
                if name not in WITHIN:
                    self.assertGreater(self.calls[name] + self.calls[SAME.get(name)], 0)

    def test_every_cell_has_a_scenario(self):
        missing = [(row, call) for row, _, *names in rows_of(MATRIX, "ROW")
                   for call in calls_of(*names) if self.cells[row, call] == 0]
        self.assertEqual(missing, [])

    def test_the_matrix_names_hooks(self):
        for _, _, *names in rows_of(MATRIX, "ROW"):
            for call in calls_of(*names):
                self.assertIn(call, HOOKS)

    def test_scenarios_name_rows(self):
        rows = {row for row, *_ in rows_of(MATRIX, "ROW")}
        for title, (tags, _) in self.scenarios.items():
            self.assertTrue(tags, title)
            self.assertLessEqual(set(tags), rows, title)

    def test_what_stands_for_cells_is_there(self):
        for _, _, test in rows_of(MATRIX, "STANDS"):
            source, name = test.split()
            self.assertIn("START_TEST(%s)" % name, read("tests", source))

    @classmethod
    def tearDownClass(cls):
        print("figure: %d scenarios; by call: %s" % (len(cls.scenarios), ", ".join(
            "%s %d" % pair for pair in sorted(cls.calls.items()))))
        by_row = collections.Counter(row for rows, _ in cls.scenarios.values() for row in rows)
        print("figure: by row:", ", ".join("%s %d" % pair for pair in by_row.most_common()))


if __name__ == "__main__":
    unittest.main()
