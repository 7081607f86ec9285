# SPDX-License-Identifier: MIT
"""--deps for libraries of other machines: only their own libraries are taken, and what is missing is
told. Machines whose cross compiler is missing are skipped."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

GREENIFY = os.environ["GREENIFY"]
TRIPLES = ["aarch64-linux-gnu", "i686-linux-gnu", "arm-linux-gnueabihf", "s390x-linux-gnu"]
INNER = "int poll(void *, unsigned long, int);\nint inner(void) { return poll(0, 0, 0); }\n"
OUTER = "int inner(void);\nint outer(void) { return inner(); }\n"


class Foreign(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def build(self, compiler, path, code, *options):
        path.parent.mkdir(exist_ok=True)
        subprocess.run([compiler, "-shared", "-fPIC", "-xc", "-", "-xnone", "-o", path, "-nostdlib",
                        "-Wl,-soname," + path.name, *options], input=code.encode(), check=True)

    def run_greenify(self, *words):
        return subprocess.run([GREENIFY, *map(str, words)], capture_output=True, text=True,
                              check=False, env={**os.environ,
                                                "LD_LIBRARY_PATH": str(self.folder / "wrong")})

    def check(self, triple):
        compiler = triple + "-gcc"
        inner, outer = self.folder / "right/libinner.so", self.folder / "libouter.so"
        self.build(compiler, inner, INNER, "-lc", "-Wl,--no-as-needed")
        self.build(compiler, outer, OUTER, "-Wl,--no-as-needed", inner, "-lc", "-Wl,-rpath-link,.",
                   "-Wl,--enable-new-dtags,-rpath,$ORIGIN/right")
        # LD_LIBRARY_PATH comes before the run path, and has the library of this machine.
        self.build("gcc", self.folder / "wrong/libinner.so", INNER, "-lc")
        result = self.run_greenify("scan", "--deps", "--json", outer)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertNotIn("not found", result.stderr)
        copies = self.folder / "copies"
        copies.mkdir()
        result = self.run_greenify("--deps", "-d", copies, "--json", outer)
        self.assertEqual(result.returncode, 0, result.stderr)
        files = json.loads(result.stdout)["files"]
        self.assertEqual([row["file"] for row in files if row["outcome"] == "written"],
                         [str(inner)])
        inner.unlink()
        result = self.run_greenify("--deps", "-n", outer)
        self.assertIn("needs libinner.so, which was not found", result.stderr)


def add(triple):
    @unittest.skipUnless(shutil.which(triple + "-gcc"), f"{triple}-gcc is not installed")
    def test(self):
        self.check(triple)
    setattr(Foreign, "test_" + triple.split("-")[0], test)


for name in TRIPLES:
    add(name)

if __name__ == "__main__":
    unittest.main()
