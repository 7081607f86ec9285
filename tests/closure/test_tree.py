# SPDX-License-Identifier: MIT
"""greenify tree: all below a folder or nothing, and RECORD files that stay true."""

import json
import os
import pathlib
import pty
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["SOURCE_ROOT"]) / "tests/command"))
import package  # noqa: E402
from support import COMMAND, RUNTIME, Case, dynamic_imports, sha256, snapshot  # noqa: E402

HOOKED = "#include <poll.h>\nint wait_here(void) { return poll(0, 0, 1); }\n"
PLAIN = "int three(void) { return 3; }\n"


class Tree(Case):
    def setUp(self):
        super().setUp()
        self.site = self.folder / "site-packages"
        self.site.mkdir()

    def library(self, name, code=HOOKED, *flags):
        (self.site / name).parent.mkdir(parents=True, exist_ok=True)
        return super().library(f"site-packages/{name}", code, *flags)

    def tree(self, *options, **arguments):
        return self.greenify("tree", self.site, *options, **arguments)

    def report(self, *options, **arguments):
        return json.loads(self.tree("--json", *options, **arguments).stdout)

    def test_every_library_below_is_patched(self):
        one = self.library("one.so")
        two = self.library("deep/er/two.so.3")
        plain = self.library("plain.so", PLAIN)
        before = sha256(plain)
        (self.site / "text.so").write_text("no library\n")
        run = self.tree()
        self.assertIn("3 ELF files, 2 rewritten, 1 with nothing to do, 0 refused", run.stdout)
        for path in (one, two):
            self.assertIn("greenify_poll", dynamic_imports(path))
        self.assertEqual(sha256(plain), before)
        self.tree(status=3)

    def test_revert_gives_every_original_back(self):
        self.library("one.so")
        self.library("deep/two.so")
        package.install(self.site, {"three.so": self.library("three.so").read_bytes()})
        before = {path: sha256(path) for path in self.site.rglob("*") if path.is_file()}
        self.tree()
        self.assertNotEqual({path: sha256(path) for path in before}, before)
        self.tree("--revert")
        self.assertEqual({path: sha256(path) for path in before}, before)

    def test_record_stays_true(self):
        extension = self.folder / "extension.so"
        package.build_extension(extension)
        files = package.package_files(extension.read_bytes())
        package.install(self.site, files)
        record = self.site / package.INFO / "RECORD"
        before = record.read_text().splitlines()
        self.assertEqual(package.untrue_rows(self.site, record), [])
        report = self.report()
        self.assertEqual(report["records"], [{"file": str(record), "rows": 1}])
        self.assertEqual(package.untrue_rows(self.site, record), [])
        after = record.read_text().splitlines()
        changed = [line for line in after if line not in before]
        self.assertEqual(len(changed), 1)
        self.assertTrue(changed[0].startswith(package.EXTENSION))

    def installed_extension(self):
        extension = self.folder / "extension.so"
        package.build_extension(extension)
        package.install(self.site, package.package_files(extension.read_bytes()))
        record = self.site / package.INFO / "RECORD"
        self.assertEqual(package.untrue_rows(self.site, record), [])
        return self.site / package.EXTENSION, record

    def test_record_stays_true_when_one_file_is_patched_and_reverted(self):
        library, record = self.installed_extension()
        before = record.read_bytes()
        for patch, revert in (((library,), ("revert", library)),
                              (("tree", self.site), ("revert", library)),
                              ((library,), ("tree", "--revert", self.site))):
            with self.subTest(patch=patch[0], revert=revert[0]):
                run = self.greenify(*patch)
                self.assertIn(f"{record}: 1 row updated", run.stdout)
                self.assertEqual(package.untrue_rows(self.site, record), [])
                self.assertNotEqual(record.read_bytes(), before)
                run = self.greenify(*revert, "--json")
                self.assertEqual(json.loads(run.stdout)["records"],
                                 [{"file": str(record), "rows": 1}])
                self.assertEqual(record.read_bytes(), before)
                self.assertEqual(run.stderr, "")

    def test_record_of_what_is_copied_or_only_planned_stays(self):
        library, record = self.installed_extension()
        before = record.read_bytes()
        self.greenify("-n", library)
        self.greenify("-o", self.folder / "copy.so", library)
        self.assertEqual(record.read_bytes(), before)

    def test_record_that_is_true_for_the_original_is_left_alone_by_its_revert(self):
        library, record = self.installed_extension()
        before = record.read_bytes()
        self.greenify(library)
        record.write_bytes(before)
        run = self.greenify("revert", library)
        self.assertEqual((run.stderr, record.read_bytes()), ("", before))

    def test_record_of_another_package_cannot_stop_a_file(self):
        library, record = self.installed_extension()
        other = self.site / "other-1.0.dist-info"
        other.mkdir()
        (other / "RECORD").write_text('"no list\n')
        self.greenify(library)
        self.assertEqual(package.untrue_rows(self.site, record), [])
        record.write_text(f'"no list of {library.name}\n')
        before = snapshot(self.folder)
        run = self.greenify("revert", library, status=1)
        self.assertIn("is no list of files", run.stderr)
        self.assertEqual(snapshot(self.folder), before)

    def test_rows_that_lead_out_of_the_folder_and_back_are_found(self):
        library = self.library("bin/tool.so")
        text = f"../site-packages/./bin/tool.so,{package.row_sum(library.read_bytes())},1\n"
        (self.site / package.INFO).mkdir()
        record = self.site / package.INFO / "RECORD"
        record.write_text(text)
        self.tree()
        self.assertEqual(record.read_text().split(",")[1], package.row_sum(library.read_bytes()))

    def test_row_that_did_not_hold_is_left_alone(self):
        self.library("one.so")
        package.install(self.site, {"one.so": b"something else"})
        self.library("one.so")
        record = self.site / package.INFO / "RECORD"
        before = record.read_bytes()
        run = self.tree()
        self.assertIn("did not hold before", run.stderr)
        self.assertEqual(record.read_bytes(), before)

    def test_broken_record_stops_everything(self):
        self.library("one.so")
        (self.site / package.INFO).mkdir()
        for text in (b"one.so\n", b'"one.so,,\n', b"one.so,x,1\n", b"\0,,\n", b"a,,\na,,\n"):
            with self.subTest(text):
                (self.site / package.INFO / "RECORD").write_bytes(text)
                before = snapshot(self.site)
                self.assertIn("is no list of files", self.tree(status=1).stderr)
                self.assertEqual(snapshot(self.site), before)

    def test_refusals_are_counted_by_reason(self):
        good = self.library("good.so")
        (self.site / "cut.so").write_bytes(good.read_bytes()[:100])
        os.link(self.library("linked.so"), self.folder / "other-name.so")
        subprocess.run(["gcc", "-c", "-xc", "-", "-o", self.site / "object.o"],
                       input=HOOKED.encode(), check=True)
        report = self.report()
        self.assertEqual(report["status"], 0)
        self.assertEqual(report["refused"]["hard-linked"], 1)
        self.assertEqual(report["refused"]["unsupported-type"], 1)
        self.assertEqual(sum(report["refused"].values()), 3)
        self.assertIn("greenify_poll", dynamic_imports(good))
        self.assertIn("poll", dynamic_imports(self.site / "linked.so"))

    def test_strict_refuses_all_for_one(self):
        good = self.library("good.so")
        (self.site / "cut.so").write_bytes(good.read_bytes()[:100])
        before = snapshot(self.site)
        run = self.tree("--strict", status=1)
        self.assertIn("cut.so", run.stderr)
        self.assertIn("nothing was written", run.stderr)
        self.assertEqual(snapshot(self.site), before)

    def test_strict_takes_the_runtime_for_no_refusal(self):
        self.library("good.so")
        shutil.copy(RUNTIME / "libgreen.so.1", self.site / "libgreen.so.1")
        run = self.tree("--strict")
        self.assertEqual(run.stderr, "")
        self.assertIn("1 refused: protected", run.stdout)

    def test_hard_links_are_rewritten_when_asked(self):
        library = self.library("linked.so")
        other = self.folder / "cache.so"
        os.link(library, other)
        before = sha256(other)
        self.tree("--allow-hard-links")
        self.assertIn("greenify_poll", dynamic_imports(library))
        self.assertEqual(sha256(other), before)

    def test_symbolic_links_are_not_followed(self):
        outside = super().library("outside.so", HOOKED)
        before = sha256(outside)
        library = self.library("libx.so.1.2")
        (self.site / "libx.so.1").symlink_to("libx.so.1.2")
        (self.site / "outside.so").symlink_to(outside)
        (self.site / "loop").symlink_to(self.site)
        self.assertIn("1 ELF file, 1 rewritten", self.tree().stdout)
        self.assertEqual(sha256(outside), before)
        self.assertTrue((self.site / "libx.so.1").is_symlink())
        self.assertIn("greenify_poll", dynamic_imports(library))

    def test_dry_run_writes_nothing(self):
        self.library("one.so")
        before = snapshot(self.site)
        self.assertIn("1 would be rewritten", self.tree("-n").stdout)
        self.assertEqual(snapshot(self.site), before)

    def test_more_files_than_descriptors(self):
        one = self.library("one.so")
        for i in range(60):
            shutil.copy(one, self.site / f"copy{i}.so")
        script = f"ulimit -Sn 40 && exec {COMMAND} tree -q {self.site}"
        subprocess.run(["bash", "-c", script], check=True)
        self.assertIn("greenify_poll", dynamic_imports(self.site / "copy59.so"))

    def test_no_room_changes_nothing(self):
        self.library("one.so")
        package.install(self.site, {"two.so": self.library("two.so").read_bytes()})
        before = snapshot(self.site)
        run = subprocess.run(["bash", "-c", f"ulimit -f 4 && exec {COMMAND} tree {self.site}"],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("File too large", run.stderr)
        self.assertEqual(snapshot(self.site), before)

    def test_signal_changes_nothing(self):
        self.library("one.so")
        package.install(self.site, {"two.so": self.library("two.so").read_bytes()})
        before = snapshot(self.site)
        run = self.tree(status=1, preexec_fn=package.arrive_interrupted)
        self.assertIn("nothing was written", run.stderr)
        self.assertEqual(snapshot(self.site), before)

    def test_too_few_descriptors_change_nothing(self):
        one = self.library("one.so")
        for i in range(60):
            shutil.copy(one, self.site / f"copy{i}.so")
        before = snapshot(self.site)
        script = f"ulimit -n 40 && exec {COMMAND} tree -q {self.site}"
        run = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertEqual(run.stderr.count("Too many open files"), 1, run.stderr)
        self.assertEqual(snapshot(self.site), before)

    def test_folder_that_is_none(self):
        for path in (self.library("one.so"), "/dev/null"):
            self.assertIn("Not a directory", self.greenify("tree", path, status=1).stderr)
            os.path.isfile(path) and os.remove(path)
        self.assertIn("cannot be read", self.greenify("tree", "/nonexistent", status=1).stderr)
        self.greenify("tree", status=2)
        self.greenify("tree", self.site, self.site, status=2)
        self.assertIn("0 ELF files", self.tree(status=3).stdout)

    def test_progress_is_for_terminals_only(self):
        one = self.library("one.so")
        for i in range(200):
            shutil.copy(one, self.site / f"copy{i:03}.so")
        self.assertEqual(self.tree("-n").stderr, "")
        parent, child = pty.openpty()
        subprocess.run([COMMAND, "tree", "-n", "-q", self.site], stderr=child, check=True)
        os.close(child)
        os.set_blocking(parent, False)
        with self.assertRaises(OSError):  # -q: nothing, and the terminal is closed
            self.assertEqual(os.read(parent, 4096), b"")
            os.read(parent, 4096)
        os.close(parent)


if __name__ == "__main__":
    unittest.main()
