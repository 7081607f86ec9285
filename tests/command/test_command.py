# SPDX-License-Identifier: MIT
"""The command on libraries that are what they should be: Debian's own, and small ones."""

import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import time
import unittest

from support import (COMMAND, REAL_LIBRARIES, Case, default_groups, dynamic_imports, hook_names,
                     runtime_folder, sha256, snapshot)

CLIENT = """
#include <sys/socket.h>
#include <unistd.h>
long fetch(int fd, void *data) { return recv(fd, data, 10, 0) + 1; }
long fetch_more(int fd, void *data) { return recv(fd, data, 20, 0) + 2; }
unsigned doze(void) { return sleep(1) + 1; }
"""

POINTERS = """
#include <sys/socket.h>
long (*const table[])(int, void *, unsigned long, int) = { (void *)recv };
"""

STRIP_TOOLS = {
    "strip": ["strip"],
    "strip -g": ["strip", "-g"],
    "objcopy": ["objcopy"],
    "eu-strip": ["eu-strip"],
    "llvm-strip": ["llvm-strip"],
}


def redirected(path):
    return {name for name in dynamic_imports(path) if name.startswith("greenify_")}


def for_each_library(test):
    """Runs a test once for a copy of each of Debian's libraries."""

    @functools.wraps(test)
    def run(self):
        for soname in REAL_LIBRARIES:
            with self.subTest(soname):
                test(self, self.copy(soname))

    return run


def hooked(path):
    return dynamic_imports(path) & set(hook_names(default_groups()))


class RealLibraries(Case):
    """Debian's client libraries."""

    def setUp(self):
        super().setUp()
        (self.folder / "runtime").mkdir()
        self.loader = dict(os.environ,
                           LD_LIBRARY_PATH=str(runtime_folder(self.folder / "runtime")))

    @for_each_library
    def test_patch_redirects_every_hooked_import(self, path):
        wanted = hooked(path)
        run = self.greenify(path)
        self.assertEqual(run.stderr, "")
        self.assertEqual(len(run.stdout.splitlines()), 1)
        self.assertIn(f"{len(wanted)} function", run.stdout)
        self.assertEqual(hooked(path), set())
        self.assertEqual(redirected(path), {f"greenify_{name}" for name in wanted})
        self.greenify("verify", "--load", path, env=self.loader)

    @for_each_library
    def test_revert_gives_the_original_back(self, path):
        path.chmod(0o640)
        os.utime(path, ns=(1_000_000_001, 1_600_000_000_123_456_789))
        before = path.stat()
        original = sha256(path)
        self.greenify(path)
        self.assertNotEqual(sha256(path), original)
        self.assertEqual(path.stat().st_mode, before.st_mode)
        run = self.greenify("revert", path)
        self.assertIn("original restored", run.stdout)
        self.assertEqual(sha256(path), original)
        self.assertEqual(path.stat().st_mode, before.st_mode)
        self.assertEqual(path.stat().st_mtime_ns, before.st_mtime_ns)
        self.assertEqual(path.stat().st_uid, before.st_uid)

    @for_each_library
    def test_patching_twice_changes_nothing(self, path):
        self.greenify(path)
        before = snapshot(self.folder)
        run = self.greenify(path, status=3)
        self.assert_one_message(run, path, "redirected already")
        self.assertEqual(snapshot(self.folder), before)

    @for_each_library
    def test_elflint_says_no_more_than_before(self, path):
        def lint():
            return subprocess.run(["eu-elflint", "--gnu-ld", path], capture_output=True,
                                  text=True).stdout

        before = lint()
        self.greenify(path)
        self.assertEqual(lint(), before)

    @for_each_library
    def test_strip_tools_keep_the_redirection(self, path):
        self.greenify(path)
        names = redirected(path)
        for label, tool in STRIP_TOOLS.items():
            with self.subTest(f"{path.name}, {label}"):
                stripped = self.folder / "stripped"
                shutil.copy2(path, stripped)
                subprocess.run([*tool, stripped], check=True)
                self.assertEqual(redirected(stripped), names)
                self.greenify("verify", "--load", stripped, env=self.loader)

    @for_each_library
    def test_verify_finds_what_is_not_redirected(self, path):
        run = self.greenify("verify", path, status=1)
        self.assert_one_message(run, path, "not sound")
        self.assertRegex(run.stdout, r"(?m)^  fault ")

    @for_each_library
    def test_scan_lists_every_hooked_import(self, path):
        run = self.greenify("scan", path)
        listed = re.findall(r"^  (\w+)(?:@\w\S*)?: patchable$", run.stdout, re.M)
        self.assertEqual(set(listed), hooked(path))


class SmallLibraries(Case):
    """What must be in the report, where it is known from the source."""

    def scan(self, path, *options):
        report = json.loads(self.greenify("scan", "--json", *options, path).stdout)
        self.assertEqual(report["files"][0]["file"], str(path))
        return {entry["name"]: entry for entry in report["files"][0]["imports"]}

    def test_scan_names_relocations_and_callers(self):
        imports = self.scan(self.library("a.so", CLIENT))
        self.assertEqual(set(imports), {"recv", "sleep"})
        recv = imports["recv"]
        self.assertEqual([entry["kind"] for entry in recv["relocations"]], ["JUMP_SLOT"])
        self.assertEqual({site["function"] for site in recv["call_sites"]},
                         {"fetch", "fetch_more"})
        self.assertEqual({site["function"] for site in imports["sleep"]["call_sites"]}, {"doze"})
        self.assertTrue(recv["version"].startswith("GLIBC_"))
        self.assertEqual(recv["state"], "patchable")

    def test_scan_finds_calls_without_a_linkage_table(self):
        imports = self.scan(self.library("a.so", CLIENT, "-fno-plt"))
        self.assertEqual([entry["kind"] for entry in imports["recv"]["relocations"]],
                         ["GLOB_DAT"])
        self.assertEqual({site["function"] for site in imports["recv"]["call_sites"]},
                         {"fetch", "fetch_more"})

    def test_scan_finds_pointers_in_tables(self):
        imports = self.scan(self.library("a.so", POINTERS))
        self.assertEqual([entry["kind"] for entry in imports["recv"]["relocations"]], ["ABS64"])

    def test_scan_as_text_names_callers_once(self):
        path = self.library("a.so", CLIENT)
        text = self.greenify("scan", path).stdout
        self.assertEqual(text.count("called by fetch, fetch_more\n"), 1)
        self.assertEqual(text.count("JUMP_SLOT at 0x"), 2)
        self.assertIn("2 hooked imports, not patched", text)
        verbose = self.greenify("scan", "-v", path).stdout
        self.assertEqual(len(re.findall(r"^    call at 0x[0-9a-f]+ in fetch", verbose, re.M)), 2)
        self.assertIn("needs libc.so.6", verbose)

    def test_scan_of_a_patched_library_says_so(self):
        path = self.library("a.so", CLIENT)
        self.greenify("--hooks", "recv", path)
        imports = self.scan(path)
        self.assertEqual(imports["recv"]["state"], "patched")
        self.assertEqual(imports["sleep"]["state"], "patchable")
        self.assertIn("1 hooked import, patched, can be reverted",
                      self.greenify("scan", "--hooks", "recv", path).stdout)

    def test_hooks_choose_what_is_redirected(self):
        path = self.library("a.so", CLIENT)
        self.greenify("--hooks", "-recv", path)
        self.assertEqual(redirected(path), {"greenify_sleep"})

    def test_more_hooks_later_and_back_to_the_very_original(self):
        path = self.library("a.so", CLIENT)
        original = sha256(path)
        self.greenify("--hooks", "time", path)
        self.greenify(path)
        self.assertEqual(redirected(path), {"greenify_sleep", "greenify_recv"})
        self.greenify("verify", path)
        self.greenify("revert", path)
        self.assertEqual(sha256(path), original)

    def test_runtime_is_recorded_as_given(self):
        path = self.library("a.so", CLIENT)
        self.greenify("--runtime", "$ORIGIN/libmine.so", path)
        dynamic = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True).stdout
        self.assertIn("[$ORIGIN/libmine.so]", dynamic)
        run = self.greenify(path, status=1)
        self.assert_one_message(run, path, "[other-runtime]")

    def test_verify_prints_a_row_for_each_check(self):
        path = self.library("a.so", CLIENT)
        self.greenify(path)
        run = self.greenify("verify", path)
        lines = run.stdout.splitlines()
        self.assertEqual(lines[0], f"{path}:")
        self.assertGreater(len(lines), 3)
        for line in lines[1:]:
            self.assertRegex(line, r"^  (pass|skipped) +[a-z]")

    def test_verify_load_needs_the_runtime(self):
        path = self.library("a.so", CLIENT)
        self.greenify("--runtime", "libnowhere.so.1", path)
        run = self.greenify("verify", "--load", "--runtime", "libnowhere.so.1", path, status=1)
        self.assertIn("libnowhere.so.1", run.stdout + run.stderr)

    def test_verify_load_binds_into_the_runtime(self):
        path = self.library("a.so", CLIENT)
        self.greenify(path)
        loader = dict(os.environ, LD_LIBRARY_PATH=str(runtime_folder(self.folder)))
        self.greenify("verify", "--load", path, env=loader)

    def test_verify_load_survives_a_library_that_crashes(self):
        path = self.library("a.so", CLIENT + """
        __attribute__((constructor)) static void crash(void) { __builtin_trap(); }
        """)
        self.greenify(path)
        loader = dict(os.environ, LD_LIBRARY_PATH=str(runtime_folder(self.folder)))
        run = self.greenify("verify", "--load", path, status=1, env=loader)
        self.assertIn(str(path), run.stderr)

    def test_revert_refuses_what_was_edited_since(self):
        path = self.library("a.so", CLIENT, "-g")
        self.greenify(path)
        subprocess.run(["strip", "-g", path], check=True)
        self.assert_refused(path, "[changed-since]", verbs=["revert"])

    def test_revert_of_a_file_never_patched_is_nothing(self):
        path = self.library("a.so", CLIENT)
        before = snapshot(self.folder)
        self.assert_one_message(self.greenify("revert", path, status=3), path, "never patched")
        self.assertEqual(snapshot(self.folder), before)

    def test_library_with_nothing_to_hook(self):
        path = self.library("a.so", "int one(void) { return 1; }")
        before = snapshot(self.folder)
        run = self.greenify(path, status=3)
        self.assert_one_message(run, path, "imports none of the chosen functions")
        self.assertEqual(run.stdout, "")
        self.greenify("-o", self.folder / "b.so", path, status=3)
        self.assertIn("0 hooked imports", self.greenify("scan", path, status=3).stdout)
        self.assertEqual(self.greenify("-q", path, status=3).stderr, "")
        self.assertEqual(snapshot(self.folder), before)


class Places(Case):
    """Where results go, and where they must not."""

    def test_output_leaves_the_input(self):
        path = self.library("a.so", CLIENT)
        before = snapshot(self.folder)
        copy = self.folder / "b.so"
        run = self.greenify("-o", copy, path)
        self.assertIn(f"{path} -> {copy}: 2 functions redirected", run.stdout)
        self.assertEqual(len(redirected(copy)), 2)
        self.assertEqual(copy.stat().st_mode, path.stat().st_mode)
        back = self.folder / "c.so"
        self.greenify("revert", "-o", back, copy)
        self.assertEqual(sha256(back), sha256(path))
        copy.unlink()
        back.unlink()
        self.assertEqual(snapshot(self.folder), before)

    def test_folder_receives_copies(self):
        first = self.library("a.so", CLIENT)
        second = self.library("b.so", CLIENT)
        before = snapshot(self.folder)
        target = self.folder / "copies"
        target.mkdir()
        self.greenify("-d", target, first, second)
        self.assertEqual(sorted(path.name for path in target.iterdir()), ["a.so", "b.so"])
        self.assertEqual(len(redirected(target / "b.so")), 2)
        shutil.rmtree(target)
        self.assertEqual(snapshot(self.folder), before)

    def test_copy_needs_no_permission_on_the_input(self):
        path = self.library("a.so", CLIENT)
        path.chmod(0o444)
        self.greenify("-o", self.folder / "b.so", path)
        self.assertEqual((self.folder / "b.so").stat().st_mode & 0o777, 0o444)

    def test_folder_that_is_none(self):
        path = self.library("a.so", CLIENT)
        before = snapshot(self.folder)
        for target in (self.folder / "missing", path):
            self.assert_one_message(self.greenify("-d", target, path, status=1), target)
        self.assertEqual(snapshot(self.folder), before)

    def test_copy_onto_the_input_is_refused(self):
        path = self.library("a.so", CLIENT)
        before = snapshot(self.folder)
        self.assert_one_message(self.greenify("-d", self.folder, path, status=1), path)
        self.assert_one_message(self.greenify("-o", path, path, status=1), path)
        self.assertEqual(snapshot(self.folder), before)

    def test_dry_run_writes_nothing(self):
        path = self.library("a.so", CLIENT)
        before = snapshot(self.folder)
        run = self.greenify("-n", path)
        self.assertIn("2 functions would be redirected", run.stdout)
        self.greenify("--dry-run", "-o", self.folder / "b.so", path)
        self.assertEqual(snapshot(self.folder), before)
        self.greenify(path)
        before = snapshot(self.folder)
        self.greenify("-n", path, status=3)
        self.assertIn("would be restored", self.greenify("revert", "-n", path).stdout)
        self.assertEqual(snapshot(self.folder), before)

    def test_link_stays_a_link(self):
        path = self.library("a.so.1", CLIENT)
        link = self.folder / "a.so"
        link.symlink_to("a.so.1")
        self.greenify(link)
        self.assertTrue(link.is_symlink())
        self.assertEqual(len(redirected(path)), 2)

    def test_library_and_its_links_are_one_file(self):
        path = self.library("a.so.1", CLIENT)
        original = sha256(path)
        link = self.folder / "a.so"
        link.symlink_to("a.so.1")
        run = self.greenify(link, path)
        self.assertEqual(len(run.stdout.splitlines()), 1)
        self.greenify("revert", link, path)
        self.assertEqual(sha256(path), original)

    def test_hard_links_are_refused_unless_asked_for(self):
        path = self.library("a.so", CLIENT)
        other = self.folder / "b.so"
        os.link(path, other)
        original = sha256(path)
        before = snapshot(self.folder)
        self.assert_one_message(self.greenify(path, status=1), path, "[hard-linked]")
        self.assertEqual(snapshot(self.folder), before)
        self.greenify("--allow-hard-links", path)
        self.assertEqual(len(redirected(path)), 2)
        self.assertEqual(sha256(other), original)

    def test_overlay_is_refused_unless_asked_for(self):
        path = self.library("a.so", CLIENT)
        with open(path, "ab") as file:
            file.write(b"payload" * 100)
        original = sha256(path)
        self.assert_refused(path, "[overlay]", verbs=["patch"])
        self.greenify("--allow-overlay", path)
        self.assertTrue(path.read_bytes().endswith(b"payload" * 100))
        self.greenify("revert", path)
        self.assertEqual(sha256(path), original)

    def test_name_with_a_dash_and_name_of_a_verb(self):
        for name in ("-n", "scan"):
            self.library(name, CLIENT)
            self.greenify("--", name, cwd=self.folder)
            self.assertEqual(len(redirected(self.folder / name)), 2)

    def test_strange_name_stays_one_line(self):
        name = self.folder / "new\nline\033[1m"
        name.write_text("no library")
        run = self.greenify(name, status=1)
        self.assertEqual(len(run.stderr.splitlines()), 1)
        self.assertNotIn("\033", run.stderr)
        self.assertIn("new\\012line\\033[1m", run.stderr)


class Transactions(Case):
    """Several files: all or none."""

    def test_second_file_that_is_bad_keeps_the_first_as_it_was(self):
        good = self.library("a.so", CLIENT)
        bad = self.folder / "b.so"
        bad.write_text("no library")
        before = snapshot(self.folder)
        run = self.greenify(good, bad, status=1)
        self.assert_one_message(run, bad, "[not-elf]")
        self.assertIn(f"{good}: left as it was", run.stdout)
        self.assertEqual(snapshot(self.folder), before)

    def test_copies_are_all_or_none_too(self):
        good = self.library("a.so", CLIENT)
        bad = self.folder / "b.so"
        bad.write_text("no library")
        target = self.folder / "copies"
        target.mkdir()
        self.greenify("-d", target, good, bad, status=1)
        self.assertEqual(list(target.iterdir()), [])

    def test_revert_is_all_or_none(self):
        first = self.library("a.so", CLIENT)
        second = self.library("b.so", CLIENT, "-g")
        self.greenify(first, second)
        subprocess.run(["strip", "-g", second], check=True)
        before = snapshot(self.folder)
        self.assert_one_message(self.greenify("revert", first, second, status=1), second)
        self.assertEqual(snapshot(self.folder), before)

    def test_nothing_to_do_for_one_is_no_failure(self):
        first = self.library("a.so", "int one(void) { return 1; }")
        second = self.library("b.so", CLIENT)
        self.assert_one_message(self.greenify(first, second), first, "nothing to do")
        self.assertEqual(len(redirected(second)), 2)

    def test_signal_leaves_all_or_none_and_no_litter(self):
        paths = [self.copy("libcrypto.so.3", f"{i}.so") for i in range(8)]
        original = sha256(paths[0])
        names = {path.name for path in paths}
        for delay in (0.01, 0.05, 0.1, 0.2):
            with subprocess.Popen([COMMAND, *paths], stdout=subprocess.PIPE) as process:
                time.sleep(delay)
                process.send_signal(signal.SIGTERM)
                process.communicate()
            self.assertIn(process.returncode, (0, -signal.SIGTERM))
            self.assertEqual({path.name for path in self.folder.iterdir()}, names)
            patched = [sha256(path) != original for path in paths]
            self.assertIn(patched, ([True] * 8, [False] * 8))
            if all(patched):
                return

    def test_no_room_on_the_device(self):
        path = self.copy("libcrypto.so.3")
        before = snapshot(self.folder)
        run = self.greenify(path, status=1, preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (100_000, 100_000)))
        self.assert_one_message(run, path, "[system]")
        self.assertEqual(snapshot(self.folder), before)


class Reports(Case):
    """--json, -q, -v, and a standard output that cannot take them."""

    def test_json_of_patch_has_its_keys(self):
        path = self.library("a.so", CLIENT)
        run = self.greenify("--json", path)
        report = json.loads(run.stdout)
        self.assertEqual(set(report), {"version", "verb", "dry_run", "files", "status"})
        self.assertEqual((report["version"], report["verb"], report["status"]), (1, "patch", 0))
        (entry,) = report["files"]
        self.assertEqual(set(entry), {"file", "output", "outcome", "machine", "layout",
                                      "needed_slot", "redirected", "relocations", "size_before",
                                      "size_after", "names", "warnings"})
        self.assertEqual(entry["names"], ["recv", "sleep"])
        self.assertEqual((entry["redirected"], entry["relocations"]), (2, 2))
        self.assertEqual((entry["outcome"], entry["machine"]), ("written", "x86-64"))
        self.assertIn(entry["layout"], ("cave", "extension"))
        self.assertEqual(entry["size_after"], path.stat().st_size)

    def test_json_of_every_outcome(self):
        path = self.library("a.so", CLIENT)
        bad = self.folder / "b.so"
        bad.write_text("no library")
        steps = (
            ([path, bad], 1, ["discarded", "failed"]),
            (["-n", path, path], 0, ["planned", "repeated"]),
            ([path], 0, ["written"]),
            ([path], 3, ["nothing"]),
            (["revert", path], 0, ["written"]),
            (["revert", path], 3, ["nothing"]),
        )
        for arguments, status, outcomes in steps:
            verb = ["revert"] if arguments[0] == "revert" else ["patch"]
            files = arguments[1:] if arguments[0] == "revert" else arguments
            run = self.greenify(*verb, "--json", *files, status=status)
            report = json.loads(run.stdout)
            self.assertEqual([entry["outcome"] for entry in report["files"]], outcomes)
            self.assertEqual(report["status"], status)

    def test_json_of_a_failure_has_its_keys(self):
        bad = self.folder / "b.so"
        bad.write_text("no library")
        for verb in ("patch", "scan", "verify", "revert"):
            run = self.greenify(verb, "--json", bad, status=1)
            error = json.loads(run.stdout)["files"][0]["error"]
            self.assertEqual(set(error),
                             {"code", "message", "table", "offset", "reason", "errno"})
            self.assertEqual(error["code"], "not-elf")
            self.assert_one_message(run, bad, error["message"])

    def test_json_of_scan_verify_and_hooks_has_its_keys(self):
        path = self.library("a.so", CLIENT)
        entry = json.loads(self.greenify("scan", "--json", path).stdout)["files"][0]
        self.assertEqual(set(entry), {"file", "machine", "soname", "patched", "reverts", "needed",
                                      "imports", "refusal", "decoded", "findings"})
        self.assertEqual(set(entry["imports"][0]),
                         {"name", "version", "state", "relocations", "call_sites"})
        self.greenify(path)
        entry = json.loads(self.greenify("verify", "--json", path).stdout)["files"][0]
        self.assertEqual(set(entry), {"file", "original", "sound", "checks"})
        self.assertTrue(entry["sound"])
        self.assertEqual(set(entry["checks"][0]), {"name", "purpose", "verdict", "detail"})
        report = json.loads(self.greenify("hooks", "--json").stdout)
        self.assertEqual(set(report), {"version", "verb", "default", "hooks", "status"})
        self.assertEqual([row["name"] for row in report["hooks"]], hook_names())

    def test_quiet_and_verbose(self):
        path = self.library("a.so", CLIENT)
        run = self.greenify("-q", "-n", path)
        self.assertEqual((run.stdout, run.stderr), ("", ""))
        verbose = self.greenify("-v", path).stdout.splitlines()
        self.assertEqual(verbose[-2:], ["  recv", "  sleep"])
        self.assertIn("machine x86-64", verbose[1])

    def test_standard_output_that_fails_is_reported(self):
        path = self.library("a.so", CLIENT)
        with open("/dev/full", "w", encoding="ascii") as full:
            run = subprocess.run([COMMAND, "scan", path], stdout=full, stderr=subprocess.PIPE,
                                 text=True)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr, "greenify: standard output: No space left on device\n")

    def test_closed_standard_output_is_reported_and_never_patched_into(self):
        path = self.library("a.so", CLIENT)
        run = subprocess.run(["sh", "-c", 'exec "$0" "$1" >&-', COMMAND, path],
                             stderr=subprocess.PIPE, text=True)
        self.assertEqual(run.returncode, 1)
        self.assertEqual(run.stderr, "greenify: standard output: Bad file descriptor\n")
        self.greenify("verify", path)

    def test_hooks_prints_the_table(self):
        lines = self.greenify("hooks").stdout.splitlines()
        self.assertEqual([line.split()[1] for line in lines], hook_names())
        chosen = self.greenify("hooks", "--hooks", "recv,time,-sleep").stdout.splitlines()
        self.assertEqual([line.split()[1] for line in chosen],
                         ["recv", "usleep", "nanosleep", "__nanosleep", "clock_nanosleep"])

    def test_version(self):
        self.assertRegex(self.greenify("--version").stdout, r"^greenify \d+\.\d+\.\d+\n$")
        self.assertEqual(self.greenify("scan", "--version").stdout,
                         self.greenify("--version").stdout)

    def test_usage_errors_touch_nothing(self):
        path = self.library("a.so", CLIENT)
        before = snapshot(self.folder)
        for arguments in (["--nope", path], ["--hooks", "nope", path], ["-o", "x", path, path],
                          ["-d", "x", "-o", "y", path], [], ["scan"], ["hooks", path],
                          ["--runtime", "a/b", path], ["--bss-limit", "0", path]):
            run = self.greenify(*arguments, status=2)
            self.assertEqual(run.stdout, "")
            self.assertTrue(run.stderr.startswith("greenify: "))
        self.assertEqual(snapshot(self.folder), before)


if __name__ == "__main__":
    unittest.main()
