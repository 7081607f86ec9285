# SPDX-License-Identifier: MIT
"""Without a hub a hook is one test and a jump: its instructions, counted by callgrind."""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

SKIPPED = 77
RUNTIME = os.path.join(os.environ["SOURCE_ROOT"], "runtime")

TEST_AND_JUMP = 4
# And where there is something to remember.
ALWAYS_MOST = 30


def read(name, pattern):
    with open(os.path.join(RUNTIME, name)) as file:
        return re.findall(pattern, file.read(), re.M)


HOOKS = read("hooks.def", r"^HOOK\(\w+, (\w+),")
ALWAYS = read("hook_entries.def", r"^ALWAYS\((\w+)\)")
FOUND = read("hook_entries.def", r"^FOUND\((\w+)\)")
SHARED = read("hook_entries.def", r"^SHARED\((\w+)\)")
SAME = dict(read("hook_entries.def", r"^SAME\((\w+), (\w+)\)"))


def count():
    """Function of the program -> instructions in it and in what it calls."""
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" + out.name,
                        os.environ["BENCH_HOOK"], "once"], check=True, stdout=subprocess.DEVNULL)
        listing = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100",
                                  out.name], check=True, stdout=subprocess.PIPE,
                                 universal_newlines=True).stdout
    rows = re.findall(r"^\s*([\d,]+) .*:((?:direct|hooked)_\w+)", listing, re.M)
    return {name: int(instructions.replace(",", "")) for instructions, name in rows}


class HookCost(unittest.TestCase):
    def test_a_hook_is_a_test_and_a_jump(self):
        counted = count()
        self.assertEqual(len({counted["direct_" + name] for name in HOOKS}), 1,
                         "what stands in for libc does nothing")
        cost = {name: counted["hooked_" + name] - counted["direct_" + name] for name in HOOKS}
        for name in cost:
            with self.subTest(hook=name):
                self.assertGreater(cost[name], 0)
                self.assertLessEqual(cost[name], ALWAYS_MOST
                                     if SAME.get(name, name) in ALWAYS else TEST_AND_JUMP)
        by_cost = collections.Counter(cost.values())
        print("figure: instructions of a hook without a hub:",
              ", ".join("%d for %d of %d" % (cost, how_many, len(HOOKS))
                        for cost, how_many in sorted(by_cost.items())))

    def test_the_entries_are_those_of_hooks(self):
        for name in ALWAYS + FOUND + SHARED + list(SAME) + list(SAME.values()):
            self.assertIn(name, HOOKS)


if __name__ == "__main__":
    if shutil.which("valgrind") is None:
        sys.exit(SKIPPED)
    unittest.main()
