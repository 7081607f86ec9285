# SPDX-License-Identifier: MIT
"""Calls that end before they look at their files: under --json there is one object all the same."""

import json
import os
import unittest

from support import Case

CODE = "int poll(void *, unsigned long, int);\nint call(void) { return poll(0, 0, 0); }\n"


class Stopped(Case):
    def stopped(self, *arguments):
        """The report, and what it says is wrong, which the message says too."""
        run = self.greenify(arguments[0], "--json", *arguments[1:], status=1)
        report = json.loads(run.stdout)
        self.assertEqual((report["version"], report["verb"], report["status"]),
                         (1, arguments[0], 1), run.stdout)
        error = report.get("error") or report["files"][0]["error"]
        self.assertIn(f"{error['message']} [{error['code']}]", run.stderr)
        return report, error

    def test_a_target_that_cannot_be(self):
        path = self.library("a.so", CODE)
        missing = self.folder / "missing"
        # Of the test's own, as root could lose a device node to a fault in the command.
        os.mkfifo(self.folder / "fifo")
        for verb in ("patch", "revert"):
            for option, place in (("-o", self.folder / "fifo"), ("-o", self.folder), ("-d", missing),
                                  ("-o", path)):
                with self.subTest(verb, option=option, place=place):
                    report, error = self.stopped(verb, option, place, path)
                    self.assertEqual(error["code"], "target")
                    self.assertEqual(error["file"], str(place))
                    self.assertEqual(report["files"], [])
                    self.assertIs(report["dry_run"], False)

    def test_two_inputs_for_one_copy(self):
        path = self.library("a.so", CODE)
        _, error = self.stopped("patch", "-d", self.folder.parent, path, path)
        self.assertEqual((error["code"], error["file"]), ("target", str(path)))

    def test_a_closure_without_its_file(self):
        path = self.library("a.so", CODE)
        for verb in ("patch", "revert", "verify", "scan"):
            with self.subTest(verb):
                report, error = self.stopped(verb, "--deps", self.folder / "no.so", path)
                self.assertEqual((error["code"], error["errno"]), ("system", 2))
                self.assertEqual(report["files"][0]["file"], str(self.folder / "no.so"))

    def test_a_tree_that_is_none(self):
        report, error = self.stopped("tree", self.folder / "no")
        self.assertEqual((error["code"], error["file"]), ("system", str(self.folder / "no")))
        self.assertEqual((report["files"], report["records"]), ([], []))

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_a_tree_that_may_not_be_read(self):
        (self.folder / "closed").mkdir(mode=0)
        _, error = self.stopped("tree", self.folder)
        self.assertEqual(error["code"], "system")

    def test_a_wheel_for_no_folder(self):
        _, error = self.stopped("wheel", "-d", self.folder / "no", self.folder / "a.whl")
        self.assertEqual((error["code"], error["file"]), ("target", str(self.folder / "no")))


if __name__ == "__main__":
    unittest.main()
