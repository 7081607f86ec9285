# SPDX-License-Identifier: MIT
"""Libraries of other machines: patched here, run there (by qemu) against a stand-in for the runtime,
also after other tools went over them, and reverted. The argument names the machine; exit status 77
and the reason where its compiler or qemu is missing."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

FIXTURES = os.environ["FIXTURES"]
GREENIFY = os.environ["GREENIFY"]
RUNTIME_SOURCE = os.environ["RUNTIME_SOURCE"]
PROGRAM_SOURCE = os.path.join(os.path.dirname(RUNTIME_SOURCE), "program.c")
LIBRARY_SOURCE = os.path.join(os.path.dirname(RUNTIME_SOURCE), "calls.c")
SKIPPED = 77

# Triple of the compiler, qemu, and what scan calls the machine.
MACHINES = {
    "arm": ("arm-linux-gnueabihf", "qemu-arm", "ARM"),
    "i386": ("i686-linux-gnu", "qemu-i386", "i386"),
    "riscv64": ("riscv64-linux-gnu", "qemu-riscv64", "RISC-V 64"),
    "ppc": ("powerpc-linux-gnu", "qemu-ppc", "PowerPC"),
    "ppc64": ("powerpc64-linux-gnu", "qemu-ppc64", "PowerPC64"),
    "ppc64le": ("powerpc64le-linux-gnu", "qemu-ppc64le", "PowerPC64"),
    "s390x": ("s390x-linux-gnu", "qemu-s390x", "s390x"),
}
WITHOUT_ADDENDS = ("arm", "i386")
NOT_BY_LLD = ("ppc64", "s390x")
VARIANTS = ["", "_no_plt", "_sysv_hash", "_extension"]

# {cross} is the prefix of the machine's own binutils.
TOOLS = [
    ["{cross}strip", "-o", "{to}", "{from}"],
    ["{cross}strip", "-g", "-o", "{to}", "{from}"],
    ["{cross}objcopy", "{from}", "{to}"],
    ["eu-strip", "-o", "{to}", "{from}"],
    ["eu-strip", "-g", "-o", "{to}", "{from}"],
    ["llvm-strip", "-o", "{to}", "{from}"],
    ["llvm-objcopy", "{from}", "{to}"],
]

# Calls through the PLT, a pointer from the global offset table, and a table of pointers.
CALLS = """
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    void *library = dlopen(argv[argc - 1], RTLD_LAZY);
    if (library == NULL) {
        puts(dlerror());
        return 1;
    }
    long (*receive)(int, void *, size_t) = dlsym(library, "calls_receive");
    long (*send)(int, void *, size_t) = dlsym(library, "calls_send_tail");
    int (*poll)(void *) = dlsym(library, "calls_poll");
    long (*(*address)(void))(void) = dlsym(library, "calls_address_of_poll");
    long (*table)(int, int, void *, size_t) = dlsym(library, "calls_by_table");
    unsigned (*other)(void) = dlsym(library, "calls_other");
    printf("%ld %ld %d %ld %ld %d\\n", receive(-1, 0, 0), send(-1, 0, 0), poll(0), address()(),
           table(1, -1, 0, 0), other() > 0);
    return 0;
}
"""
REDIRECTED = "1001 1002 1004 1003 1001 1\n"


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def sha256(path):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


class Machine(unittest.TestCase):
    name = ""

    @classmethod
    def setUpClass(cls):
        cls.triple, cls.qemu, cls.title = MACHINES[cls.name]
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.program = cls.path("calls")
        source = cls.path("calls.c")
        with open(source, "w", encoding="ascii") as stream:
            stream.write(CALLS)
        compiler = cls.triple + "-gcc"
        for command in (
                [compiler, "-shared", "-fPIC", "-Wl,-soname,libgreen.so.1", RUNTIME_SOURCE, "-o",
                 cls.path("libgreen.so.1")],
                [compiler, source, "-o", cls.program, "-ldl"]):
            subprocess.run(command, check=True)

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder.name, name)

    def call(self, library):
        return run([self.qemu, "-L", "/usr/" + self.triple, "-E",
                    "LD_LIBRARY_PATH=" + self.folder.name, self.program, library])

    def original(self, variant):
        return os.path.join(FIXTURES, f"lib{self.name}{variant}.so")

    def patched(self, variant):
        path = self.path(f"patched{variant}.so")
        shutil.copy(self.original(variant), path)
        result = run([GREENIFY, path])
        self.assertEqual(result.returncode, 0, result.stderr)
        return path

    def check_redirected(self, path, what):
        result = self.call(path)
        self.assertEqual(result.stdout, REDIRECTED, f"{what}: {result.stderr}")

    def test_unpatched_libraries_do_not_reach_the_runtime(self):
        for variant in VARIANTS:
            result = self.call(self.original(variant))
            # poll() without a set, through the pointer, may do anything; nothing more is asked
            self.assertNotEqual(result.stdout, REDIRECTED, variant)

    def test_patched_libraries_reach_it_by_plt_pointer_and_table(self):
        for variant in VARIANTS:
            self.check_redirected(self.patched(variant), variant)

    def test_a_patched_program_reaches_it(self):
        program = self.path("program")
        command = [self.triple + "-gcc", "-fPIE", "-pie", "-O2", PROGRAM_SOURCE, "-o", program]
        subprocess.run(command, check=True)
        result = run([GREENIFY, program])
        self.assertEqual(result.returncode, 0, result.stderr)
        result = run([self.qemu, "-L", "/usr/" + self.triple, "-E",
                      "LD_LIBRARY_PATH=" + self.folder.name, program])
        self.assertEqual(result.returncode, 1003 % 256, result.stderr)

    def test_a_library_by_lld_has_no_spare_slot_and_reaches_it_too(self):
        lld = shutil.which("ld.lld")
        if lld is None:
            self.skipTest("ld.lld is not installed")
        if self.name in NOT_BY_LLD:
            self.skipTest(f"lld does not link for {self.title} as glibc has it")
        library = self.path("lld.so")
        # The folder of the real program has no other tools that gcc could take for the machine's.
        command = [self.triple + "-gcc", "-B" + os.path.dirname(os.path.realpath(lld)),
                   "-fuse-ld=lld", "-shared", "-fPIC", "-O2", LIBRARY_SOURCE, "-o", library]
        subprocess.run(command, check=True)
        before = sha256(library)
        result = run([GREENIFY, "-v", library])
        self.assertEqual(result.returncode, 0, result.stderr)
        slot = "DT_RELCOUNT" if self.name in WITHOUT_ADDENDS else "DT_RELACOUNT"
        self.assertIn("DT_NEEDED slot: " + slot, result.stdout)
        self.check_redirected(library, "lld")
        result = run([GREENIFY, "revert", library])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(sha256(library), before)

    def test_they_do_after_other_tools(self):
        for variant in VARIANTS:
            path = self.patched(variant)
            to = self.path("out.so")
            for words in TOOLS:
                words = [word.format(**{"from": path, "to": to, "cross": self.triple + "-"})
                         for word in words]
                if shutil.which(words[0]) is None:
                    continue
                what = f"{variant}: {' '.join(words)}"
                result = run(words)
                self.assertEqual(result.returncode, 0, f"{what}: {result.stderr}")
                self.check_redirected(to, what)
                again = run([GREENIFY, to])
                self.assertEqual(again.returncode, 3, f"{what}: {again.stdout}{again.stderr}")
                os.unlink(to)

    def test_verify_finds_no_fault_and_other_tools_no_new_one(self):
        for variant in VARIANTS:
            path = self.patched(variant)
            result = run([GREENIFY, "verify", path])
            self.assertEqual(result.returncode, 0, result.stdout)
            for command in (["readelf", "-aW"], ["eu-elflint", "--gnu-ld"]):
                if shutil.which(command[0]) is None:
                    continue
                before = run(command + [self.original(variant)])
                after = run(command + [path])
                self.assertEqual(after.stderr, before.stderr.replace(self.original(variant), path))
                if command[0] == "eu-elflint":
                    known = set(before.stdout.splitlines()) | {"No errors"}
                    new = [line for line in after.stdout.splitlines() if line not in known]
                    self.assertEqual(new, [], variant)

    def test_revert_gives_the_original(self):
        for variant in VARIANTS:
            path = self.patched(variant)
            self.assertNotEqual(sha256(path), sha256(self.original(variant)))
            result = run([GREENIFY, "revert", path])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(sha256(path), sha256(self.original(variant)), variant)

    def test_scan_names_the_machine_and_every_relocation(self):
        for variant in VARIANTS:
            result = run([GREENIFY, "scan", "--json", self.original(variant)])
            report = json.loads(result.stdout)["files"][0]
            self.assertEqual(report["machine"], self.title)
            kinds = {row["name"]: [kind["kind"] for kind in row["relocations"]]
                     for row in report["imports"]}
            self.assertEqual(set(kinds), {"recv", "send", "poll"})
            for name, least in (("recv", 2), ("send", 1), ("poll", 1)):
                self.assertGreaterEqual(len(kinds[name]), least, f"{variant}: {name}")

    def test_scan_says_whether_call_sites_were_decoded(self):
        text = run([GREENIFY, "scan", self.original("")]).stdout
        report = json.loads(run([GREENIFY, "scan", "--json", self.original("")]).stdout)
        decoded = self.name == "i386"
        self.assertEqual(report["files"][0]["decoded"], decoded)
        for row in report["files"][0]["imports"]:
            self.assertEqual(row["call_sites"] is not None, decoded)
        self.assertEqual("call sites: not decoded" in text, not decoded)


def main():
    Machine.name = sys.argv[1]
    triple, qemu, _ = MACHINES[Machine.name]
    for tool in (triple + "-gcc", qemu):
        if shutil.which(tool) is None:
            print(f"skipped: {tool} is not installed")
            sys.exit(SKIPPED)
    if not os.path.exists(os.path.join(FIXTURES, f"lib{Machine.name}.so")):
        print(f"skipped: the build has no fixtures for {Machine.name}")
        sys.exit(SKIPPED)
    unittest.main(argv=[sys.argv[0], "-v"])


if __name__ == "__main__":
    main()
