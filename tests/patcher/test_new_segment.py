# SPDX-License-Identifier: MIT
"""The last layout, a segment of its own: libraries and programs that nothing else serves are
patched, loaded (here and by qemu), looked at by other tools, and reverted."""

import hashlib
import json
import os
import shutil
import struct
import subprocess
import tempfile
import unittest

GREENIFY = os.environ["GREENIFY"]
LIBRARIES = os.environ["LIBRARIES"]  # where the sources are
SOURCE = os.path.join(LIBRARIES, "calls.c")
PACKED = ["-Wl,-z,norelro", "-Wl,-z,noseparate-code"]  # no padding behind the read-only segment
LARGE_BSS = [*PACKED, "-DZEROED=200000000"]

# Triple, qemu, and an option for pages that are larger than most.
MACHINES = {
    "aarch64": ("aarch64-linux-gnu", "qemu-aarch64", ["-Wl,-z,max-page-size=65536"]),
    "i386": ("i686-linux-gnu", "qemu-i386", []),
    "s390x": ("s390x-linux-gnu", "qemu-s390x", ["-Wl,--hash-style=sysv"]),
}

# Loads the library by name; with none, calls what it was linked with.
CALLS = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
static const char *last;
static int each(struct dl_phdr_info *info, size_t size, void *seen)
{
    (void)size;
    if (strcmp(info->dlpi_name, last) != 0)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        *(int *)seen += info->dlpi_phdr[i].p_type == PT_LOAD;
    return 0;
}
int main(int argc, char **argv)
{
    int segments = 0;
    last = argv[argc - 1];
    void *library = dlopen(last, RTLD_LAZY);
    if (library == NULL) {
        puts(dlerror());
        return 1;
    }
    long (*receive)(int, void *, size_t) = dlsym(library, "calls_receive");
    int (*poll)(void *) = dlsym(library, "calls_poll");
    long (*(*address)(void))(void) = dlsym(library, "calls_address_of_poll");
    long (*table)(int, int, void *, size_t) = dlsym(library, "calls_by_table");
    char *zeroed = dlsym(library, "calls_zeroed");
    if (zeroed != NULL)
        zeroed[199999999] = 1;
    dl_iterate_phdr(each, &segments);
    printf("%ld %d %ld %ld %d\\n", receive(-1, 0, 0), poll(0), address()(), table(1, -1, 0, 0),
           segments);
    return 0;
}
"""
REDIRECTED = "1001 1004 1003 1001 "

# A program that looks at its program headers as the kernel and the loader know them.
PROGRAM = """
#define _GNU_SOURCE
#include <link.h>
#include <poll.h>
#include <stdio.h>
#include <sys/auxv.h>
static int each(struct dl_phdr_info *info, size_t size, void *first)
{
    (void)size;
    *(const void **)first = info->dlpi_phdr;
    return 1;
}
char zeroed[ZEROED];
int main(void)
{
    const ElfW(Phdr) *headers = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    const void *first;
    dl_iterate_phdr(each, &first);
    zeroed[ZEROED - 1] = 1;
    printf("%d %d %lu %d\\n", headers->p_type == PT_PHDR, first == (const void *)headers,
           getauxval(AT_PHNUM), poll(0, 0, 0));
    return 0;
}
"""


def run(command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          check=False, **options)


def sha256(path):
    with open(path, "rb") as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def edit(path, change):
    with open(path, "r+b") as stream:
        data = bytearray(stream.read())
        change(data)
        stream.seek(0)
        stream.truncate()
        stream.write(data)


def fill_caves(data):
    """ELF64, little-endian: no padding is left behind a read-only segment."""
    offset, = struct.unpack_from("<Q", data, 32)
    count, = struct.unpack_from("<H", data, 56)
    for at in range(offset, offset + count * 56, 56):
        kind, flags, start, _, _, size = struct.unpack_from("<IIQQQQ", data, at)
        if kind == 1 and not flags & 2:
            data[start + size] = 0x90


def move_headers(data):
    """The program header table goes to the end of the file, where nothing maps it."""
    fill_caves(data)
    offset, = struct.unpack_from("<Q", data, 32)
    count, = struct.unpack_from("<H", data, 56)
    data += bytes(-len(data) % 8)
    struct.pack_into("<Q", data, 32, len(data))
    data += data[offset:offset + count * 56]


def drop_sections(data):
    struct.pack_into("<Q", data, 40, 0)
    struct.pack_into("<HH", data, 60, 0, 0)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        for name, text in (("calls.c", CALLS), ("program.c", PROGRAM)):
            with open(cls.path(name), "w", encoding="ascii") as stream:
                stream.write(text)
        cls.stage("", "gcc")

    @classmethod
    def path(cls, name):
        return os.path.join(cls.folder, name)

    @classmethod
    def stage(cls, machine, compiler):
        """The runtime's stand-in and the program that loads, in a folder of their own."""
        os.makedirs(cls.path("stage" + machine))
        for words in (["-shared", "-fPIC", "-Wl,-soname,libgreen.so.1",
                       os.path.join(LIBRARIES, "runtime.c"), "-o",
                       cls.path(f"stage{machine}/libgreen.so.1")],
                      [cls.path("calls.c"), "-o", cls.path(f"stage{machine}/calls"), "-ldl"]):
            subprocess.run([compiler, *words], check=True)

    def library(self, name, *options, compiler="gcc"):
        path = self.path(name)
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-fcf-protection=none"
                        if compiler == "gcc" else "-O2", SOURCE, "-o", path, *options],
                       check=True)
        return path

    def greenify(self, *words, status=0):
        result = run([GREENIFY, *words])
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result

    def patch(self, path, *options):
        """By a new segment, with a warning, and never twice."""
        result = self.greenify("--json", *options, path)
        file, = json.loads(result.stdout)["files"]
        self.assertEqual(file["layout"], "new-segment")
        self.assertEqual(len(file["warnings"]), 1)
        self.assertIn("strip", result.stderr)
        patched = sha256(path)
        self.greenify(*options, path, status=3)
        self.assertEqual(sha256(path), patched)
        self.greenify("verify", *options, path)

    def call(self, path, machine="", *prefix):
        stage = self.path("stage" + machine)
        environment = {**os.environ, "LD_LIBRARY_PATH": stage}
        if prefix:
            prefix = [*prefix, "-E", "LD_LIBRARY_PATH=" + stage]
            environment = None
        result = run([*prefix, os.path.join(stage, "calls"), path], env=environment)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def check(self, path, segments, machine="", *prefix):
        """Patched, loaded with one segment more, reverted."""
        before = sha256(path)
        self.patch(path)
        self.assertEqual(self.call(path, machine, *prefix), f"{REDIRECTED}{segments + 1}\n")
        self.greenify("revert", path)
        self.assertEqual(sha256(path), before)


class Libraries(Case):
    def test_a_large_bss(self):
        for name, options in (("lazy", []), ("now", ["-Wl,-z,now"]),
                              ("sysv", ["-Wl,--hash-style=sysv"]),
                              ("huge_pages", ["-Wl,-z,max-page-size=0x200000"]),
                              ("no_plt", ["-fno-plt"])):
            with self.subTest(name):
                self.check(self.library(f"{name}.so", *LARGE_BSS, *options), 2)

    def test_a_large_bss_without_section_headers(self):
        path = self.library("no_sections.so", *LARGE_BSS)
        edit(path, drop_sections)
        before = sha256(path)
        result = run([GREENIFY, "--allow-overlay", path])
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("layout new-segment", result.stdout)
        self.assertEqual(self.call(path), REDIRECTED + "3\n")
        self.greenify("revert", path)
        self.assertEqual(sha256(path), before)

    def test_program_headers_at_the_end(self):
        for name, options in (("relro", ["-Wl,-z,now"]), ("sysv", ["-Wl,--hash-style=sysv"])):
            with self.subTest(name):
                path = self.library(f"end_{name}.so", *options)
                edit(path, move_headers)
                self.check(path, 4)

    def test_wider_patching_and_a_larger_limit_start_from_the_original(self):
        path = self.library("wider.so", *LARGE_BSS)
        before = sha256(path)
        self.patch(path, "--hooks", "recv")
        self.patch(path)
        self.assertEqual(self.call(path), REDIRECTED + "3\n")
        self.greenify("revert", path)
        self.assertEqual(sha256(path), before)
        result = self.greenify("-n", "--bss-limit", "300M", path)
        self.assertIn("layout extension", result.stdout)

    def test_it_can_be_forbidden(self):
        path = self.library("forbidden.so", *LARGE_BSS)
        before = sha256(path)
        result = self.greenify("--no-new-segment", path, status=1)
        self.assertIn("[no-room]", result.stderr)
        self.assertIn("200000", result.stderr)
        self.assertEqual(sha256(path), before)

    def test_other_tools_see_nothing_wrong(self):
        path = self.library("tools.so", *LARGE_BSS, "-g")
        commands = [words for words in (["readelf", "-aW"], ["eu-elflint", "--gnu-ld"],
                                        ["objdump", "-T"], ["nm", "-D"])
                    if shutil.which(words[0])]
        before = [run([*words, path]) for words in commands]
        self.patch(path)
        for words, old in zip(commands, before):
            new = run([*words, path])
            self.assertEqual(new.stderr, old.stderr)
            self.assertEqual(new.returncode, old.returncode)
            if words[0] == "eu-elflint":
                self.assertEqual(new.stdout, old.stdout)

    def test_a_program_is_linked_with_it_and_unwinds_through_it(self):
        """gcc -shared-libgcc finds the tables for exceptions by the program headers."""
        code = self.path("throw.cc")
        with open(code, "w", encoding="ascii") as stream:
            stream.write('extern "C" long recv(int, void *, unsigned long, int);\n'
                         "char zeroed[200000000];\n"
                         "long outer(int x) { try { if (recv(-1, 0, 0, 0) == 1001) throw x; }\n"
                         "catch (int y) { return y + 1; } return zeroed[5]; }\n")
        library = self.path("libthrow.so")
        subprocess.run(["g++", "-shared", "-fPIC", code, "-o", library, *PACKED], check=True)
        self.patch(library)
        main = self.path("main.cc")
        with open(main, "w", encoding="ascii") as stream:
            stream.write("long outer(int);\nint main() { return (int)outer(41); }\n")
        program = self.path("thrower")
        subprocess.run(["g++", main, library, "-o", program,
                        "-Wl,--allow-shlib-undefined"], check=True)
        result = run([program], env={**os.environ, "LD_LIBRARY_PATH": self.path("stage")})
        self.assertEqual(result.returncode, 42, result.stderr)

    @unittest.skipUnless(shutil.which("gdb"), "gdb is not installed")
    def test_gdb_stops_at_a_line_of_it(self):
        path = self.library("debug.so", *LARGE_BSS, "-g")
        self.patch(path)
        result = run(["gdb", "-q", "-batch", "-nx", "-ex", "set breakpoint pending on",
                      "-ex", "set env LD_LIBRARY_PATH " + self.path("stage"),
                      "-ex", "break calls_poll", "-ex", "run", "-ex", "bt 1", "--args",
                      self.path("stage/calls"), path])
        self.assertRegex(result.stdout, r"(?m)^#0 +calls_poll \(.*calls\.c:\d+")

    @unittest.skipUnless(shutil.which("patchelf"), "patchelf is not installed")
    def test_patchelf_does_no_harm(self):
        path = self.library("patchelf.so", *LARGE_BSS)
        self.patch(path)
        subprocess.run(["patchelf", "--set-rpath", "/nowhere", path], check=True)
        self.assertTrue(self.call(path).startswith(REDIRECTED))


class Programs(Case):
    """Kernels before 5.18 and qemu compute AT_PHDR from e_phoff; newer ones follow PT_PHDR."""

    def program(self, name, zeroed, compiler="gcc"):
        path = self.path(name)
        subprocess.run([compiler, "-O2", "-fPIE", "-pie", f"-DZEROED={zeroed}",
                        self.path("program.c"), "-o", path], check=True)
        edit(path, move_headers)
        return path

    def check_program(self, path, *prefix):
        before = sha256(path)
        with open(path, "rb") as stream:
            entries, = struct.unpack_from("<H", stream.read(58), 56)
        self.patch(path)
        with open(path, "rb") as stream:
            data = stream.read()
        offset, = struct.unpack_from("<Q", data, 32)
        self.assertEqual(struct.unpack_from("<IIQQ", data, offset)[0::3], (6, offset),
                         "the address of the table is its place in the file")
        environment = {**os.environ, "LD_LIBRARY_PATH": self.path("stage")}
        result = run([*prefix, path], env=None if prefix else environment)
        self.assertEqual(result.stdout, f"1 1 {entries + 1} 1003\n", result.stderr)
        self.greenify("revert", path)
        self.assertEqual(sha256(path), before)

    def test_here(self):
        for zeroed in (100, 5000000):
            with self.subTest(zeroed):
                self.check_program(self.program(f"program{zeroed}", zeroed))

    @unittest.skipUnless(shutil.which("qemu-x86_64"), "qemu-x86_64 is not installed")
    def test_by_qemu(self):
        self.check_program(self.program("program_qemu", 5000000), "qemu-x86_64", "-E",
                           "LD_LIBRARY_PATH=" + self.path("stage"))

    def test_a_hole_has_a_limit(self):
        path = self.program("program_large", 100000000)
        result = self.greenify(path, status=1)
        self.assertIn("hole", result.stderr)
        self.greenify("-n", "--bss-limit", "200M", path)


class Machines(Case):
    def check_machine(self, name):
        triple, qemu, options = MACHINES[name]
        for tool in (triple + "-gcc", qemu):
            if shutil.which(tool) is None:
                self.skipTest(f"{tool} is not installed")
        self.stage(name, triple + "-gcc")
        path = self.library(name + ".so", *LARGE_BSS, *options, compiler=triple + "-gcc")
        self.check(path, 2, name, qemu, "-L", "/usr/" + triple)

    def test_aarch64(self):
        self.check_machine("aarch64")

    def test_i386(self):
        self.check_machine("i386")

    def test_s390x(self):
        self.check_machine("s390x")


if __name__ == "__main__":
    unittest.main()
