# SPDX-License-Identifier: MIT
"""verify as a harness and a script see it: TAP, JSON, the original, and loading that goes wrong."""

import json
import os
import re
import shutil
import subprocess
import unittest

from support import COMMAND, Case, SOURCE, runtime_folder

CLIENT = """
#include <sys/socket.h>
#include <unistd.h>
long client(int fd, char *to) { sleep(0); return recv(fd, to, 1, 0); }
int client_number = 5;
"""

CHECKS = re.findall(r'^CHECK\("([^"]+)"', (SOURCE / "patcher/check/checks.def").read_text(), re.M)


def members_of_page():
    """{"file", "original"...} and those of a check, from the section on JSON."""
    page = (SOURCE / "man/greenify-verify.1").read_text()
    section = page[page.index(".Ss JSON"):page.index(".Ss TAP")]
    inner = section[section.index(".It Li name"):]
    inner = inner[:inner.index("\n.El")]
    names = re.compile(r"^\.It Li (\w+)$", re.M)
    return (set(names.findall(section)) - set(names.findall(inner)), set(names.findall(inner)))


class Tap:
    """A reader of version 13, as strict as the specification."""

    def __init__(self, text):
        self.tests = []  # (ok, description, reason to skip or None)
        self.diagnostics = {}
        self.bailed_out = None
        lines = text.split("\n")
        assert lines.pop() == "", "the last line has no end"
        assert lines.pop(0) == "TAP version 13"
        self.plan = None
        while lines:
            self.line(lines.pop(0), lines)

    def line(self, line, rest):
        assert self.bailed_out is None, f"{line!r} behind the end"
        test = re.fullmatch(r"(not ok|ok) (\d+) - ((?:[^#\\]|\\.)*)(?: # SKIP (.+))?", line)
        if line.startswith("Bail out! "):
            self.bailed_out = line.removeprefix("Bail out! ")
        elif re.fullmatch(r"1\.\.\d+", line):
            assert self.plan is None
            self.plan = int(line[3:])
        elif line == "  ---":
            block = {}
            while (member := rest.pop(0)) != "  ...":
                key, value = re.fullmatch(r"  (\w+): (.+)", member).groups()
                block[key] = json.loads(value)
            self.diagnostics[len(self.tests)] = block
        else:
            assert test, f"no line of TAP: {line!r}"
            assert int(test[2]) == len(self.tests) + 1
            self.tests.append((test[1] == "ok", test[3], test[4]))


class Verify(Case):
    def patched(self, name="a.so", folder="out"):
        path = self.library(name, CLIENT)
        (self.folder / folder).mkdir(exist_ok=True)
        self.greenify("-d", self.folder / folder, path)
        return path, self.folder / folder / name

    def rows(self, *arguments, status=0):
        """{name: (verdict, detail)} of one file."""
        run = self.greenify("verify", "--json", *arguments, status=status)
        return {check["name"]: (check["verdict"], check["detail"])
                for check in json.loads(run.stdout)["files"][0]["checks"]}


class Output(Verify):
    def test_text_has_a_row_for_each_check_in_order(self):
        _, path = self.patched()
        lines = self.greenify("verify", path).stdout.splitlines()
        self.assertEqual(lines[0], f"{path}:")
        self.assertEqual([line.split()[1].rstrip(":") for line in lines[1:]], CHECKS)
        verbose = self.greenify("verify", "-v", path).stdout
        self.assertIn("(every byte that differs from the original is a declared edit)", verbose)

    def test_json_has_the_members_that_the_manual_lists(self):
        original, path = self.patched()
        bad = self.folder / "bad"
        bad.write_text("x")
        run = self.greenify("verify", "--json", path, bad, status=1)
        entries = json.loads(run.stdout)["files"]
        outer, inner = members_of_page()
        self.assertEqual(set().union(*entries), outer)
        for check in entries[0]["checks"]:
            self.assertEqual(set(check), inner)
        self.assertEqual([check["name"] for check in entries[0]["checks"]], CHECKS)
        self.assertIsNone(entries[0]["original"])
        run = self.greenify("verify", "--json", "--original", original, path)
        self.assertEqual(json.loads(run.stdout)["files"][0]["original"], str(original))

    def test_manual_lists_each_check(self):
        page = (SOURCE / "man/greenify-verify.1").read_text()
        section = page[page.index(".Ss Checks"):page.index(".Ss JSON")]
        listed = [name for line in re.findall(r"^\.It Cm (.+)$", section, re.M)
                  for name in line.split(" , ")]
        self.assertEqual(listed, CHECKS + ["load", "bind"])

    def test_tap_has_a_test_for_each_check_of_each_file(self):
        original, path = self.patched()
        tap = Tap(self.greenify("verify", "--tap", path, original, status=1).stdout)
        self.assertEqual(tap.plan, 2 * len(CHECKS))
        self.assertEqual([text for _, text, _ in tap.tests],
                         [f"{file}: {name}" for file in (path, original) for name in CHECKS])
        failed = [i + 1 for i, (ok, _, _) in enumerate(tap.tests) if not ok]
        self.assertEqual(failed, [len(CHECKS) + CHECKS.index("redirected") + 1])
        block = tap.diagnostics[failed[0]]
        self.assertEqual(block["file"], str(original))
        self.assertEqual(block["check"], "redirected")
        self.assertIn("is not redirected", block["message"])
        skipped = {text.split(": ")[1]: reason for _, text, reason in tap.tests if reason}
        self.assertEqual(skipped["tls"], "no PT_TLS")

    def test_tap_bails_out_where_a_file_cannot_be_read(self):
        _, path = self.patched()
        bad = self.folder / "bad # SKIP\n.so"
        bad.write_text("x")
        run = self.greenify("verify", "--tap", path, bad, path, status=1)
        tap = Tap(run.stdout)
        self.assertEqual(len(tap.tests), len(CHECKS))
        self.assertIsNone(tap.plan)
        self.assertIn("bad \\# SKIP\\012.so: is not an ELF file [not-elf]", tap.bailed_out)

    @unittest.skipUnless(shutil.which("prove"), "prove (of perl) is not installed")
    def test_prove_reads_it(self):
        original, path = self.patched("b # TODO.so")
        run = subprocess.run(["prove", "-v", "-e", f"{COMMAND} verify --tap", path],
                             capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertIn(f"Tests={len(CHECKS)},", run.stdout)
        self.assertNotIn("TODO passed", run.stdout)
        run = subprocess.run(["prove", "-e", f"{COMMAND} verify --tap", original],
                             capture_output=True, text=True)
        self.assertNotEqual(run.returncode, 0)
        self.assertIn(f"Failed test:  {CHECKS.index('redirected') + 1}\n", run.stdout)

    def test_tap_and_json_exclude_each_other(self):
        _, path = self.patched()
        run = self.greenify("verify", "--tap", "--json", path, status=2)
        self.assertEqual((run.stdout, run.stderr),
                         ("", "greenify: --tap and --json exclude each other\n"))


class Original(Verify):
    def test_a_copy_is_proved_against_what_it_was_made_of(self):
        original, path = self.patched()
        verdict, detail = self.rows("--original", original, path)["original"]
        self.assertEqual(verdict, "pass")
        self.assertRegex(detail, rf"^against {original}: \d+ bytes differ: 2 st_name, "
                                 r"2 symbol versions, 3 dynamic entries, .* are new$")

    def test_the_first_byte_that_no_edit_accounts_for_is_named(self):
        original, path = self.patched()
        contents = bytearray(path.read_bytes())
        place = contents.index(b"GCC: (")
        contents[place] ^= 1
        path.write_bytes(contents)
        rows = self.rows("--original", original, path, status=1)
        self.assertEqual({name for name, row in rows.items() if row[0] == "fault"}, {"original"})
        self.assertIn(f"the byte at 0x{place:x} is 0x46, it was 0x47", rows["original"][1])

    def test_after_strip_the_record_proves_nothing_and_the_original_refutes(self):
        original, path = self.patched()
        subprocess.run(["strip", path], check=True)
        rows = self.rows(path)
        self.assertEqual(rows["original"][0], "skipped")
        self.assertIn("changed since it was patched", rows["original"][1])
        rows = self.rows("--original", original, path, status=1)
        self.assertEqual({name for name, row in rows.items() if row[0] == "fault"}, {"original"})

    def test_several_files_have_their_originals_in_a_folder(self):
        first, first_copy = self.patched("a.so")
        second, second_copy = self.patched("b.so")
        self.greenify("verify", "-q", "--original", self.folder, first_copy, second_copy)
        run = self.greenify("verify", "--original", first, first_copy, second_copy, status=2)
        self.assertEqual(run.stderr, f"greenify: {first}: is no folder: --original needs one for "
                                     "several files\n")
        second.unlink()
        run = self.greenify("verify", "--json", "--original", self.folder, second_copy, first_copy,
                            status=1)
        sound = [entry["sound"] for entry in json.loads(run.stdout)["files"]]
        self.assertEqual(sound, [False, True])
        self.assertIn("b.so: not sound: 5 of", run.stderr)

    def test_memory_does_not_follow_the_size_of_the_file(self):
        original, path = self.patched()
        peaks = []
        for size in (0, 64 << 20):
            for file in (original, path):
                with open(file, "ab") as stream:
                    stream.truncate(file.stat().st_size + size)
            code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:]);"
                    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
            run = subprocess.run(["/usr/bin/python3", "-c", code, COMMAND, "verify", "-q",
                                  "--original", original, path], capture_output=True, text=True)
            self.assertEqual(run.stderr, "")
            peaks.append(int(run.stdout))
        self.assertLess(peaks[1], peaks[0] + 4096)


class Load(Verify):
    def load(self, code, *flags, status=1):
        path = self.library("load.so", code, *flags)
        self.greenify("-q", path, status=0 if "recv" in code else 3)
        rows = self.rows("--load", path, status=status)
        return rows["load"], rows["bind"]

    def test_slots_lie_in_the_runtime(self):
        _, path = self.patched()
        environment = dict(os.environ, LD_LIBRARY_PATH=str(runtime_folder(self.folder)))
        run = self.greenify("verify", "--load", path, env=environment)
        self.assertRegex(run.stdout, r"pass +load\n +pass +bind: \d+ slots lie inside libgreen")

    def test_a_missing_runtime_is_named_with_what_helps(self):
        path = self.library("a.so", CLIENT)
        self.greenify("--runtime", "libnone.so.1", path)
        run = self.greenify("verify", "--load", "--runtime", "libnone.so.1", path, status=1)
        self.assertRegex(run.stdout, r"fault +load: libnone\.so\.1: .*LD_LIBRARY_PATH")

    def test_a_crash_is_told_by_the_name_of_the_signal(self):
        crash = "__attribute__((constructor)) static void f(void) { __builtin_trap(); }"
        load, bind = self.load(crash)
        self.assertEqual(load[0], "fault")
        self.assertRegex(load[1], r"died: SIG(ILL|TRAP) \(")
        self.assertEqual(bind, ("skipped", "not loaded"))

    def test_an_end_is_told_with_its_status(self):
        leave = "#include <unistd.h>\n__attribute__((constructor)) static void f(void) {_exit(9);}"
        self.assertIn("ended with status 9", self.load(leave)[0][1])

    def test_its_own_output_does_not_come_into_ours(self):
        noise = ("#include <stdio.h>\n__attribute__((constructor)) static void f(void) "
                 "{ puts(\"ok 1\"); fflush(stdout); fputs(\"noise\", stderr); }")
        path = self.library("noise.so", noise)
        run = self.greenify("verify", "--tap", "--load", path)
        self.assertEqual(Tap(run.stdout).plan, len(CHECKS) + 2)
        self.assertEqual(run.stderr, "")


if __name__ == "__main__":
    unittest.main()
