# SPDX-License-Identifier: MIT
"""Folders and files that make writing hard, and two at once."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import injection
import states

MASTERS = None
MEMORY = "/dev/shm"


def setUpModule():
    global MASTERS
    MASTERS = states.Masters()
    unittest.addModuleCleanup(MASTERS.remove)


class Places(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-places-"))
        self.folder.chmod(0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def library(self, name="a.so"):
        MASTERS.put(self.folder / name)
        return self.folder / name

    def greenify(self, *arguments, status=0, **options):
        run = injection.command(arguments, **options)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def greenify_as(self, user, *arguments, **options):
        """As somebody who may not look into the folder that the command was built in."""
        with tempfile.TemporaryDirectory(prefix="greenify-command-") as folder:
            program = shutil.copy(injection.COMMAND, folder)
            os.chmod(folder, 0o755)
            return self.greenify(*arguments, program=program, cwd=folder, user=user, group=user,
                                 extra_groups=[], **options)

    def assert_only_contents_differ(self, before, after):
        self.assertNotEqual(before[0], after[0])
        self.assertEqual(before[1:], after[1:])

    # --- what a file carries

    def test_mode_owner_times_attributes_lists_and_capabilities_stay(self):
        path = self.library()
        before = states.state(path)
        if set(states.ATTRIBUTES) - set(before[-1]):
            self.skipTest("this file system has no such attributes")
        self.greenify(path)
        self.assert_only_contents_differ(before, states.state(path))
        self.greenify("revert", path)
        self.assertEqual(states.state(path), before)

    def test_a_copy_carries_the_same(self):
        path = self.library()
        copy = self.folder / "b.so"
        self.greenify("-o", copy, path)
        self.assert_only_contents_differ(states.state(path), states.state(copy))

    def test_the_set_id_bits_stay(self):
        path = self.library()
        path.chmod(0o6755)
        before = states.state(path)
        self.greenify(path)
        self.assert_only_contents_differ(before, states.state(path))

    def test_a_copy_on_another_file_system(self):
        if os.stat(MEMORY).st_dev == self.folder.stat().st_dev:
            self.skipTest(f"{MEMORY} is no other file system")
        path = self.library()
        with tempfile.TemporaryDirectory(prefix="greenify-places-", dir=MEMORY) as other:
            copy = pathlib.Path(other) / "b.so"
            self.greenify("-o", copy, path)
            self.assertEqual([copy], list(pathlib.Path(other).iterdir()))
            here, there = states.state(path), states.state(copy)
            # tmpfs has no attributes of users, before Linux 6.6.
            self.assertEqual(here[1:5], there[1:5])
            self.assertLessEqual(there[5].items(), here[5].items())
            self.assertIn("system.posix_acl_access", there[5])
            self.greenify("revert", "-o", pathlib.Path(other) / "c.so", copy)
            self.assertEqual(states.state(pathlib.Path(other) / "c.so")[0], here[0])

    def test_a_hard_link_and_a_symbolic_link(self):
        path = self.library()
        link = self.folder / "link.so"
        link.symlink_to("a.so")
        before = states.states(self.folder)
        os.link(path, self.folder / "other.so")
        run = self.greenify(link, status=1)
        self.assertIn("[hard-linked]", run.stderr)
        (self.folder / "other.so").unlink()
        self.assertEqual(states.states(self.folder), before)
        self.greenify(link)
        self.assertTrue(link.is_symlink())
        self.assert_only_contents_differ(before["a.so"], states.state(path))

    # --- folders

    @unittest.skipUnless(os.getuid() == 0, "only root becomes somebody else")
    def test_a_folder_that_may_not_be_written(self):
        path = self.library()
        before = states.states(self.folder)
        run = self.greenify_as(states.NOBODY, path, status=1)
        self.assertEqual(len(run.stderr.splitlines()), 1)
        self.assertTrue(injection.told("EACCES", run.stderr), run.stderr)
        self.assertEqual(states.states(self.folder), before)

    @unittest.skipUnless(os.getuid() == 0, "only root becomes somebody else")
    def test_a_copy_that_somebody_else_makes(self):
        """The owner cannot stay; nor, then, the set-id bits and what only root may grant."""
        path = self.library()
        path.chmod(0o6755)
        target = self.folder / "copies"
        target.mkdir()
        os.chown(target, 12345, 12345)
        self.greenify_as(12345, "-d", target, path)
        status = (target / "a.so").stat()
        self.assertEqual((status.st_uid, status.st_mode & 0o7777), (12345, 0o755))
        attributes = os.listxattr(target / "a.so")
        self.assertNotIn("security.capability", attributes)
        self.assertIn("user.greenify", attributes)

    @unittest.skipUnless(os.getuid() == 0, "only root mounts")
    def test_a_full_file_system(self):
        path = self.library()
        mounted = self.folder / "small"
        mounted.mkdir()
        # The name space goes with the shell, and the mount with it.
        script = f"""mount -t tmpfs -o size=64k none {mounted} || exit 99
            cp -a {path} {mounted}/a.so
            head -c 60k /dev/zero > {mounted}/filler 2>/dev/null
            sum=$(sha256sum < {mounted}/a.so)
            {injection.COMMAND} {mounted}/a.so
            status=$?
            test "$(sha256sum < {mounted}/a.so)" = "$sum" || exit 98
            test "$(ls -A {mounted} | wc -l)" = 2 || exit 97
            exit $status"""
        run = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True,
                             text=True, timeout=60)
        if run.returncode == 99 or "unshare" in run.stderr:
            self.skipTest("nothing can be mounted here: " + run.stderr.strip())
        self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
        self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
        self.assertTrue(injection.told("ENOSPC", run.stderr), run.stderr)

    # --- large files, on which two threads work

    def large(self):
        path = self.library("large.so")
        extra = self.folder / "extra"
        # Not zeros: a hole would be left out.
        extra.write_bytes(os.urandom(1 << 16) * 512)
        subprocess.run(["objcopy", "--add-section", f".extra={extra}", path], check=True)
        extra.unlink()
        return path

    def inject(self, path, call, what):
        return injection.command([path], ["-o", "/dev/null", "-e", f"trace={call}", "-e",
                                          f"inject={call}:{what}"])

    def test_a_large_file_that_cannot_be_written_or_read(self):
        if injection.works() is not None:
            self.skipTest(injection.works())
        path = self.large()
        before = states.states(self.folder)
        for call, error, numbers in (("pwrite64", "ENOSPC", (1, 3, 9)),
                                     ("pread64", "EIO", (3, 12, 24))):
            for first in numbers:  # of each thread
                with self.subTest(f"{error} from {call} {first} on"):
                    run = self.inject(path, call, f"error={error}:when={first}+")
                    self.assertEqual(run.returncode, 1, run.stdout + run.stderr)
                    self.assertEqual(len(run.stderr.splitlines()), 1, run.stderr)
                    self.assertTrue(injection.told(error, run.stderr), run.stderr)
                    self.assertEqual(states.states(self.folder), before)

    def test_a_large_file_without_a_second_thread(self):
        if injection.works() is not None:
            self.skipTest(injection.works())
        path = self.large()
        original = states.state(path)
        self.greenify(path)
        patched = states.state(path)
        self.greenify("revert", path)
        self.assertEqual(states.state(path), original)
        run = self.inject(path, "clone3", "error=EAGAIN:when=1+")
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertEqual(states.state(path), patched)

    # --- two at once

    def test_two_at_once_on_one_file(self):
        """One changes the file; the other finds it changed, or done."""
        path = self.library()
        before = states.state(path)
        self.greenify(path)
        after = states.state(path)
        self.greenify("revert", path)
        for _ in range(20):
            pair = [subprocess.Popen([injection.COMMAND, path], stdout=subprocess.DEVNULL,
                                     stderr=subprocess.PIPE, text=True) for _ in range(2)]
            messages = [process.communicate(timeout=60)[1] for process in pair]
            statuses = sorted(process.returncode for process in pair)
            self.assertIn(statuses, ([0, 0], [0, 1], [0, 3]), messages)
            if 1 in statuses:
                self.assertIn("changed-since", "".join(messages))
            self.assertEqual(states.states(self.folder), {"a.so": after})
            self.greenify("revert", path)
            self.assertEqual(states.state(path), before)

    def test_a_process_that_has_the_old_file_goes_on(self):
        path = self.library()
        contents = path.read_bytes()
        with open(path, "rb") as file:
            self.greenify(path)
            self.assertEqual(file.read(), contents)


if __name__ == "__main__":
    unittest.main(verbosity=2)
