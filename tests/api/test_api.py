# SPDX-License-Identifier: MIT
"""libgreenify as another program meets it: installed, found by pkg-config, described by man."""

import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

BUILD = os.environ["BUILD"]
SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
FIXTURES = pathlib.Path(os.environ["FIXTURES"])
HERE = pathlib.Path(__file__).resolve().parent
PAGES = ("libgreenify.3", "patch_prepare.3", "patch_scan.3", "patch_verify.3",
         "patch_closure_find.3")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
PATIENCE = 300


def run(words, **options):
    return subprocess.run([str(word) for word in words], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE,
                          **options)


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def without_comments(code):
    return re.sub(r"/\*.*?\*/", "", code, flags=re.S)


def plain(code):
    """Without what C leaves free: blanks beside stars and brackets, line breaks."""
    return re.sub(r"\s*([*(),])\s*", r"\1", re.sub(r"\s+", " ", code)).strip()


class Api(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(cls.enterClassContext(
            tempfile.TemporaryDirectory(prefix="greenify-api-")))
        done = run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--tags",
                    "devel,runtime,man"], env={**os.environ, "DESTDIR": str(cls.root / "tree")})
        if done.returncode != 0:
            raise RuntimeError(done.stdout)
        cls.header_path = cls.installed("greenify.h")
        cls.header = without_comments(cls.header_path.read_text(encoding="utf-8"))
        cls.library = cls.installed("libgreenify.so.1")
        cls.environment = {
            **os.environ,
            "PKG_CONFIG_SYSROOT_DIR": str(cls.root / "tree"),
            "PKG_CONFIG_PATH": str(cls.installed("greenify.pc").parent),
            "LD_LIBRARY_PATH": f"{cls.library.parent}:{FIXTURES}",
        }

    @classmethod
    def installed(cls, name):
        for path in (cls.root / "tree").rglob("*"):
            if path.is_file() and str(path).endswith("/" + name):
                return path
        raise FileNotFoundError(f"{name} is not installed")

    @classmethod
    def functions(cls):
        """{name: prototype} of the header."""
        code = re.sub(r"PATCH_MUST_CHECK|^#.*", "", cls.header, flags=re.M)
        found = {}
        for statement in code.split(";"):
            match = re.search(r"((?:(?:const|struct|enum|void|bool|char|size_t|uint64_t)\b[\s*]*"
                              r"|\w+[\s*]+)+)(patch_\w+)\(([^{}]*)\)\s*$", statement)
            if match and "typedef" not in match[1]:
                found[match[2]] = (plain(match[1]), plain(match[3]))
        return found

    def folder(self):
        return pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(dir=self.root)))

    def compile(self, source, *words):
        """By what pkg-config says; returns the program."""
        flags = run(["pkg-config", "--cflags", "--libs", "greenify"], env=self.environment)
        self.assertEqual(flags.returncode, 0, flags.stdout)
        program = self.folder() / "program"
        done = run([words[0], *STRICT, *words[1:], "-o", program, source, *flags.stdout.split()])
        self.assertEqual(done.returncode, 0, done.stdout)
        return program

    def library_copy(self, name="liblazy.so", to=None):
        path = self.folder() / (to or name)
        shutil.copy2(FIXTURES / name, path)
        return path

    def check_program(self, *compiler):
        program = self.compile(HERE / "program.c", *compiler)
        library = self.library_copy()
        before = sha256(library)
        done = run([program, library, HERE / "program.c"], env=self.environment)
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"))
        self.assertEqual(sha256(library), before)
        self.assertEqual([path.name for path in library.parent.iterdir()], [library.name])


class Library(Api):
    def test_exports_are_the_functions_of_the_header(self):
        rows = run(["nm", "-D", "--defined-only", "-P", self.library]).stdout.splitlines()
        exported = {row.split()[0]: row.split()[1] for row in rows}
        self.assertGreaterEqual(len(self.functions()), 18)
        self.assertEqual({name.split("@@")[0] for name, kind in exported.items() if kind != "A"},
                         set(self.functions()))
        for name, kind in exported.items():
            if kind != "A":
                self.assertTrue(name.endswith("@@GREENIFY_1"), name)
                self.assertEqual(kind, "T", name)

    def test_has_its_soname(self):
        self.assertIn("soname: [libgreenify.so.1]", run(["readelf", "-dW", self.library]).stdout)

    def test_keeps_no_state_of_its_own(self):
        """Nothing writable is in it but what the compiler puts into every library, and where the
        disassembler stands, which is written once."""
        table = run(["objdump", "-t", self.library]).stdout
        self.assertIn("patch_prepare", table)
        names = re.findall(r"\s\.(?:t?data|t?bss)\t\S+\s+(?:\.hidden )?(\S+)$", table, re.M)
        self.assertEqual(set(names) - {".data", ".bss", "completed.0", "__dso_handle",
                                       "__TMC_END__", "capstone", "capstone_once",
                                       "capstone_failure"}, set())

    def test_two_threads_do_not_meet(self):
        program = self.compile(HERE / "threads.c", "gcc", "-std=gnu11", "-pthread")
        files = [self.library_copy("liblazy.so"), self.library_copy("libno_plt.so"),
                 self.library_copy("libbss.so")]
        before = [sha256(path) for path in files]
        done = run([program, *files], env=self.environment)
        self.assertEqual((done.returncode, done.stdout), (0, "done\n"))
        self.assertEqual([sha256(path) for path in files], before)


class Header(Api):
    def test_stands_alone(self):
        for language, standards in {"c": ["c11", "c17"], "c++": ["c++11", "c++20"]}.items():
            for standard in standards:
                with self.subTest(standard):
                    done = run(["g++" if language == "c++" else "gcc", f"-std={standard}", *STRICT,
                                "-fsyntax-only", "-x", language, self.header_path])
                    self.assertEqual(done.returncode, 0, done.stdout)

    def test_serves_a_program_in_c(self):
        self.check_program("gcc", "-std=c11")

    def test_serves_a_program_in_cxx(self):
        self.check_program("g++", "-std=c++11", "-x", "c++")

    def test_has_the_codes_in_the_order_of_the_table(self):
        table = (SOURCE / "patcher/errors.def").read_text(encoding="utf-8")
        codes = re.findall(r"^PATCH_ERROR\((\w+),", table, re.M)
        body = re.search(r"enum patch_code \{(.*?)\}", self.header, re.S)[1]
        self.assertGreater(len(codes), 20)
        self.assertEqual(re.findall(r"PATCH_(\w+)", body), codes)

    def test_hook_names_are_those_of_the_command(self):
        table = json.loads(run([self.installed("bin/greenify"), "hooks", "--json"]).stdout)
        groups = {}
        for row in table["hooks"]:
            groups.setdefault(row["group"], []).append(row["name"])
        groups["default"] = [name for group in table["default"].split(",")
                             for name in groups[group]]
        groups["all"] = [row["name"] for row in table["hooks"]]
        for group, names in groups.items():
            with self.subTest(group):
                code = (f"#include <greenify_hooks.h>\n#include <stdio.h>\nint main(void) {{\n"
                        f"const char *names[] = {{GREENIFY_HOOKS_{group.upper()}}};\n"
                        f"for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)\n"
                        f"puts(names[i]);\nreturn 0; }}\n")
                source = self.folder() / "names.c"
                source.write_text(code, encoding="utf-8")
                output = run([self.compile(source, "gcc")], env=self.environment).stdout
                self.assertEqual(sorted(output.split()), sorted(names))


class Readme(Api):
    def test_program(self):
        readme = (SOURCE / "README.md").read_text(encoding="utf-8")
        programs = re.findall(r"^```c\n(.*?)^```$", readme, re.M | re.S)
        code, = (program for program in programs if "greenify.h" in program)
        source = self.folder() / "blocks.c"
        source.write_text(code, encoding="utf-8")
        # The options that it does not name are zero, which -Wextra remarks on.
        program = self.compile(source, "gcc", "-Wno-missing-field-initializers")
        done = run([program, self.library_copy()], env=self.environment)
        self.assertEqual(done.returncode, 0)
        self.assertEqual([line.split(",")[0] for line in done.stdout.splitlines()],
                         ["poll", "recv", "send"])
        wrong = run([program, source], env=self.environment)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("[not-elf]", wrong.stdout)


    @unittest.skipUnless(shutil.which("prove"), "prove is not installed")
    def test_harness(self):
        readme = (SOURCE / "README.md").read_text(encoding="utf-8")
        command = re.search(r"^    (prove -e '.*') \S+$", readme, re.M)[1]
        greenify = self.installed("bin/greenify")
        words = shlex.split(command.replace("greenify", str(greenify), 1))
        library = self.library_copy()
        self.assertEqual(run([*words, library], env=self.environment).returncode, 1)
        self.assertEqual(run([greenify, library]).returncode, 0)
        done = run([*words, library], env=self.environment)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("All tests successful", done.stdout)


class Manual(Api):
    @classmethod
    def pages(cls):
        return {name: cls.installed(name).read_text(encoding="utf-8") for name in PAGES}

    def test_each_function_has_its_prototype(self):
        described = {}
        for name, text in self.pages().items():
            synopsis = text[text.index(".Sh SYNOPSIS"):text.index(".Sh DESCRIPTION")]
            for kind, function in re.findall(r'^\.Ft (.*)\n\.Fn (.*)$', synopsis, re.M):
                words = re.findall(r'"([^"]*)"|(\S+)', function)
                words = [quoted or bare for quoted, bare in words]
                self.assertNotIn(words[0], described)
                described[words[0]] = (plain(kind.strip('"')), plain(",".join(words[1:])))
        self.assertEqual(described, self.functions())

    def test_each_function_leads_to_its_page(self):
        for name in self.functions():
            with self.subTest(name):
                page = self.installed(name + ".3")
                self.assertRegex(page.read_text(encoding="utf-8"), rf"(?m)^\.Nm {name}( ,)?$")

    def test_each_field_and_constant_is_described(self):
        text = "\n".join(self.pages().values())
        words = set(re.findall(r"^\.It (?:Va|Dv) (\w+)", text, re.M)) | set(
            word for line in re.findall(r"^\.It (?:Va|Dv) (.*)$", text, re.M)
            for word in re.findall(r"\w+", line))
        for kind, name, body in re.findall(r"(struct|enum) (patch_\w+) \{([^{}]*)\}", self.header):
            if name == "patch_code":
                continue
            members = (re.findall(r"\b(PATCH_\w+)", body) if kind == "enum" else
                       re.findall(r"(\w+)(?:\[\d+\])?;", body))
            self.assertTrue(members, name)
            for member in members:
                with self.subTest(name, member=member):
                    self.assertIn(member, words)

    def test_examples_compile_and_run(self):
        text = self.pages()["libgreenify.3"]
        code = re.search(r"^\.Bd -literal\n(#include .*?)^\.Ed$", text, re.S | re.M)[1]
        source = self.folder() / "example.c"
        source.write_text(code.replace("\\e", "\\").replace("\\&", ""), encoding="utf-8")
        program = self.compile(source, "gcc", "-std=c11")
        library = self.library_copy()
        first = run([program, library], env=self.environment)
        self.assertEqual(first.returncode, 0, first.stdout)
        self.assertIn("3 functions", first.stdout)
        again = run([program, library], env=self.environment)
        self.assertEqual(again.returncode, 0, again.stdout)
        self.assertIn("nothing to do", again.stdout)
        wrong = run([program, HERE / "program.c"], env=self.environment)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("[not-elf]", wrong.stdout)


if __name__ == "__main__":
    unittest.main()
