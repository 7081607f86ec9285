# SPDX-License-Identifier: MIT
"""Libraries of other machines: patched here, run there (by qemu) against a stand-in for the runtime,
also after other tools went over them, and reverted. The argument names the machine; exit status 77
and the reason where its compiler or qemu is missing."""

import json
import os
import shutil
import sys
import unittest

from support import (GREENIFY, SKIPPED, TOOLS, UNREACHED, Bench, apply_tools, build,
                     installed, run, sha256, tool_title)

# Triple of the compiler, qemu, and what scan calls the machine.
MACHINES = {
    "aarch64": ("aarch64-linux-gnu", "qemu-aarch64", "AArch64"),
    "arm": ("arm-linux-gnueabihf", "qemu-arm", "ARM"),
    "i386": ("i686-linux-gnu", "qemu-i386", "i386"),
    "riscv64": ("riscv64-linux-gnu", "qemu-riscv64", "RISC-V 64"),
    "ppc": ("powerpc-linux-gnu", "qemu-ppc", "PowerPC"),
    "ppc64": ("powerpc64-linux-gnu", "qemu-ppc64", "PowerPC64"),
    "ppc64le": ("powerpc64le-linux-gnu", "qemu-ppc64le", "PowerPC64"),
    "s390x": ("s390x-linux-gnu", "qemu-s390x", "s390x"),
}
REACHED = "recv=3 read=2 poll=2 right"

# Most linkers have their global offset table relocated as any other data.
WITHOUT_GLOB_DAT = ("riscv64", "ppc", "ppc64", "ppc64le")

# How recv, read and poll are reached, in this order.
WAYS = ("named loaded listed", "loaded listed named", "listed named loaded")

# Options of the compiler and of the linker.
VARIANTS = {
    "lazy": ([], ["-z", "lazy"]),
    "no-plt": (["-fno-plt"], ["-z", "now", "--hash-style=gnu"]),
    "sysv-hash": ([], ["--hash-style=sysv"]),
    "extension": ([], ["--hash-style=both", "-z", "norelro", "-z", "noseparate-code",
                       "-z", "max-page-size=4096"]),
}
# Those without the machine are not tried; nor are those that do not link for it as glibc has it.
LINKERS = {
    "bfd": VARIANTS.keys(),
    "gold": ("lazy", "sysv-hash"),
    "lld": ("lazy", "sysv-hash"),
    "mold": ("lazy", "no-plt"),  # its DT_HASH for s390x is not what glibc reads
}
NOT_LINKED = {
    "gold": ("riscv64",),
    "lld": ("ppc64", "s390x"),
    "mold": ("ppc", "ppc64"),
}


class Library:
    def __init__(self, folder, name):
        self.name = name
        self.plain = folder / f"{name}.so"
        self.patched = folder / f"{name}-patched.so"


class Machine(unittest.TestCase):
    name = ""

    @classmethod
    def setUpClass(cls):
        cls.triple, cls.qemu, cls.title = MACHINES[cls.name]
        cls.bench = Bench(cls.triple, cls.qemu)
        cls.addClassCleanup(cls.bench.close)
        cls.linkers = [linker for linker in LINKERS if cls.has_linker(linker)]
        cls.libraries = []
        for linker in cls.linkers:
            for variant in LINKERS[linker]:
                for ways in WAYS:
                    cls.libraries.append(cls.link(linker, variant, ways))
        for library in cls.libraries:
            build([GREENIFY, "-o", library.patched, library.plain])

    @classmethod
    def has_linker(cls, linker):
        if cls.name in NOT_LINKED.get(linker, ()):
            return False
        if linker in ("bfd", "gold"):
            return installed(f"{cls.triple}-ld.{linker}")
        if not installed("ld." + linker):
            return False
        # gcc looks for the linker in a folder that has no other tools it could take for the machine's
        folder = cls.bench.path("linkers")
        folder.mkdir(exist_ok=True)
        os.symlink(shutil.which("ld." + linker), folder / ("ld." + linker))
        return True

    @classmethod
    def link(cls, linker, variant, ways):
        compiler, words = VARIANTS[variant]
        macros = [f"-D{macro}={way}" for macro, way in zip(("RECV", "READ", "POLL"), ways.split())]
        objects = [cls.bench.compile("reach.c", *macros, *compiler)]
        if variant == "extension":
            objects.append(cls.bench.compile("zeroed.c"))
        library = Library(cls.bench.folder, f"{linker}-{variant}-{WAYS.index(ways)}")
        options = [f"-fuse-ld={linker}"]
        if linker in ("lld", "mold"):
            options.append(f"-B{cls.bench.path('linkers')}")
        for word in words:
            options += ["-Xlinker", word]
        build([cls.bench.cc, "-shared", *options, *objects, "-o", library.plain])
        return library

    def check_lines(self, files, expected, what):
        lines = self.bench.load(files)
        wrong = [f"{path}: {line}" for path, line in lines.items() if line != expected]
        self.assertEqual(wrong, [], what)

    def test_unpatched_libraries_do_not_reach_the_runtime(self):
        self.check_lines([library.plain for library in self.libraries], UNREACHED, "unpatched")

    def test_patched_libraries_reach_it_by_call_address_and_table(self):
        self.check_lines([library.patched for library in self.libraries], REACHED, "patched")
        print(f"figure: {self.title} ({self.triple}) by {', '.join(self.linkers)}: "
              f"{len(self.libraries)} libraries reach the runtime")

    def test_a_patched_program_reaches_it(self):
        program = self.bench.path("program")
        build([self.bench.cc, "-pie", self.bench.compile("reach.c"),
               self.bench.compile("program.c"), self.bench.compile("exercise.c"),
               "-o", program, "-ldl"])
        build([GREENIFY, program])
        # load would start it in the emulated process, whose kernel does not know the machine
        result = run([*self.bench.emulator, "-E", f"LD_LIBRARY_PATH={self.bench.folder}", program])
        self.assertEqual(result.stdout.strip(), REACHED, result.stderr)

    def test_lld_leaves_no_spare_slot(self):
        if "lld" not in self.linkers:
            self.skipTest(f"lld does not link for {self.title} here")
        report = json.loads(run([GREENIFY, "--json", "-n", self.bench.path("lld-lazy-0.so")]).stdout)
        slot = report["files"][0]["needed_slot"]
        self.assertIn(slot, ("DT_RELACOUNT", "DT_RELCOUNT"))

    def test_they_reach_it_after_other_tools(self):
        for words in TOOLS:
            if not installed(words[0].format(cross=self.bench.cross)):
                continue
            title, spoilt = tool_title(words), 0
            after = {}
            for library in self.libraries:
                target = self.bench.path("after-" + library.plain.name)
                after[library] = apply_tools([words], library.patched, target, self.bench.cross)
            lines = self.bench.load([path for path in after.values() if path])
            for library, path in after.items():
                line = lines[str(path)] if path else "refused"
                if line != REACHED:
                    spoilt += 1
                    self.assertIsNotNone(self.bench.spoils([words], library.plain),
                                         f"{library.name} after {title}: {line}")
                else:
                    again = run([GREENIFY, path])
                    self.assertEqual(again.returncode, 3, f"{library.name} after {title}")
            self.assertLess(spoilt, len(self.libraries), f"{title} spoils all unpatched files")
            if spoilt:
                print(f"figure: {self.title}, after {title}: {spoilt} of {len(self.libraries)} are "
                      "spoilt, as are the unpatched ones")

    def test_verify_finds_no_fault_and_other_tools_no_new_one(self):
        for library in self.libraries:
            build([GREENIFY, "verify", library.patched])
            for command in (["readelf", "-aW"], ["eu-elflint", "--gnu-ld"]):
                if not installed(command[0]):
                    continue
                before = run(command + [library.plain])
                after = run(command + [library.patched])
                self.assertEqual(after.stderr.replace(str(library.patched), "FILE"),
                                 before.stderr.replace(str(library.plain), "FILE"))
                if command[0] == "eu-elflint":
                    known = set(before.stdout.splitlines()) | {"No errors"}
                    new = [line for line in after.stdout.splitlines() if line not in known]
                    self.assertEqual(new, [], library.name)

    def test_revert_gives_the_original(self):
        for library in self.libraries:
            path = self.bench.path("reverted.so")
            shutil.copy(library.patched, path)
            self.assertNotEqual(sha256(path), sha256(library.plain))
            build([GREENIFY, "revert", path])
            self.assertEqual(sha256(path), sha256(library.plain), library.name)
            path.unlink()

    def test_scan_names_the_machine_and_every_kind_of_relocation(self):
        kinds = {}
        for library in self.libraries:
            report = json.loads(run([GREENIFY, "scan", "--json", library.plain]).stdout)["files"][0]
            self.assertEqual(report["machine"], self.title)
            for row in report["imports"]:
                kinds.setdefault(row["name"], set()).update(
                    relocation["kind"] for relocation in row["relocations"])
        self.assertEqual(kinds.keys(), {"recv", "read", "poll"})
        expected = {"JUMP_SLOT", "ABS64" if "64" in self.name or self.name == "s390x" else "ABS32"}
        for name, found in kinds.items():
            if self.name not in WITHOUT_GLOB_DAT:
                self.assertIn("GLOB_DAT", found, name)
            self.assertEqual(found | {"GLOB_DAT"}, expected | {"GLOB_DAT"}, name)


def main():
    Machine.name = sys.argv.pop(1)
    triple, qemu, _ = MACHINES[Machine.name]
    for tool in (triple + "-gcc", qemu):
        if not installed(tool):
            print(f"skipped: {tool} is not installed")
            sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], "-v"])


if __name__ == "__main__":
    main()
