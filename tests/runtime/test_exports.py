# SPDX-License-Identifier: MIT
"""What libgreen.so.1 exports: exactly the hooks of hooks.def and the functions of green.h."""
import os
import re
import subprocess
import unittest

RUNTIME = os.path.join(os.environ["SOURCE_ROOT"], "runtime")
LIBRARY = os.environ["LIBGREEN"]


def read(name):
    with open(os.path.join(RUNTIME, name)) as file:
        return file.read()


def exported():
    listing = subprocess.run(["nm", "-D", "--defined-only", "-P", LIBRARY], check=True,
                             stdout=subprocess.PIPE, universal_newlines=True).stdout
    rows = [line.split() for line in listing.splitlines()]
    return {row[0].split("@")[0]: row[1] for row in rows}


def hooks():
    return {"greenify_" + name for name in re.findall(r"^HOOK\(\w+, (\w+),", read("hooks.def"), re.M)}


def interface():
    without_comments = re.sub(r"/\*.*?\*/", "", read("green.h"), flags=re.S)
    return set(re.findall(r"\b(green_\w+)\(", without_comments))


class Exports(unittest.TestCase):
    def test_the_table_and_the_header_were_read(self):
        self.assertIn("greenify_recv", hooks())
        self.assertGreaterEqual(len(hooks()), 38)
        self.assertIn("green_spawn", interface())
        self.assertGreaterEqual(len(interface()), 17)

    def test_exactly_the_hooks_and_the_interface_are_exported(self):
        names = {name for name, kind in exported().items() if kind != "A"}
        self.assertEqual(sorted(names), sorted(hooks() | interface()))

    def test_all_are_functions(self):
        for name, kind in exported().items():
            if kind != "A":
                self.assertEqual(kind, "T", name)

    def test_the_version_script_names_the_interface(self):
        named = set(re.findall(r"^\s+(green_\w+);", read("green.map"), re.M))
        self.assertEqual(sorted(named), sorted(interface()))

    def test_the_library_has_its_soname(self):
        dynamic = subprocess.run(["readelf", "-dW", LIBRARY], check=True, stdout=subprocess.PIPE,
                                 universal_newlines=True).stdout
        self.assertIn("soname: [libgreen.so.1]", dynamic)
        self.assertIn("NODELETE", dynamic)


if __name__ == "__main__":
    unittest.main()
