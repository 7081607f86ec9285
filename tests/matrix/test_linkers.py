# SPDX-License-Identifier: MIT
"""Every linker with every option that shapes a file: patched, recv, read and poll reach the runtime
by a call, by a loaded address and by a table of pointers, and still do after other tools.

The argument says how many options at a time come in every possible combination."""

import collections
import concurrent.futures
import json
import os
import shutil
import struct
import sys
import unittest

import combinations
from support import (GREENIFY, RUNTIME, SKIPPED, TOOLS, UNREACHED, Bench, apply_tools, build,
                     installed, run, sha256, tool_title)

# One after another, on the result of the one before.
CHAIN = [["strip", "-g", "-o", "{to}", "{from}"],
         ["patchelf", "--set-rpath", "/nowhere/at/all", "--output", "{to}", "{from}"],
         ["objcopy", "{from}", "{to}"],
         ["eu-strip", "-o", "{to}", "{from}"]]
CHAIN_TITLE = "strip -g, patchelf, objcopy, eu-strip"

REFUSED_BY_TOOL = "refused by the tool"

CALLS = {"plt": ["-fplt"], "no-plt": ["-fno-plt"], "ibt": ["-fplt", "-fcf-protection=full"]}
MACROS = ("RECV", "READ", "POLL")
KINDS = {"GLOB_DAT", "JUMP_SLOT", "ABS64"}

# Refusals that are in order: a code, and of which combinations.
REFUSED = {
    # lld leaves no spare DT_NULL, and packed relocations have no DT_RELACOUNT
    "no-dynamic-slot": lambda row: row["linker"] == "lld" and row["relr"] == "relr",
}

strength = 3


def zero_section_headers(path):
    """Zeroes the ELF header's fields that lead to them. Returns where the last segment ends in the
    file."""
    with open(path, "r+b") as stream:
        header = stream.read(64)
        segments, count = struct.unpack_from("<Q", header, 0x20)[0], header[0x38]
        stream.seek(segments)
        table = stream.read(56 * count)
        stream.seek(0x28)
        stream.write(struct.pack("<Q", 0))
        stream.seek(0x3A)
        stream.write(struct.pack("<HHH", 0, 0, 0))
    return max(sum(struct.unpack_from("<Q", table, at + field)[0] for field in (0x08, 0x20))
               for at in range(0, len(table), 56))


class Row:
    """One combination and what became of its file."""

    def __init__(self, number, options):
        self.options = options
        self.program = options["kind"].endswith("program")
        self.file = f"{number:05}" + ("" if self.program else ".so")
        self.code = None      # of a refusal
        self.report = {}      # of the patch
        self.tools = {}       # title: file that the tool made of the patched one, or None

    def __str__(self):
        return f"{self.file} ({combinations.name(self.options)})"

    def expected(self):
        """What `load` prints when all calls reach the runtime."""
        cpp = self.options["kind"].startswith("c++")
        return f"recv=3 read=2 poll={4 if cpp else 2} right"


class Linkers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = Bench()
        cls.addClassCleanup(cls.bench.close)
        for folder in ("plain", "patched", "tools", "libc"):
            cls.bench.path(folder).mkdir()
        cls.linkers = [linker for linker in combinations.AXES["linker"]
                       if installed("ld." + linker)]
        cls.tools = {tool_title(words): [words] for words in TOOLS
                     if installed(words[0].format(cross=""))}
        if installed(*(words[0] for words in CHAIN)):
            cls.tools[CHAIN_TITLE] = CHAIN
        # A libc without versions, for a file that may not need any.
        build(["gcc", "-shared", "-nostdlib", "-xc", "-", "-Wl,-soname,libc.so.6", "-o",
               cls.bench.path("libc/libc.so")], stdin=None,
              input="".join(f"void {name}(void) {{}}\n" for name in
                            ("recv", "read", "poll", "__cxa_finalize")))
        rows = combinations.covering(strength, cls.linkers)
        cls.rows = [Row(number, options) for number, options in enumerate(rows)]
        for source in ("exercise.c", "program.c", "reach.cc", "zeroed.c"):
            cls.bench.compile(source)
        for ways in combinations.AXES["ways"]:
            for calls in CALLS:
                cls.reach_object(ways, calls)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(cls.make, cls.rows))

    @classmethod
    def reach_object(cls, ways, calls):
        macros = [f"-D{macro}={way}" for macro, way in zip(MACROS, ways.split())]
        return cls.bench.compile("reach.c", *macros, *CALLS[calls])

    @classmethod
    def objects(cls, options):
        objects = [cls.reach_object(options["ways"], options["calls"])]
        if options["kind"].endswith("program"):
            objects += [cls.bench.compile("program.c"), cls.bench.compile("exercise.c")]
        if options["kind"].startswith("c++"):
            objects.append(cls.bench.compile("reach.cc"))
        if options["bss"] == "large-bss":
            objects.append(cls.bench.compile("zeroed.c"))
        return objects

    @classmethod
    def make(cls, row):
        """Links, patches and lets every tool loose on the patched file."""
        options = row.options
        compiler = "g++" if options["kind"].startswith("c++") else "gcc"
        words = []
        for word in combinations.linker_options(options):
            words += ["-Xlinker", word]
        words += ["-pie"] if row.program else ["-shared", "-Wl,-soname," + row.file]
        if options["relr"] == "relr" and options["linker"] != "bfd":
            words += ["-nodefaultlibs", f"-L{cls.bench.path('libc')}", "-lc"]
        plain = cls.bench.path("plain") / row.file
        build([compiler, f"-fuse-ld={options['linker']}", *cls.objects(options), *words,
               "-o", plain])
        if options["sections"] == "no-sections":
            os.truncate(plain, zero_section_headers(plain))
        row.plain, row.patched = plain, cls.bench.path("patched") / row.file
        result = run([GREENIFY, "--json", "-o", row.patched, plain])
        row.report = json.loads(result.stdout)["files"][0]
        if result.returncode != 0:
            row.code = row.report.get("error", {}).get("code", f"status {result.returncode}")
            return
        for title, commands in cls.tools.items():
            folder = cls.bench.path("tools") / title.replace(" ", "_")
            folder.mkdir(exist_ok=True)
            row.tools[title] = apply_tools(commands, row.patched, folder / row.file)

    def passed(self):
        return [row for row in self.rows if row.code is None]

    def check_lines(self, wrong, what):
        text = "\n".join(wrong[:20])
        self.assertEqual(len(wrong), 0, f"{what}, {len(wrong)} of them:\n{text}")

    def test_1_all_files_run_before(self):
        lines = self.bench.load([row.plain for row in self.rows])
        wrong = [f"{row}: {lines[str(row.plain)]}" for row in self.rows
                 if lines[str(row.plain)] != UNREACHED]
        self.check_lines(wrong, "unpatched files that do not run")

    def test_2_each_is_patched_or_refused_by_rule(self):
        table = collections.Counter()
        for row in self.rows:
            table[row.options["linker"], row.code or row.report["layout"]] += 1
        for by in self.linkers:
            counts = ", ".join(f"{count} {outcome}" for (linker, outcome), count
                               in sorted(table.items()) if linker == by)
            print(f"figure: matrix of {strength} options at a time, {by}: {counts}")
        wrong = [f"{row}: {row.code}" for row in self.rows
                 if row.code is not None and not REFUSED.get(row.code, lambda _: False)(row.options)]
        self.check_lines(wrong, "refusals that no rule allows")

    def test_3_calls_reach_the_runtime_with_right_results(self):
        lines = self.bench.load([row.patched for row in self.passed()])
        wrong = [f"{row}: {lines[str(row.patched)]}" for row in self.passed()
                 if lines[str(row.patched)] != row.expected()]
        self.check_lines(wrong, "patched files that do not reach the runtime")

    def test_4_each_function_by_each_kind_of_relocation(self):
        report = json.loads(run([GREENIFY, "scan", "--json",
                                 *[row.patched for row in self.passed()]]).stdout)
        seen = collections.Counter()
        for row, file in zip(self.passed(), report["files"]):
            for symbol in file["imports"]:
                for relocation in symbol["relocations"]:
                    seen[row.options["linker"], symbol["name"], relocation["kind"]] += 1
        for linker in self.linkers:
            for name in ("recv", "read", "poll"):
                kinds = {kind for (by, symbol, kind) in seen if (by, symbol) == (linker, name)}
                self.assertEqual(kinds & KINDS, KINDS, f"{linker}: {name}")

    def test_5_libgreen_itself_passes_them_through(self):
        if not (RUNTIME / "libgreen.so.1").exists():
            self.skipTest("the build has no libgreen")
        # An exception out of poll() needs the stand-in; all else is done.
        lines = self.bench.load([row.patched for row in self.passed()], runtime=RUNTIME)
        wrong = [f"{row}: {lines[str(row.patched)]}" for row in self.passed()
                 if lines[str(row.patched)] != UNREACHED]
        self.check_lines(wrong, "patched files that libgreen does not serve")

    def test_6_they_reach_it_after_other_tools(self):
        table, reached = collections.Counter(), collections.Counter()
        wrong = []
        rows = self.passed()
        for title in self.tools:
            lines = self.bench.load([row.tools[title] for row in rows if row.tools[title]])
            for row in rows:
                file = row.tools[title]
                line = lines[str(file)] if file else REFUSED_BY_TOOL
                outcome = "reached" if line == row.expected() else self.excuse(row, title)
                table[title, outcome or "FAILED"] += 1
                reached[row.options["linker"], title] += outcome == "reached"
                if outcome is None:
                    wrong.append(f"{row}, {row.report['layout']}, after {title}: {line}")
        for title in self.tools:
            counts = ", ".join(f"{count} {outcome}" for (tool, outcome), count
                               in sorted(table.items()) if tool == title)
            print(f"figure: matrix, after {title}: {counts}")
        for linker in self.linkers:
            for title in self.tools:
                self.assertTrue(reached[linker, title], f"{linker}, {title}: none was tried")
        self.check_lines(wrong, "files that do not survive a tool")

    def excuse(self, row, title):
        """A tool that spoils or will not have the unpatched file is no fault of the patch."""
        return self.bench.spoils(self.tools[title], row.plain)

    def test_7_again_there_is_nothing_to_do(self):
        rows = self.passed()
        files = {str(row.patched): (row, None) for row in rows}
        files.update({str(row.tools[title]): (row, title) for row in rows for title in self.tools
                      if row.tools[title]})
        result = run([GREENIFY, "-n", "--json", *files])
        wrong = []
        for file in json.loads(result.stdout)["files"]:
            row, title = files[file["file"]]
            if file["outcome"] != "nothing" and (title is None or not self.excuse(row, title)):
                wrong.append(f"{row} after {title}: {file['outcome']}")
        self.check_lines(wrong, "files that would be patched again")

    def test_8_revert_gives_the_original(self):
        back = self.bench.path("back")
        back.mkdir()
        rows = self.passed()
        result = run([GREENIFY, "revert", "-d", back, *[row.patched for row in rows]])
        self.assertEqual(result.returncode, 0, result.stderr)
        wrong = [str(row) for row in rows if sha256(back / row.file) != sha256(row.plain)]
        self.check_lines(wrong, "files that differ after revert")
        shutil.rmtree(back)

    def test_9_verify_finds_them_sound(self):
        result = run([GREENIFY, "verify", *[row.patched for row in self.passed()]])
        self.assertEqual(result.returncode, 0, result.stdout[-3000:] + result.stderr)

    def test_bytes_of_section_headers_that_nothing_leads_to_are_an_overlay(self):
        for linker in self.linkers:
            row = next(row for row in self.passed() if row.options["linker"] == linker and
                       row.options["sections"] == "sections" and not row.program)
            path = self.bench.path("zeroed.so")
            shutil.copy(row.plain, path)
            zero_section_headers(path)
            result = run([GREENIFY, path])
            self.assertIn("[overlay]", result.stderr, row)
            result = run([GREENIFY, "--allow-overlay", path])
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(self.bench.load([path])[str(path)], row.expected(), row)


def main():
    global strength
    strength = int(sys.argv[1])
    if not installed("gcc", "g++", "ld.bfd"):
        print("skipped: gcc, g++ and binutils are needed")
        sys.exit(SKIPPED)
    for program in ("ld.gold", "ld.lld", "ld.mold", *{words[0] for words in TOOLS}):
        if not installed(program.format(cross="")):
            print(f"left out: {program.format(cross='')} is not installed")
    unittest.main(argv=[sys.argv[0], "-v"])


if __name__ == "__main__":
    main()
