# SPDX-License-Identifier: MIT
"""Files that are refused by name, or only changed when that is asked for: signed, prelinked, put aside,
static, and of kinds that are no libraries."""

import fcntl
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

GREENIFY = os.environ["GREENIFY"]
CODE = ("int poll(void *, unsigned long, int);\n"
        "long recv(int, void *, unsigned long, int);\n"
        "int call(void) { return poll(0, 0, 0) + (int)recv(0, 0, 0, 0); }\n")
NOTE = """
__attribute__((section(".note.fdo.integrity"), used, aligned(4)))
static const struct { unsigned name, size, type; char owner[4]; char sum[32]; }
note = {4, 32, 0xcafe2a8e, "FDO", "0123456789abcdef"};
"""


# Stands before the kernel, as few file systems have fs-verity: what is asked for is said.
VERITY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/stat.h>
int statx(int folder, const char *path, int flags, unsigned mask, struct statx *to)
{
    int (*next)(int, const char *, int, unsigned, struct statx *) =
        (int (*)(int, const char *, int, unsigned, struct statx *))dlsym(RTLD_NEXT, "statx");
    int result = next(folder, path, flags, mask, to);
    to->stx_attributes |= STATX_ATTR_VERITY;
    return result;
}
"""
FS_IOC_ENABLE_VERITY = 0x40806685


class Case(unittest.TestCase):
    environment = {}

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def compile(self, name, *options, code=CODE):
        path = self.folder / name
        subprocess.run(["gcc", "-O2", "-xc", "-", "-xnone", "-o", path, *options],
                       input=code.encode(), check=True)
        return path

    def library(self, name="libodd.so.1", code=CODE):
        return self.compile(name, "-shared", "-fPIC", "-g", "-Wl,-soname," + name, code=code)

    def greenify(self, *words, status=0):
        result = subprocess.run([GREENIFY, *map(str, words)], capture_output=True, text=True,
                                check=False, env={**os.environ, **self.environment})
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result

    def refused(self, path, code, text=""):
        before = path.read_bytes()
        result = self.greenify("--json", path, status=1)
        error = json.loads(result.stdout)["files"][0]["error"]
        self.assertEqual(error["code"], code, error)
        self.assertIn(text, error["message"])
        self.assertEqual(path.read_bytes(), before)
        return error


class Signed(Case):
    def check(self, path, text):
        """Refused in every place it could be written to, unless asked for; revert needs no asking."""
        self.refused(path, "signed", text)
        self.greenify("-o", self.folder / "copy.so", path, status=1)
        self.greenify("scan", path)
        before = path.read_bytes()
        self.greenify("--allow-signed", path)
        self.greenify("revert", path)
        self.assertEqual(path.read_bytes(), before)

    def test_a_sum_beside_the_library(self):
        (self.folder / "fipscheck").mkdir()
        for name in (".libodd.so.1.hmac", "libodd.so.1.hmac", "fipscheck/libodd.so.1.hmac"):
            with self.subTest(name):
                path = self.library()
                (self.folder / name).write_text("00")
                self.check(path, name)
                (self.folder / name).unlink()
        path = self.library("libodd3.so")
        (self.folder / "libodd3.chk").write_text("00")
        self.check(path, "libodd3.chk")

    def test_a_sum_by_the_soname_or_by_the_name_of_a_link(self):
        path = self.library()
        longer = path.rename(self.folder / "libodd.so.1.2.3")
        (self.folder / ".libodd.so.1.hmac").write_text("00")
        self.check(longer, ".libodd.so.1.hmac")
        (self.folder / ".libodd.so.1.hmac").unlink()
        (self.folder / "elsewhere").mkdir()
        link = self.folder / "elsewhere/libother.so"
        link.symlink_to(longer)
        (self.folder / "elsewhere/.libother.so.hmac").write_text("00")
        self.check(link, ".libother.so.hmac")

    def test_the_sum_of_another_library_says_nothing(self):
        path = self.library()
        (self.folder / ".libodd.so.hmac").write_text("00")
        (self.folder / "libodd.chk").write_text("00")
        self.greenify(path)

    def test_a_library_without_work_is_not_refused(self):
        path = self.library(code="int nothing(void) { return 1; }\n")
        (self.folder / ".libodd.so.1.hmac").write_text("00")
        self.greenify(path, status=3)

    def test_a_note_with_a_sum(self):
        path = self.library(code=CODE + NOTE)
        self.check(path, "PT_NOTE")

    def test_an_ima_signature_but_no_ima_sum(self):
        path = self.library()
        try:
            os.setxattr(path, "security.ima", b"\x03\x02\x04signature")
        except OSError as error:
            self.skipTest(f"security.ima cannot be set here: {error}")
        self.refused(path, "signed", "security.ima")
        os.setxattr(path, "security.ima", b"\x04\x04" + bytes(32))
        self.greenify("-n", path)

    def test_a_file_that_the_kernel_says_is_under_verity(self):
        shim = self.compile("verity.so", "-shared", "-fPIC", code=VERITY)
        path = self.library()
        self.environment = {"LD_PRELOAD": str(shim)}
        self.check(path, "fs-verity")

    def test_a_file_under_verity(self):
        path = self.library()
        with open(path, "rb") as file:
            try:  # version 1, SHA-256, blocks of 4096 bytes
                fcntl.ioctl(file, FS_IOC_ENABLE_VERITY, struct.pack("<3I116x", 1, 1, 4096))
            except OSError as error:
                self.skipTest(f"no fs-verity here: {error}")
        self.check(path, "fs-verity")

    def test_a_closure_with_a_signed_member_is_refused_as_a_whole(self):
        inner = self.library("libinner.so", code=CODE.replace("call", "inner"))
        outer = self.compile("libouter.so", "-shared", "-fPIC", inner, "-Wl,-rpath,$ORIGIN",
                             code=CODE + "int inner(void);\nint x(void) { return inner(); }\n")
        (self.folder / ".libinner.so.hmac").write_text("00")
        copies = self.folder / "copies"
        copies.mkdir()
        result = self.greenify("--deps", "-d", copies, outer, status=1)
        self.assertIn("[signed]", result.stderr)
        self.assertEqual(list(copies.iterdir()), [])
        self.greenify("--deps", "--allow-signed", "-d", copies, outer)


class Prelinked(Case):
    def test_each_tag_that_prelink_writes(self):
        for tag in (0x6ffffdf5, 0x6ffffdf8, 0x6ffffef9, 0x6ffffef8):
            with self.subTest(hex(tag)):
                path = self.library()
                data = bytearray(path.read_bytes())
                offset, size = self.dynamic(data)
                for at in range(offset, offset + size, 16):
                    if struct.unpack_from("<Q", data, at)[0] == 0:
                        struct.pack_into("<QQ", data, at, tag, 1234)
                        break
                path.write_bytes(data)
                error = self.refused(path, "prelinked", "prelink -u")
                self.assertEqual((error["table"], error["offset"]), (".dynamic", at))

    @staticmethod
    def dynamic(data):
        """Place of PT_DYNAMIC in an ELF64 file."""
        offset, = struct.unpack_from("<Q", data, 32)
        count, = struct.unpack_from("<H", data, 56)
        for at in range(offset, offset + count * 56, 56):
            kind, _, start, _, _, size = struct.unpack_from("<IIQQQQ", data, at)
            if kind == 2:
                return start, size
        raise AssertionError("no PT_DYNAMIC")


class Kinds(Case):
    def test_separate_debug_information(self):
        path = self.library()
        for words in (["objcopy", "--only-keep-debug", path, "{}"],
                      ["llvm-objcopy", "--only-keep-debug", path, "{}"],
                      ["eu-strip", "-o", os.fspath(self.folder / "stripped"), "-f", "{}", path]):
            if shutil.which(words[0]) is None:
                continue
            with self.subTest(words[0]):
                debug = self.folder / (words[0] + ".debug")
                subprocess.run([str(word).format(debug) for word in words], check=True)
                self.refused(debug, "debug-file", "debug information")

    def test_a_static_program_that_can_stand_anywhere(self):
        program = self.folder / "static"
        result = subprocess.run(["gcc", "-static-pie", "-O2", "-xc", "-", "-o", program],
                                input=(CODE + "int main(void) { return call(); }\n").encode(),
                                check=False, capture_output=True)
        if result.returncode != 0:
            self.skipTest("there is no static libc")
        self.refused(program, "not-dynamic", "static program")
        scan = self.greenify("scan", program, status=3)
        self.assertNotIn("[not-dynamic]", scan.stderr)

    def test_an_object_file(self):
        path = self.compile("odd.o", "-c")
        self.refused(path, "unsupported-type", "kernel module")

    def test_a_core_file_and_a_program_at_a_fixed_address(self):
        path = self.library()
        for kind, text in ((4, "core file"), (2, "fixed addresses")):
            data = bytearray(path.read_bytes())
            struct.pack_into("<H", data, 16, kind)
            path.write_bytes(data)
            self.refused(path, "unsupported-type", text)

    def test_machines_that_are_not_supported_have_names(self):
        path = self.library()
        for machine, name in ((8, "MIPS"), (2, "SPARC"), (43, "SPARC v9"), (50, "IA-64"),
                              (0x9026, "Alpha"), (15, "PA-RISC"), (4, "m68k"), (42, "SuperH"),
                              (92, "OpenRISC"), (94, "Xtensa"), (247, "BPF")):
            data = bytearray(path.read_bytes())
            struct.pack_into("<H", data, 18, machine)
            path.write_bytes(data)
            self.refused(path, "unsupported-machine", name)


class Protected(Case):
    """What the runtime stands on: sound as it is, and nothing is to be done to it."""

    def test_each_verb_says_so(self):
        path = self.library("libev.so.4")
        self.refused(path, "protected", "libev.so.4")
        result = self.greenify("verify", "--json", path)
        checks = {row["name"]: row for row in json.loads(result.stdout)["files"][0]["checks"]}
        self.assertEqual(checks["redirected"]["verdict"], "skipped")
        self.assertIn("libev.so.4", checks["redirected"]["detail"])
        self.assertIn("[protected]", self.greenify("scan", path).stdout)
        self.greenify("revert", path, status=3)


class Edited(Case):
    """Patched, edited by another tool, patched for more: what a revert leads back to."""

    def test_revert_says_that_it_is_not_the_original(self):
        path = self.library()
        self.greenify("--hooks", "recv", path)
        subprocess.run(["strip", path], check=True)
        between = path.read_bytes()
        self.greenify(path)
        result = self.greenify("revert", "--json", path)
        self.assertEqual(path.read_bytes(), between)
        warning, = json.loads(result.stdout)["files"][0]["warnings"]
        self.assertIn("1 function redirected still", warning)
        self.greenify(path)
        result = self.greenify("revert", path)
        self.assertIn("state before the last patch restored (1 function of libc", result.stdout)
        self.assertNotIn("original", result.stdout)
        self.assertIn(warning, result.stderr)

    def test_revert_says_when_it_is_the_original(self):
        path = self.library()
        before = path.read_bytes()
        self.greenify("--hooks", "recv", path)
        self.greenify(path)
        result = self.greenify("revert", path)
        self.assertIn("original restored (2 functions of libc", result.stdout)
        self.assertEqual(result.stderr, "")
        self.assertEqual(path.read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
