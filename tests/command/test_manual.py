# SPDX-License-Identifier: MIT
"""The manual says what the command, the headers and the error table say."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

COMMAND = os.environ["GREENIFY"]
SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
MAN = SOURCE / "man"
VERBS = ("patch", "scan", "verify", "revert", "hooks", "tree", "wheel", "run")
SECTIONS_1 = ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "DIAGNOSTICS",
              "SEE ALSO")
SECTIONS_3 = ("NAME", "LIBRARY", "SYNOPSIS", "DESCRIPTION", "RETURN VALUES", "EXAMPLES", "SEE ALSO")

# What depends on the manual pages that the machine has, not on ours.
FOREIGN = re.compile(r"outdated mandoc.db|referenced manual not found")


def pages(pattern="*.[13]"):
    return sorted(MAN.glob(pattern))


def options_of_help(text):
    """{"-n --dry-run", "-o FILE"...}: the lines of --help that begin with a dash."""
    found = set()
    for line in text.splitlines():
        match = re.match(r"\s+(-.+?)(?:\s{2,}|$)", line)
        if match:
            found.add(match[1].replace(",", ""))
    return found


def options_of_page(text):
    """The same from the `.It Fl` lines."""
    found = set()
    for line in re.findall(r"^\.It (Fl .+)$", text, re.M):
        forms = []
        for part in line.split(" , "):
            words = part.replace("Fl ", "-").replace("Ar ", "").split()
            forms.append(" ".join(words))
        found.add(" ".join(forms))
    return found


class Manual(unittest.TestCase):
    def test_each_verb_has_the_options_of_its_page(self):
        for verb in VERBS:
            with self.subTest(verb):
                run = subprocess.run([COMMAND, verb, "--help"], capture_output=True, text=True,
                                     check=True)
                shown = options_of_help(run.stdout)
                page = (MAN / f"greenify-{verb}.1").read_text()
                self.assertIn("--help", shown)
                self.assertEqual(shown, options_of_page(page))

    def test_synopsis_names_each_option(self):
        for verb in VERBS:
            page = (MAN / f"greenify-{verb}.1").read_text()
            synopsis = page[page.index(".Sh SYNOPSIS"):page.index(".Sh DESCRIPTION")]
            for option in options_of_page(page) - {"--help", "--version"}:
                with self.subTest(verb, option=option):
                    name = option.split()[0]
                    if name.startswith("--"):
                        self.assertIn(f"Fl {name[1:]}", synopsis)
                    else:
                        self.assertRegex(synopsis, rf"Fl [a-z]*{name[1]}")

    def test_overview_lists_each_verb_and_option(self):
        run = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True)
        shown = re.findall(r"^  ([a-z]+) ", run.stdout, re.M)
        self.assertEqual(sorted(shown), sorted(VERBS))
        page = (MAN / "greenify.1").read_text()
        for verb in shown:
            self.assertIn(f".It Cm {verb}\n", page)

    def test_pages_have_their_sections(self):
        for page in pages():
            text = page.read_text()
            with self.subTest(page.name):
                for section in SECTIONS_1 if page.suffix == ".1" else SECTIONS_3:
                    self.assertIn(f".Sh {section}\n", text)

    def test_each_failure_is_explained(self):
        table = (SOURCE / "patcher/errors.def").read_text()
        names = set(re.findall(r'^PATCH_ERROR\(\w+, "([^"]+)"\)', table, re.M)) - {"ok"}
        page = (MAN / "greenify.1").read_text()
        diagnostics = page[page.index(".Sh DIAGNOSTICS"):page.index(".Sh SEE ALSO")]
        self.assertGreater(len(names), 15)
        self.assertEqual(names, set(re.findall(r"^\.It Li (\S+)$", diagnostics, re.M)))

    def test_each_group_of_hooks_is_explained(self):
        table = (SOURCE / "runtime/hooks.def").read_text()
        groups = set(re.findall(r"^HOOK\((\w+),", table, re.M))
        page = (MAN / "greenify-hooks.1").read_text()
        self.assertEqual(groups, set(re.findall(r"^\.It Cm (\w+)$", page, re.M)))

    def test_each_function_of_the_runtime_is_described(self):
        header = (SOURCE / "runtime/green.h").read_text()
        code = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
        functions = set(re.findall(r"^[a-z].*?\b(green_\w+)\(", code, re.M))
        described = {name: page.name for page in pages("*.3")
                     for name in re.findall(r"^\.Nm (green_\w+)", page.read_text(), re.M)}
        self.assertGreater(len(functions), 10)
        self.assertEqual(functions, set(described))
        build = (MAN / "meson.build").read_text()
        for name in functions:
            self.assertIn(f"'{name}.3'", build)

    def test_each_page_is_installed(self):
        build = (MAN / "meson.build").read_text()
        for page in pages():
            self.assertIn(f"'{page.name}'", build)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_has_nothing_to_say(self):
        for page in pages():
            run = subprocess.run(["mandoc", "-T", "lint", page], capture_output=True, text=True)
            lines = [line for line in (run.stdout + run.stderr).splitlines()
                     if not FOREIGN.search(line)]
            self.assertEqual(lines, [])


if __name__ == "__main__":
    unittest.main()
