# SPDX-License-Identifier: MIT
"""Files larger than memory should ever be: the cost of a patch is that of a copy, whatever the size."""

import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

GREENIFY = os.environ["GREENIFY"]
RUSAGE = os.environ["RUSAGE"]
FIXTURES = pathlib.Path(os.environ["FIXTURES"])
MEBIBYTE = 1 << 20
PEAK = 16 * 1024  # KiB
HOOKS = "recv,send,poll"

# Tables that are themselves larger than the peak allows.
TABLES = """
.text
.globl call
call: call recv@PLT
 ret
{symbols}
.data
.balign 8
table:
.rept 500000
.quad table
.endr
"""


def roomy_folder():
    """A file system in memory, where there is one with room: this is not about the disk."""
    try:
        if shutil.disk_usage("/dev/shm").free > 4000 * MEBIBYTE:
            return "/dev/shm"
    except OSError:
        pass
    return None


def extents(path):
    """What is no hole: [(offset, bytes)...], and the size."""
    found = []
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            found.append((at, os.pread(file.fileno(), end - at, at)))
            at = end
    return found, size


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def grow(library, size, write):
    """Adds a section of `size` bytes that `write` fills, and puts the section headers behind it."""
    content = bytearray(library.read_bytes())
    table, = struct.unpack_from("<Q", content, 40)
    entry, count = struct.unpack_from("<HH", content, 58)
    headers = bytearray(content[table:table + entry * count])
    start = (len(content) + 4095) // 4096 * 4096
    name, = struct.unpack_from("<I", headers, entry * (count - 1))
    headers += struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, start, size, 0, 0, 4096, 0)
    struct.pack_into("<Q", content, 40, start + size)
    struct.pack_into("<H", content, 60, count + 1)
    with open(library, "wb") as file:
        file.write(content)
        file.seek(start)
        write(file)
        file.seek(start + size)
        file.write(headers)


class Large(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=roomy_folder())
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.library = self.folder / "lib.so"
        self.patched = self.folder / "patched.so"
        self.back = self.folder / "back.so"

    def greenify(self, *words):
        """Runs it within the memory that it may have; returns its report, and what it read."""
        result = subprocess.run([RUSAGE, GREENIFY, *map(str, words)], capture_output=True,
                                text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        peak, read = map(int, result.stderr.split("rusage ")[1].split()[:2])
        self.assertLessEqual(peak, PEAK, words)
        return json.loads(result.stdout), read

    def patch(self, layout, *options):
        report, read = self.greenify("--json", "--hooks", HOOKS, *options, "-o", self.patched,
                                     self.library)
        self.assertEqual(report["files"][0]["layout"], layout)
        return read

    def verify(self):
        self.greenify("verify", "--json", "--hooks", HOOKS, self.patched)

    def revert(self):
        return self.greenify("revert", "--json", "-o", self.back, self.patched)[1]

    def expect_reads(self, read, size):
        """Each byte of the input once, tables and headers a few times, and what a process reads."""
        if read < 0:
            self.skipTest("the kernel does not count what is read")
        self.assertLess(read, size * 1.02 + 8 * MEBIBYTE)

    def take(self, fixture):
        shutil.copyfile(FIXTURES / fixture, self.library)

    def check_full(self, fixture, layout, mebibytes):
        block = os.urandom(MEBIBYTE)

        def write(file):
            for i in range(mebibytes):
                file.write(struct.pack("<Q", i) + block[8:])

        self.take(fixture)
        grow(self.library, mebibytes * MEBIBYTE, write)
        before = digest(self.library)
        read = self.patch(layout)
        self.verify()
        back = self.revert()
        self.assertEqual(digest(self.back), before)
        size = self.library.stat().st_size
        self.expect_reads(read, size)
        self.expect_reads(back, size)

    def test_full_file_in_a_cave(self):
        self.check_full("liblazy.so", "cave", 50)

    def test_full_file_that_grows(self):
        self.check_full("libno_cave.so", "extension", 300)

    def check_sparse(self, fixture, layout):
        size = 5000 * MEBIBYTE

        def write(file):
            for at in (0, 70000, size // 2 + 5, size - 9000):
                file.seek(at + MEBIBYTE)
                file.write(b"not a hole")

        self.take(fixture)
        grow(self.library, size + 2 * MEBIBYTE, write)
        read = self.patch(layout)
        self.verify()
        back = self.revert()
        self.assertLess(self.patched.stat().st_blocks * 512, MEBIBYTE)
        self.assertEqual(extents(self.back), extents(self.library))
        self.expect_reads(read, 0)
        self.expect_reads(back, 0)

    def test_sparse_file_above_four_gigabytes_in_a_cave(self):
        self.check_sparse("liblazy.so", "cave")

    def test_sparse_file_above_four_gigabytes_that_grows(self):
        self.check_sparse("libno_cave.so", "extension")

    def test_hole_that_is_loaded(self):
        """The .bss of a gigabyte becomes part of the file, and a hole in it; then it is patched anew."""
        (self.folder / "bss.c").write_text("char all[1 << 30]; long recv(int, void *, long, int);\n"
                                           "int poll(void *, long, int);\n"
                                           "long call(void) { return recv(0, all, 1, poll(0, 0, 0)); }\n")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", self.library, self.folder / "bss.c",
                        "-Wl,-z,noseparate-code", "-Wl,-z,max-page-size=4096"], check=True)
        options = ("--bss-limit", 2 << 30)
        self.greenify("--json", "--hooks", "recv", *options, "-o", self.patched, self.library)
        first = self.patched.stat()
        if first.st_size > 1 << 30:
            self.assertLess(first.st_blocks * 512, MEBIBYTE)
        os.rename(self.patched, self.folder / "once.so")
        self.greenify("--json", "--hooks", HOOKS, *options, "-o", self.patched,
                      self.folder / "once.so")
        self.verify()
        self.assertLess(self.patched.stat().st_blocks * 512, MEBIBYTE)
        self.revert()
        self.assertEqual(digest(self.back), digest(self.library))

    def test_large_tables(self):
        source = self.folder / "tables.s"
        names = ("an_exported_function_with_a_name_of_the_usual_length_%d" % i for i in range(60000))
        source.write_text(TABLES.format(symbols="\n".join(f".globl {n}\n{n}:" for n in names)))
        subprocess.run(["gcc", "-shared", "-nostdlib", "-o", self.library, source,
                        "-Wl,--hash-style=both"], check=True)
        self.assertGreater(self.library.stat().st_size, 20 * MEBIBYTE)
        before = digest(self.library)
        self.greenify("--json", "--hooks", HOOKS, "-o", self.patched, self.library)
        self.revert()
        self.assertEqual(digest(self.back), before)


if __name__ == "__main__":
    unittest.main()
