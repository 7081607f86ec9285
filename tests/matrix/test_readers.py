# SPDX-License-Identifier: MIT
"""What debuggers, the loader's own tools, linkers and those who list a file make of a patched one:
the same as of the original. Each layout and each linker once, with debug information."""

import json
import os
import re
import shutil
import unittest

from support import FIXTURES, GREENIFY, Bench, build, installed, run

PACKED = ["-Wl,-z,norelro", "-Wl,-z,noseparate-code"]  # no padding behind the read-only segment

# name: (linker, its options, options of greenify, layout where that matters)
LIBRARIES = {
    "cave": ("bfd", ["-Wl,-z,separate-code"], [], "cave"),
    "extension": ("bfd", PACKED, [], "extension"),
    "new-segment": ("bfd", PACKED, ["--bss-limit", "4K"], "new-segment"),
    "gold": ("gold", [], [], None),
    "lld": ("lld", [], [], None),
    "mold": ("mold", [], [], None),
}
FILE, SONAME = "libreach.so.1.0", "libreach.so.1"


class Library:
    """The plain file and the patched one have the same name, in two folders."""

    def __init__(self, bench, name):
        self.name = name
        self.linker, options, patch, self.layout = LIBRARIES[name]
        self.plain, self.patched = (bench.path(f"{name}-{kind}") for kind in ("plain", "patched"))
        for folder in (self.plain, self.patched):
            folder.mkdir()
        objects = [bench.compile("reach.c", "-fno-omit-frame-pointer"), bench.compile("zeroed.c")]
        build(["gcc", "-shared", "-g", f"-fuse-ld={self.linker}", *options, *objects,
               f"-Wl,-soname,{SONAME}", "-o", self.plain / FILE])
        report = build([GREENIFY, "--json", *patch, "-d", self.patched, self.plain / FILE])
        self.report = json.loads(report.stdout)["files"][0]

    def without_names(self, text):
        """Output about either file, with what must differ taken out."""
        text = text.replace(str(self.plain), "DIR").replace(str(self.patched), "DIR")
        return text.replace("greenify_", "")


class Readers(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.bench = Bench()
        cls.addClassCleanup(cls.bench.close)
        cls.libraries = [Library(cls.bench, name) for name in LIBRARIES
                         if installed("ld." + LIBRARIES[name][0])]
        cls.environment = dict(os.environ, LC_ALL="C", DEBUGINFOD_URLS="",
                               LD_LIBRARY_PATH=str(cls.bench.folder))

    def need(self, *programs):
        for program in programs:
            if not installed(program):
                self.skipTest(f"{program} is not installed")

    def both(self, library, *command):
        """The results of a command on the plain and on the patched file."""
        return [run([*command, folder / FILE], env=self.environment)
                for folder in (library.plain, library.patched)]

    def test_each_has_the_layout_that_it_is_here_for(self):
        for library in self.libraries:
            if library.layout is not None:
                self.assertEqual(library.report["layout"], library.layout)

    def test_gdb_stops_at_a_line(self):
        self.need("gdb")
        source = (FIXTURES / "reach.c").read_text().splitlines()
        line = 1 + next(i for i, text in enumerate(source) if "READ(read)(fd" in text)
        for library in self.libraries:
            result = run(["gdb", "-nx", "-batch", "-ex", "set breakpoint pending on",
                          "-ex", f"break reach.c:{line}", "-ex", "run", "-ex", "bt 2",
                          "-ex", "print size", "-ex", "delete", "-ex", "continue", "--args",
                          self.bench.path("load"), "--together", library.patched / FILE],
                         env=self.environment)
            self.assertRegex(result.stdout, rf"Breakpoint 1[.1]*, reach_read .*reach\.c:{line}")
            self.assertRegex(result.stdout, r"#1 .* receive \(.*exercise\.c")
            self.assertIn("$1 = 2", result.stdout)
            self.assertIn("recv=3 read=2 poll=2 right", result.stdout)

    def test_ldconfig_makes_the_same_links(self):
        ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
        for library in self.libraries:
            made = []
            for folder in (library.plain, library.patched):
                result = run([ldconfig, "-n", folder], env=self.environment)
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                links = {path.name: os.readlink(path) for path in folder.iterdir()
                         if path.is_symlink()}
                made.append(links)
            self.assertEqual(made, [{SONAME: FILE}] * 2)

    def test_ldd_finds_the_runtime_besides(self):
        self.need("ldd")
        for library in self.libraries:
            plain, patched = [{line.split(" (0x")[0].strip() for line in result.stdout.splitlines()}
                              for result in self.both(library, "ldd")]
            self.assertEqual(plain - patched, set())
            self.assertEqual(patched - plain,
                             {f"libgreen.so.1 => {self.bench.folder}/libgreen.so.1"})

    def test_readers_warn_of_nothing_new(self):
        for command in (["readelf", "-aW"], ["llvm-readelf", "-a"], ["eu-readelf", "-a"],
                        ["objdump", "-x"], ["llvm-objdump", "-p"], ["eu-elflint", "--gnu-ld"]):
            if not installed(command[0]):
                print(f"left out: {command[0]} is not installed")
                continue
            for library in self.libraries:
                plain, patched = self.both(library, *command)
                self.assertEqual(library.without_names(patched.stderr),
                                 library.without_names(plain.stderr), command)
                self.assertEqual(patched.returncode, plain.returncode, command)
                complaint = re.compile(r"warning|error|corrupt|invalid|\bbad\b", re.I)
                words = [[line for line in library.without_names(result.stdout).splitlines()
                          if complaint.search(line)] for result in (plain, patched)]
                self.assertEqual(words[1], words[0], command)

    def test_symbols_and_code_are_the_same(self):
        for command in (["nm", "-D", "--defined-only"], ["nm", "-D"], ["nm", "-a"],
                        ["objdump", "-d"], ["objdump", "-s", "-j", ".text", "-j", ".rodata"],
                        ["readelf", "-nW"], ["readelf", "--debug-dump=decodedline"]):
            self.need(command[0])
            for library in self.libraries:
                texts = []
                for result in self.both(library, *command):
                    text = library.without_names(result.stdout)
                    # an import has lost its version, and so may stand elsewhere in the list
                    text = re.sub(r"\b(recv|read|poll)@+(GLIBC_[0-9.]+|Base)", r"\1",
                                  text)
                    texts.append(sorted(line.strip() for line in text.splitlines()
                                        if not line.endswith(" .dynstr")))  # which has moved
                self.assertNotEqual(texts[0], [], command)
                self.assertEqual(texts[1], texts[0], command)

    def test_every_linker_links_a_program_with_it_and_says_no_more(self):
        source = self.bench.path("main.c")
        source.write_text("long reach_read(int, void *, unsigned long);\n"
                          "int main(void) { return reach_read(-1, 0, 0) != -1; }\n")
        linkers = [name for name in ("bfd", "gold", "lld", "mold") if installed("ld." + name)]
        for library in self.libraries:
            for linker in linkers:
                said = []
                for folder in (library.plain, library.patched):
                    program = folder / "program"
                    result = run(["gcc", f"-fuse-ld={linker}", source, folder / FILE, "-o", program,
                                  f"-Wl,-rpath-link,{self.bench.folder}"], env=self.environment)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    said.append(library.without_names(result.stdout + result.stderr))
                    link = folder / SONAME
                    if not link.exists():
                        link.symlink_to(FILE)
                    path = f"{folder}:{self.bench.folder}"
                    result = run([program], env=dict(self.environment, LD_LIBRARY_PATH=path))
                    self.assertEqual(result.returncode, 0, f"{linker}: {result.stderr}")
                    program.unlink()
                self.assertEqual(said[1], said[0], linker)

    def test_valgrind_runs_it_without_errors(self):
        self.need("valgrind")
        for library in self.libraries:
            result = run(["valgrind", "-q", "--error-exitcode=9", self.bench.path("load"),
                          "--together", library.patched / FILE], env=self.environment)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("recv=3 read=2 poll=2 right", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
