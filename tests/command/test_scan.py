# SPDX-License-Identifier: MIT
"""What scan finds beside imports: each thing in a library whose source says where it stands."""

import collections
import json
import os
import re
import shutil
import subprocess
import unittest

from support import SOURCE, Case

FIXTURES = SOURCE / "fixtures/scan"

Machine = collections.namedtuple("Machine", "compiler nm assembler futex getpid")
MACHINES = {
    "x86-64": Machine("gcc", "nm", "traps_x86_64.S", 202, 39),
    "AArch64": Machine("aarch64-linux-gnu-gcc", "aarch64-linux-gnu-nm", "traps_aarch64.S", 98,
                       172),
    "i386": Machine("i686-linux-gnu-gcc", "i686-linux-gnu-nm", "traps_i386.S", 240, 20),
}

VERDICTS = {"redirected", "can be redirected", "cannot be redirected"}


def for_each_machine(test):
    """Runs a test once a machine; skips those that have no compiler here."""

    def run(self):
        for name, machine in MACHINES.items():
            with self.subTest(name):
                if shutil.which(machine.compiler) is None:
                    self.skipTest(f"{machine.compiler} is not installed")
                test(self, machine)

    return run


class Scan(Case):
    def build(self, machine, sources, *flags, name="libwaits.so"):
        target = self.folder / name
        subprocess.run([machine.compiler, "-shared", "-fPIC", "-O2", "-fno-stack-protector",
                        *flags, *sources, "-o", target], check=True)
        return target

    def waits(self, machine, *flags, **names):
        return self.build(machine, [FIXTURES / "waits.c"], *flags, **names)

    def traps(self, machine, *flags, **names):
        return self.build(machine, [FIXTURES / machine.assembler], "-nostdlib", *flags, **names)

    def symbols(self, machine, path):
        """{name: (address, size)} of all that is defined."""
        listing = subprocess.run([machine.nm, "-S", "--defined-only", path], capture_output=True,
                                 text=True, check=True).stdout
        found = {}
        for line in listing.splitlines():
            words = line.split()
            size = int(words[1], 16) if len(words) == 4 else 0
            found[words[-1]] = (int(words[0], 16), size)
        return found

    def scan(self, path, *options, status=0):
        run = self.greenify("scan", "--json", *options, path, status=status)
        return json.loads(run.stdout)["files"][0]

    def findings(self, path, kind, *options, status=0):
        findings = self.scan(path, *options, status=status)["findings"]
        for finding in findings:
            self.assertIn(finding["verdict"], VERDICTS)
            self.assertTrue(finding["reason"])
        return [finding for finding in findings if finding["kind"] == kind]

    def in_function(self, finding, symbols, name):
        start, size = symbols[name]
        self.assertEqual(finding["function"], name)
        self.assertEqual(finding["function_start"], start)
        self.assertLess(finding["address"] - start, size)
        self.assertGreaterEqual(finding["address"], start)


class Traps(Scan):
    """Instructions that enter the kernel."""

    def labels(self, symbols):
        """{address: (name or None, number or None)} as the labels say."""
        expected = {}
        for label, (address, _) in symbols.items():
            match = re.match(r"at_(\w+)_(\d+)$", label)
            if match:
                expected[address] = ((match[1], int(match[2])) if match[1] != "unknown" else
                                     (None, None))
        return expected

    def check(self, machine, path, symbols):
        found = self.findings(path, "system-call", status=3)
        # 65537 is known, and is no system call
        numbers = {finding["address"]: (finding["what"], finding["number"]
                                        if finding["number"] != 65537 else None)
                   for finding in found}
        self.assertEqual(numbers, self.labels(symbols))
        for finding in found:
            blocks = {None: None, "getpid": False}.get(finding["what"], True)
            self.assertEqual(finding["blocks"], blocks, finding)
            self.assertEqual(finding["waits"] is not None, blocks is True)
            self.assertEqual(finding["verdict"], "cannot be redirected")
            self.assertTrue(finding["certain"])
        return found

    @for_each_machine
    def test_each_has_its_place_and_its_number(self, machine):
        path = self.traps(machine)
        symbols = self.symbols(machine, path)
        self.assertGreater(len(self.labels(symbols)), 3)
        for finding in self.check(machine, path, symbols):
            self.in_function(finding, symbols, finding["function"])

    @for_each_machine
    def test_stripped_functions_are_known_by_their_frames(self, machine):
        path = self.traps(machine, "-fvisibility=hidden", "-Wl,--exclude-libs,ALL")
        symbols = self.symbols(machine, path)
        version = self.folder / "none.map"
        version.write_text("{ local: *; };")
        stripped = self.traps(machine, f"-Wl,--version-script={version}", "-s", name="libs.so")
        starts = {address for name, (address, _) in symbols.items() if name.startswith("trap_")}
        found = self.findings(stripped, "system-call", status=3)
        self.assertEqual(len(found), len(self.labels(symbols)))
        shift = min(f["address"] for f in found) - min(self.labels(symbols))
        for finding in found:
            self.assertIsNone(finding["function"])
            self.assertIn(finding["function_start"] - shift, starts)
        text = self.greenify("scan", stripped, status=3).stdout
        self.assertIn(f" in function at {found[0]['function_start']:#x}", text)

    @for_each_machine
    def test_found_without_section_headers(self, machine):
        path = self.traps(machine)
        symbols = self.symbols(machine, path)
        data = bytearray(path.read_bytes())
        wide = data[4] == 2
        data[40 if wide else 32:48 if wide else 36] = bytes(8 if wide else 4)
        data[60 if wide else 48:64 if wide else 52] = bytes(4)
        path.write_bytes(data)
        self.check(machine, path, symbols)

    def test_text_says_what_does_not_wait_only_when_asked(self):
        path = self.traps(MACHINES["x86-64"])
        text = self.greenify("scan", path, status=3).stdout
        self.assertRegex(text, r"(?m)^    system call read \(0\) by syscall at 0x\w+ in trap_read, "
                               r"waits for data: cannot be redirected$")
        self.assertRegex(text, r"(?m)^    system call nanosleep \(162\) by int 0x80 at ")
        self.assertNotIn("getpid", text)
        self.assertIn("    1 that does not wait (-v shows)\n", text)
        text = self.greenify("scan", "-v", path, status=3).stdout
        self.assertRegex(text, r"(?m)^    system call getpid \(39\) by syscall at 0x\w+ in "
                               r"trap_getpid, does not wait: cannot be redirected$")


class Functions(Scan):
    """Calls of libc's functions that redirection does not reach."""

    @for_each_machine
    def test_calls_of_syscall_have_their_number(self, machine):
        path = self.waits(machine)
        symbols = self.symbols(machine, path)
        found = {finding["function"]: finding
                 for finding in self.findings(path, "syscall-function")}
        self.assertEqual(
            {name: (finding["what"], finding["number"], finding["blocks"])
             for name, finding in found.items()},
            {"waits_by_syscall": ("futex", machine.futex, True),
             "waits_not_by_syscall": ("getpid", machine.getpid, False),
             "waits_by_any_syscall": (None, None, None)})
        for name, finding in found.items():
            self.in_function(finding, symbols, name)
            self.assertEqual(finding["how"], "syscall")
            self.assertEqual(finding["verdict"], "cannot be redirected")

    def test_calls_through_a_register_are_followed(self):
        for name, suffix in (("x86-64", "x86_64"), ("AArch64", "aarch64")):
            machine = MACHINES[name]
            with self.subTest(name):
                if shutil.which(machine.compiler) is None:
                    self.skipTest(f"{machine.compiler} is not installed")
                path = self.build(machine, [FIXTURES / f"loaded_{suffix}.S"])
                symbols = self.symbols(machine, path)
                expected = {(symbols[f"call_futex_{machine.futex}"][0], "futex", True),
                            (symbols[f"call_getpid_{machine.getpid}"][0], "getpid", True),
                            (symbols["address_unknown_1"][0], None, False)}
                found = self.findings(path, "syscall-function", status=3)
                self.assertEqual({(finding["address"], finding["what"], finding["certain"])
                                  for finding in found}, expected)

    def test_names_that_are_looked_up(self):
        for name in ("x86-64", "AArch64"):
            machine = MACHINES[name]
            with self.subTest(name):
                if shutil.which(machine.compiler) is None:
                    self.skipTest(f"{machine.compiler} is not installed")
                path = self.waits(machine)
                symbols = self.symbols(machine, path)
                found = self.findings(path, "lookup")
                certain = [finding for finding in found if finding["certain"]]
                self.assertEqual([(finding["what"], finding["how"]) for finding in certain],
                                 [("connect", "dlsym")])
                self.in_function(certain[0], symbols, "waits_found")
                strings = {finding["what"]: finding["address"] for finding in found
                           if not finding["certain"]}
                self.assertEqual(set(strings), {"connect", "poll", "sleep"})
                self.assert_strings(path, strings)

    def assert_strings(self, path, strings):
        """.rodata has the same address and place in the file in these libraries."""
        data = path.read_bytes()
        for name, address in strings.items():
            self.assertEqual(data[address:address + len(name) + 1], name.encode() + b"\0")

    def test_strings_are_no_names_where_each_lookup_is_known(self):
        path = self.waits(MACHINES["x86-64"], "-DNO_TABLE")
        self.assertEqual([(finding["what"], finding["certain"])
                          for finding in self.findings(path, "lookup")], [("connect", True)])

    @for_each_machine
    def test_libraries_that_are_opened(self, machine):
        found = self.findings(self.waits(machine), "opened-library")
        names = {finding["function"]: finding["what"] for finding in found}
        known = "libother.so.1" if machine is not MACHINES["i386"] else None
        self.assertEqual(names.pop("waits_opened"), known)
        self.assertEqual(names.pop("waits_opened_any"), None)
        self.assertEqual(names, {})
        self.assertEqual({finding["verdict"] for finding in found}, {"can be redirected"})

    @for_each_machine
    def test_streams_count_where_there_are_sockets(self, machine):
        path = self.waits(machine)
        symbols = self.symbols(machine, path)
        found = {finding["what"]: finding for finding in self.findings(path, "stream")}
        self.assertEqual(set(found), {"fdopen", "fgets"})
        self.in_function(found["fdopen"], symbols, "waits_stream")
        self.assertIsNone(found["fgets"]["address"])
        self.assertEqual(found["fgets"]["waits"], "for data")
        self.assertEqual(self.findings(self.waits(machine, "-DNO_SOCKET"), "stream"), [])

    @for_each_machine
    def test_copies_of_libc_functions(self, machine):
        path = self.waits(machine)
        symbols = self.symbols(machine, path)
        found = {finding["what"]: finding for finding in self.findings(path, "static-copy")}
        self.assertEqual({name: finding["certain"] for name, finding in found.items()},
                         {"__libc_recv": True, "send": False})
        for name, finding in found.items():
            self.assertEqual(finding["address"], symbols[name][0])

    @for_each_machine
    def test_imports_that_are_not_chosen_or_not_hooked(self, machine):
        path = self.waits(machine)
        found = self.findings(path, "not-chosen")
        self.assertEqual([finding["what"] for finding in found], ["pthread_mutex_lock"])
        self.assertEqual(found[0]["verdict"], "can be redirected")
        self.assertEqual(found[0]["waits"], "for a mutex")
        self.assertEqual(self.findings(path, "not-chosen", "--hooks", "net,sync"), [])
        found = self.findings(path, "not-hooked")
        self.assertEqual([finding["what"] for finding in found], ["getnetbyname"])
        self.assertEqual(found[0]["waits"], "for a name service")

    def test_what_was_redirected_but_is_not_asked_for_says_so(self):
        path = self.waits(MACHINES["x86-64"])
        self.greenify("--hooks", "net,sync", path)
        found = self.findings(path, "not-chosen", "--hooks", "net")
        self.assertEqual([(finding["what"], finding["verdict"]) for finding in found],
                         [("pthread_mutex_lock", "redirected")])

    def test_old_names_in_a_patched_library_are_no_strings(self):
        path = self.waits(MACHINES["x86-64"])
        before = self.findings(path, "lookup")
        self.greenify(path)
        self.assertEqual(self.findings(path, "lookup"), before)

    def test_text_has_a_line_each(self):
        text = self.greenify("scan", self.waits(MACHINES["x86-64"])).stdout
        for line in (r"syscall\(\) futex \(202\) at 0x\w+ in waits_by_syscall, waits for a futex: "
                     r"cannot be redirected",
                     r"syscall\(\) of unknown number at 0x\w+ in waits_by_any_syscall: "
                     r"cannot be redirected",
                     r'dlsym\(\) of "connect" at 0x\w+ in waits_found, waits until the connection '
                     r"stands: cannot be redirected",
                     r'the string "poll" at 0x\w+, perhaps for dlsym\(\), waits for events: '
                     r"cannot be redirected",
                     r"dlopen\(\) of libother\.so\.1 at 0x\w+ in waits_opened: can be redirected",
                     r"fdopen\(\) at 0x\w+ in waits_stream, perhaps on a socket: "
                     r"cannot be redirected",
                     r"__libc_recv\(\) is defined here at 0x\w+: cannot be redirected",
                     r"send\(\) is defined here at 0x\w+, perhaps not that of libc, waits for "
                     r"room: cannot be redirected",
                     r"pthread_mutex_lock\(\), with --hooks sync, waits for a mutex: "
                     r"can be redirected",
                     r"getnetbyname\(\), waits for a name service: cannot be redirected"):
            self.assertRegex(text, rf"(?m)^    {line}$")


class Whole(Scan):
    """What is about the file as a whole."""

    def test_go_is_known_by_its_note(self):
        path = self.library("libgo.so", """
            __asm__(".pushsection .note.go.buildid, \\"a\\", @note\\n"
                    ".long 4, 4, 4\\n.asciz \\"Go\\"\\n.byte 0\\n.long 1\\n.popsection");
            int nothing(void) { return 0; }""")
        found = self.findings(path, "go-runtime", status=3)
        self.assertEqual(len(found), 1)
        self.assertIsNone(found[0]["address"])
        subprocess.run(["strip", path], check=True)
        self.assertEqual(len(self.findings(path, "go-runtime", status=3)), 1)

    def test_go_is_known_by_its_runtime(self):
        path = self.library("libgo.so", """
            void enter(void) __asm__("runtime.entersyscall");
            void enter(void) {}""")
        found = self.findings(path, "go-runtime", status=3)
        self.assertEqual([finding["function"] for finding in found], [None])
        self.assertIsNotNone(found[0]["address"])

    def test_refusal_of_the_planner_is_the_verdict_on_imports(self):
        path = self.library("libc.so.6", "#include <unistd.h>\n"
                            "unsigned doze(void) { return sleep(1) + 1; }",
                            "-Wl,-soname,libc.so.6")
        entry = self.scan(path)
        self.assertEqual([row["state"] for row in entry["imports"]], ["not patchable"])
        self.assertEqual(entry["refusal"]["code"], "protected")
        text = self.greenify("scan", path).stdout
        self.assertIn("  not patchable: ", text)
        self.assertRegex(text, r"(?m)^  sleep@\S+: not patchable$")

    def test_a_library_that_only_uses_what_is_hooked_has_no_findings(self):
        path = self.library("libclean.so", "#include <unistd.h>\n"
                            "unsigned doze(void) { return sleep(1) + 1; }")
        self.assertEqual(self.scan(path)["findings"], [])
        self.assertIsNone(self.scan(path)["refusal"])

    def test_only_scan_needs_the_disassembler(self):
        path = self.library("a.so", "#include <unistd.h>\n"
                            "unsigned doze(void) { return sleep(1) + 1; }")
        (self.folder / "libcapstone.so.4").touch()
        without = dict(os.environ, LD_LIBRARY_PATH=str(self.folder))
        self.assert_one_message(self.greenify("scan", path, status=1, env=without), path, "[load]")
        self.greenify(path, env=without)
        self.greenify("verify", path, env=without)
        self.greenify("revert", path, env=without)
        self.greenify("scan", path)

    def test_watched_functions_are_named_once(self):
        names = re.findall(r"^WATCHED\(\w+, (\w+),",
                           (SOURCE / "patcher/scan/watched.def").read_text(), re.M)
        self.assertGreater(len(names), 50)
        self.assertEqual(len(names), len(set(names)))

    def test_the_hook_table_comes_before_the_watched_functions(self):
        path = self.library("liba.so", "#include <sys/socket.h>\n"
                            "int f(void) { return socket(1, 1, 0) + 1; }")
        self.assertEqual([row["name"] for row in self.scan(path)["imports"]], ["socket"])
        self.assertEqual(self.scan(path)["findings"], [])


if __name__ == "__main__":
    unittest.main()
