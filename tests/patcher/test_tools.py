# SPDX-License-Identifier: MIT
"""What other tools make of a patched file: they find no new fault in it, and after them it still
loads and is still redirected."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

FIXTURES = os.environ["FIXTURES"]
GREENIFY = os.environ["GREENIFY"]

# One for each layout and kind of table.
LIBRARIES = ["liblazy.so", "libnow.so", "libbss.so", "libtls_bss.so", "libboth_hashes.so",
             "libno_plt.so", "libno_relro.so", "libno_cave.so", "liblld.so"]

TOOLS = [
    ["strip", "-o", "{to}", "{from}"],
    ["strip", "-g", "-o", "{to}", "{from}"],
    ["objcopy", "{from}", "{to}"],
    ["eu-strip", "-o", "{to}", "{from}"],
    ["eu-strip", "-g", "-o", "{to}", "{from}"],
    ["llvm-strip", "-o", "{to}", "{from}"],
    ["llvm-strip", "-g", "-o", "{to}", "{from}"],
    ["llvm-objcopy", "{from}", "{to}"],
    ["patchelf", "--set-rpath", "/nowhere/at/all", "--output", "{to}", "{from}"],
    ["patchelf", "--add-needed", "libm.so.6", "--output", "{to}", "{from}"],
]

# Calls through the library into the stand-in for the runtime, in a process of its own.
CALLS = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
assert library.calls_receive(0, None, 0) == 1001
assert library.calls_send_tail(0, None, 0) == 1002
assert library.calls_poll(None) == 1004
assert library.calls_by_table(1, 0, None, 0) == 1001
assert library.calls_other() > 0
"""


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, **options)


class Tools(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def patched(self, library):
        path = self.path(library)
        shutil.copy(os.path.join(FIXTURES, library), path)
        result = run([GREENIFY, path])
        self.assertEqual(result.returncode, 0, result.stderr)
        return path

    def check_redirected(self, path, what):
        result = run([sys.executable, "-c", CALLS, path],
                     env=dict(os.environ, LD_LIBRARY_PATH=FIXTURES))
        self.assertEqual(result.returncode, 0, f"{what}: {result.stderr}")

    def libraries(self):
        return [name for name in LIBRARIES if os.path.exists(os.path.join(FIXTURES, name))]

    def test_the_unpatched_libraries_do_not_reach_the_runtime(self):
        for library in self.libraries():
            result = run([sys.executable, "-c", CALLS, os.path.join(FIXTURES, library)],
                         env=dict(os.environ, LD_LIBRARY_PATH=FIXTURES))
            self.assertNotEqual(result.returncode, 0, library)

    def test_patched_libraries_call_the_runtime(self):
        for library in self.libraries():
            self.check_redirected(self.patched(library), library)

    def check_survives(self, tool):
        if shutil.which(tool) is None:
            self.skipTest(f"{tool} is not installed")
        for library in self.libraries():
            path = self.patched(library)
            for words in TOOLS:
                if words[0] != tool:
                    continue
                to = self.path("out.so")
                command = [word.format(**{"from": path, "to": to}) for word in words]
                result = run(command)
                what = f"{library}: {' '.join(words)}"
                self.assertEqual(result.returncode, 0, f"{what}: {result.stderr}")
                self.check_redirected(to, what)
                again = run([GREENIFY, to])
                self.assertEqual(again.returncode, 3, f"{what}: {again.stdout}{again.stderr}")
                os.unlink(to)

    def test_strip(self):
        self.check_survives("strip")

    def test_objcopy(self):
        self.check_survives("objcopy")

    def test_eu_strip(self):
        self.check_survives("eu-strip")

    def test_llvm_strip(self):
        self.check_survives("llvm-strip")

    def test_llvm_objcopy(self):
        self.check_survives("llvm-objcopy")

    def test_patchelf(self):
        self.check_survives("patchelf")

    def check_same_findings(self, command, library):
        before = run(command + [os.path.join(FIXTURES, library)])
        after = run(command + [self.patched(library)])
        return before, after

    def test_eu_elflint_finds_nothing_new(self):
        if shutil.which("eu-elflint") is None:
            self.skipTest("eu-elflint is not installed")
        for library in self.libraries():
            before, after = self.check_same_findings(["eu-elflint", "--gnu-ld"], library)
            known = set(before.stdout.splitlines()) | {"No errors"}
            new = [line for line in after.stdout.splitlines() if line not in known]
            self.assertEqual(new, [], library)

    def test_readelf_warns_of_nothing_new(self):
        if shutil.which("readelf") is None:
            self.skipTest("readelf is not installed")
        for library in self.libraries():
            before, after = self.check_same_findings(["readelf", "-aW"], library)
            self.assertEqual(after.stderr, before.stderr, library)

    def test_a_program_links_against_a_patched_library(self):
        if shutil.which("cc") is None:
            self.skipTest("no compiler")
        path = self.patched("libboth_hashes.so")
        source = self.path("main.c")
        with open(source, "w", encoding="ascii") as stream:
            stream.write("long calls_receive(int, void *, unsigned long);\n"
                         "int main(void) { return calls_receive(0, 0, 0) != 1001; }\n")
        program = self.path("main")
        result = run(["cc", source, "-o", program, path, f"-Wl,-rpath-link,{FIXTURES}"])
        self.assertEqual(result.returncode, 0, result.stderr)
        result = run([program],
                     env=dict(os.environ, LD_LIBRARY_PATH=f"{self.folder.name}:{FIXTURES}"))
        self.assertEqual(result.returncode, 0, result.stderr)


if __name__ == "__main__":
    unittest.main()
