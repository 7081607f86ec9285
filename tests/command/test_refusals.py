# SPDX-License-Identifier: MIT
"""Input that cannot be handled: one message, the documented status, nothing changed."""

import os
import struct
import subprocess
import unittest

from support import COMMAND, NOBODY, Case, library_path, sha256, snapshot

CLIENT = """
#include <sys/socket.h>
long fetch(int fd, void *data) { return recv(fd, data, 10, 0) + 1; }
"""

E_IDENT_CLASS = 4
E_IDENT_DATA = 5
E_MACHINE = 18
EM_MIPS = 8


class Refusals(Case):
    def write(self, name, contents):
        path = self.folder / name
        path.write_bytes(contents)
        return path

    def edited(self, name, offset, contents):
        """A sound library with some bytes of its header changed."""
        path = self.library(name, CLIENT)
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(contents)
        return path

    def test_text(self):
        self.assert_refused(self.write("a.txt", b"no library\n" * 100), "[not-elf]")

    def test_empty_file(self):
        self.assert_refused(self.write("empty", b""))

    def test_executable_script(self):
        path = self.write("script", b"#!/bin/sh\nexit 0\n")
        path.chmod(0o755)
        self.assert_refused(path, "[not-elf]")

    def test_folder(self):
        path = self.folder / "sub"
        path.mkdir()
        self.assert_refused(path, "[not-regular]")

    def test_device_and_fifo(self):
        path = self.folder / "fifo"
        os.mkfifo(path)
        self.assert_refused(path, "[not-regular]")
        run = self.greenify("/dev/null", status=1)
        self.assert_one_message(run, "/dev/null", "[not-regular]")

    def test_missing_file(self):
        path = self.folder / "missing.so"
        self.assert_refused(path, "No such file or directory")

    def test_link_to_nowhere(self):
        path = self.folder / "link"
        path.symlink_to("nowhere")
        self.assert_refused(path, "No such file or directory")

    def test_static_archive(self):
        path = self.folder / "a.a"
        subprocess.run(["gcc", "-c", "-xc", "-", "-o", self.folder / "a.o"],
                       input=CLIENT.encode(), check=True)
        subprocess.run(["ar", "rc", path, self.folder / "a.o"], check=True)
        self.assert_refused(path, "[archive]")

    def test_relocatable_object(self):
        path = self.folder / "a.o"
        subprocess.run(["gcc", "-c", "-xc", "-", "-o", path], input=CLIENT.encode(), check=True)
        self.assert_refused(path, "[unsupported-type]")

    def test_machine_with_another_class(self):
        path = self.edited("a.so", E_IDENT_CLASS, b"\1")
        self.assert_refused(path, "[unsupported-class]")

    def test_unknown_byte_order(self):
        self.assert_refused(self.edited("a.so", E_IDENT_DATA, b"\3"), "[unsupported-byte-order]")

    def test_machine_that_is_not_supported(self):
        path = self.edited("a.so", E_MACHINE, struct.pack("<H", EM_MIPS))
        self.assert_refused(path, "[unsupported-machine]")

    def test_static_program(self):
        path = self.folder / "program"
        subprocess.run(["gcc", "-static", "-nostdlib", "-xc", "-", "-o", path],
                       input=b"void _start(void) { for (;;); }", check=True)
        self.assert_refused(path)

    def test_c_library_is_protected(self):
        path = self.copy("libc.so.6")
        self.assert_refused(path, "[protected]", verbs=["patch"])

    def test_unreadable_file(self):
        path = self.library("a.so", CLIENT)
        original = sha256(path)
        path.chmod(0)
        self.assert_refused(path, "Permission denied", **self.as_ordinary_user())
        path.chmod(0o600)
        self.assertEqual(sha256(path), original)

    def test_folder_without_permission_to_write(self):
        path = self.library("a.so", CLIENT)
        path.chmod(0o644)
        self.folder.chmod(0o555)
        self.assert_refused(path, "Permission denied", verbs=["patch"], **self.as_ordinary_user())

    def as_ordinary_user(self):
        """How to run the command by somebody who is not above permissions."""
        if os.geteuid() != 0:
            return {}
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        try:
            subprocess.run([COMMAND, "--version"], check=True, capture_output=True, **user)
        except OSError as error:
            self.skipTest(f"another user cannot run the command: {error}")
        return user

    def test_small_library_cut_at_every_place(self):
        whole = self.library("whole.so", CLIENT).read_bytes()
        lengths = [*range(0, 128), *range(128, len(whole) - 1, 331), len(whole) - 1]
        self.check_cuts(whole, lengths)

    def test_real_library_cut_at_many_places(self):
        with open(library_path("libmariadb.so.3"), "rb") as file:
            whole = file.read()
        step = len(whole) // 40
        self.check_cuts(whole, [*range(4096, len(whole) - 1, step), len(whole) - 64,
                                len(whole) - 1])

    def check_cuts(self, whole, lengths):
        path = self.folder / "cut.so"
        for length in lengths:
            with self.subTest(length=length):
                path.write_bytes(whole[:length])
                before = snapshot(self.folder)
                self.assert_one_message(self.greenify(path, status=1), path)
                self.assertEqual(snapshot(self.folder), before)
                for verb in ("scan", "verify", "revert"):
                    if length % 7 == 0:
                        self.assert_one_message(self.greenify(verb, path, status=1), path)


if __name__ == "__main__":
    unittest.main()
