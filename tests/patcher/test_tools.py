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
RUNTIME_SOURCE = os.environ["RUNTIME_SOURCE"]

# One for each layout and kind of table.
LIBRARIES = ["liblazy.so", "libnow.so", "libbss.so", "libtls_bss.so", "libboth_hashes.so",
             "libno_plt.so", "libno_relro.so", "libno_cave.so", "liblld.so"]

# Read by the same tools, run by qemu.
AARCH64_LIBRARIES = ["libaarch64.so", "libaarch64_no_plt.so", "libaarch64_small_pages.so"]
AARCH64_ROOT = "/usr/aarch64-linux-gnu"

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

# The same in C, for a machine whose Python is not here.
AARCH64_CALLS = """
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    void *library = dlopen(argv[argc - 1], RTLD_NOW);
    if (library == NULL) {
        puts(dlerror());
        return 1;
    }
    long (*receive)(int, void *, size_t) = dlsym(library, "calls_receive");
    long (*send)(int, void *, size_t) = dlsym(library, "calls_send_tail");
    int (*poll)(void *) = dlsym(library, "calls_poll");
    printf("%ld %ld %d\\n", receive(0, 0, 0), send(0, 0, 0), poll(0));
    return 0;
}
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

    def libraries(self, names=tuple(LIBRARIES)):
        return [name for name in names if os.path.exists(os.path.join(FIXTURES, name))]

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
        for library in self.libraries(LIBRARIES + AARCH64_LIBRARIES):
            before, after = self.check_same_findings(["eu-elflint", "--gnu-ld"], library)
            known = set(before.stdout.splitlines()) | {"No errors"}
            new = [line for line in after.stdout.splitlines() if line not in known]
            self.assertEqual(new, [], library)

    def aarch64_tools(self):
        for tool in ("aarch64-linux-gnu-gcc", "qemu-aarch64"):
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")
        if not self.libraries(AARCH64_LIBRARIES):
            self.skipTest("no AArch64 fixtures were built")
        compiler = ["aarch64-linux-gnu-gcc", "-Wl,-rpath-link," + self.folder.name]
        program, source = self.path("calls"), self.path("calls.c")
        with open(source, "w", encoding="ascii") as stream:
            stream.write(AARCH64_CALLS)
        commands = [
            compiler + ["-shared", "-fPIC", "-Wl,-soname,libgreen.so.1", RUNTIME_SOURCE,
                        "-o", self.path("libgreen.so.1")],
            compiler + [source, "-o", program, "-ldl"],
        ]
        for command in commands:
            result = run(command)
            self.assertEqual(result.returncode, 0, result.stderr)
        return ["qemu-aarch64", "-L", AARCH64_ROOT, "-E", "LD_LIBRARY_PATH=" + self.folder.name,
                program]

    def test_aarch64_libraries_call_the_runtime_also_after_stripping(self):
        calls = self.aarch64_tools()
        for library in self.libraries(AARCH64_LIBRARIES):
            path = self.patched(library)
            for words in [["cp", "{from}", "{to}"]] + TOOLS:
                words = ["aarch64-linux-gnu-" + words[0]
                         if words[0] in ("strip", "objcopy") else words[0]] + words[1:]
                if shutil.which(words[0]) is None:
                    continue
                to = self.path("out.so")
                result = run([word.format(**{"from": path, "to": to}) for word in words])
                self.assertEqual(result.returncode, 0, result.stderr)
                result = run(calls + [to])
                what = f"{library}: {' '.join(words)}"
                self.assertEqual(result.stdout, "1001 1002 1004\n", f"{what}: {result.stderr}")
                os.unlink(to)

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
