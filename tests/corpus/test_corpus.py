# SPDX-License-Identifier: MIT
"""The corpus run notices what it is there for: a command that does its work badly."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = pathlib.Path(os.environ["FIXTURES"]) / "liblazy.so"

# Stands in for the command: runs the real one, then does `harm` to what it made.
COMMAND = """#!/usr/bin/python3
import os, pathlib, struct, subprocess, sys
verb = sys.argv[1]
done = subprocess.run([{real!r}, *sys.argv[1:]], stdout=subprocess.PIPE)
output = done.stdout.decode()
file = pathlib.Path(sys.argv[sys.argv.index("-o") + 1] if "-o" in sys.argv else sys.argv[-1])
first = verb == "patch" and "-o" in sys.argv and file.exists()
status = done.returncode
def change(at, byte):
    times = file.stat()
    data = bytearray(file.read_bytes())
    data[at] ^= byte
    file.write_bytes(data)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
def place(name):
    sys.path.insert(0, {here!r})
    import elf
    return elf.Elf(str(file)).sections[name].offset
{harm}
sys.stdout.write(output)
sys.exit(status)
"""

HARM = {
    "a changed instruction": ("code|verify.*", "if first: change(place('.text') + 40, 1)"),
    "a symbol of another size": ("symbols|verify.*",
                                 "if first: change(place('.dynsym') + 24 * 12 + 16, 8)"),
    "a fault that verify finds": ("verify", "if verb == 'verify': status = 1"),
    "a refusal by no rule": ("patch", "if verb == 'patch':\n"
                             "    output = '{\"files\": [{\"error\": {\"code\": \"system\"}}]}'\n"
                             "    status = 1"),
    "no report": ("patch", "if verb == 'patch': output = ''"),
    "a file left behind": ("revert", "if verb == 'revert': (file.parent / 'left').touch()"),
    "another time": ("revert", "if verb == 'revert': os.utime(file, (0, 0))"),
    "another content": ("revert", "if verb == 'revert': change(-1, 1)"),
    "a second patch": ("patch again", "if verb == 'patch' and not first: status = 0"),
    "a library that is not needed": (
        "load|verify.*", "if first: change(file.read_bytes().index(b'libgreen.so.1'), 1)"),
}


class Corpus(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.root = self.folder / "root"
        self.root.mkdir()
        (self.root / LIBRARY.name).write_bytes(LIBRARY.read_bytes())
        (self.root / "text.so").write_text("no library\n" * 20, encoding="ascii")

    def run_corpus(self, greenify):
        return subprocess.run([sys.executable, "-B", HERE / "corpus.py", "--jobs", "1", self.root],
                              env={**os.environ, "GREENIFY": str(greenify)}, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def test_all_is_well(self):
        done = self.run_corpus(os.environ["GREENIFY"])
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("1 files: 1 patched", done.stdout)
        self.assertIn("load 1", done.stdout)
        self.assertIn("0 failed", done.stdout)

    def test_nothing_found_is_a_failure(self):
        (self.root / LIBRARY.name).unlink()
        self.assertEqual(self.run_corpus(os.environ["GREENIFY"]).returncode, 1)

    def test_each_harm_is_noticed(self):
        command = self.folder / "greenify"
        for name, (step, harm) in HARM.items():
            with self.subTest(name):
                command.write_text(COMMAND.format(real=os.environ["GREENIFY"], here=str(HERE),
                                                  harm=harm), encoding="ascii")
                command.chmod(0o755)
                done = self.run_corpus(command)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertRegex(done.stdout, rf"FAILED at ({step}): .*liblazy\.so: ")


if __name__ == "__main__":
    unittest.main()
