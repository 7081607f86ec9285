# SPDX-License-Identifier: MIT
"""--deps: the same libraries as the loader, patched as one, in copies that work."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(os.environ["SOURCE_ROOT"]) / "tests/command"))
from support import (REAL_LIBRARIES, RUNTIME, Case, dynamic_imports, library_path,  # noqa: E402
                     sha256, snapshot)

HOOKED = "#include <poll.h>\nint wait_{0}(void) {{ return poll(0, 0, 1); }}\n"
CALLING = "int wait_{1}(void);\nint wait_{0}(void) {{ return wait_{1}(); }}\n"
EVERY_SYSTEM = re.compile(r"/(ld-linux|libc\.so|libm\.so|libpthread|libdl|librt)")
RUNTIME_NAME = "$ORIGIN/libgreen.so.1"


def environment(*folders):
    kept = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    if folders:
        kept["LD_LIBRARY_PATH"] = ":".join(map(str, folders))
    return kept


def loaded(path, *folders):
    """{name: path or None} by the loader's own account."""
    listing = subprocess.run(["ldd", path], capture_output=True, text=True, check=True,
                             env=environment(*folders)).stdout
    found = {name: None for name in re.findall(r"(\S+) => not found", listing)}
    for path in re.findall(r"(/\S+) \(0x", listing):
        found[os.path.basename(path)] = path
    return found


class Deps(Case):
    def setUp(self):
        super().setUp()
        self.source = self.folder / "source"
        self.source.mkdir()
        self.out = self.folder / "out"
        self.out.mkdir()

    def library(self, name, code, *flags, soname=True):
        options = ("-xnone", f"-Wl,-soname,{name}") if soname else ("-xnone",)
        return super().library(f"source/{name}", code, *options, *flags)

    def chain(self, *flags):
        """module.so needs libmiddle.so.1 needs liblast.so.1, which alone blocks."""
        last = self.library("liblast.so.1", HOOKED.format("last"))
        middle = self.library("libmiddle.so.1", CALLING.format("middle", "last"), last,
                              "-Wl,-rpath,$ORIGIN", *flags)
        return self.library("module.so", CALLING.format("module", "middle"), middle,
                            "-Wl,-rpath,$ORIGIN", *flags, soname=False)

    def scan(self, path, *options, status=0, **arguments):
        run = self.greenify("scan", "--deps", "--json", path, *options, status=status, **arguments)
        return json.loads(run.stdout)["files"][0]["members"]

    def call(self, path, name, *folders):
        """Calls name() in the library, in a process of its own; what it has mapped."""
        code = (f"import ctypes; library = ctypes.CDLL({str(path)!r})\n"
                f"assert library.{name}() == 0; print(open('/proc/self/maps').read())")
        run = subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True,
                             env=environment(*folders))
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout


class Scan(Deps):
    def test_same_libraries_as_the_loader(self):
        for soname in REAL_LIBRARIES:
            with self.subTest(soname):
                path = library_path(soname)
                members = self.scan(path, env=environment())
                ours = {os.path.realpath(member["path"]) for member in members[1:]}
                theirs = {os.path.realpath(found) for found in loaded(path).values() if found}
                self.assertEqual({name for name in ours if not EVERY_SYSTEM.search(name)},
                                 {name for name in theirs if not EVERY_SYSTEM.search(name)})

    def test_tree_shows_what_blocks_where(self):
        module = self.chain()
        lines = self.greenify("scan", "--deps", module).stdout.splitlines()
        self.assertRegex(lines[0], r"module\.so: nothing hooked$")
        self.assertRegex(lines[1], r"^  libmiddle\.so\.1 => \S+ \(runpath\): nothing hooked$")
        self.assertRegex(lines[2], r"^    liblast\.so\.1 => \S+ \(runpath\): 1 hooked, 0 of them "
                                   r"redirected: poll$")
        self.assertEqual(lines[3:], ["to patch: liblast.so.1"])
        self.assertEqual([member["name"] for member in self.scan(module) if member["to_patch"]],
                         ["liblast.so.1"])
        lines = self.greenify("scan", "--deps", "-v", module).stdout.splitlines()
        self.assertRegex(lines[3], r"^      libc\.so\.6 => \S+ \(\w+\): never patched$")

    def test_cycles_end(self):
        stub = self.library("libb.so", "void b(void) {}\n")
        one = self.library("liba.so", "void b(void); void a(void) { b(); }\n", stub,
                           "-Wl,-rpath,$ORIGIN")
        self.library("libb.so", HOOKED.format("b") + "void a(void); void b(void) { a(); }\n", one,
                     "-Wl,-rpath,$ORIGIN")
        members = self.scan(one)
        self.assertEqual([member["name"] for member in members], ["liba.so", "libb.so", "libc.so.6"])
        self.assertEqual(members[1]["needs"][0], {"name": "liba.so", "member": 0,
                                                  "found": "loaded"})

    def test_rpath_is_handed_down_and_runpath_is_not(self):
        for flag, found in (("-Wl,--disable-new-dtags", True), ("-Wl,--enable-new-dtags", False)):
            with self.subTest(flag):
                last = self.library("liblast.so.1", HOOKED.format("last"))
                middle = self.library("libmiddle.so.1", CALLING.format("middle", "last"), last)
                module = self.library("module.so", CALLING.format("module", "middle"), middle,
                                      "-Wl,-rpath,$ORIGIN", flag, soname=False)
                names = {member["name"] for member in self.scan(module, status=0 if found else 3)}
                self.assertEqual("liblast.so.1" in names, found)
                self.assertEqual(loaded(module)["liblast.so.1"] is not None, found)

    def test_environment_wins_over_run_path(self):
        module = self.chain()
        other = self.folder / "other"
        other.mkdir()
        (other / "liblast.so.1").write_bytes((self.source / "liblast.so.1").read_bytes())
        members = self.scan(module, env=environment(other))
        self.assertIn(str(other / "liblast.so.1"), [member["path"] for member in members])

    def test_missing_and_broken_libraries_are_told(self):
        module = self.chain()
        (self.source / "liblast.so.1").write_bytes(b"\x7fELF" + bytes(10))
        (self.source / "libmiddle.so.1").write_bytes(
            (self.source / "libmiddle.so.1").read_bytes()[:700])
        run = self.greenify("scan", "--deps", module, status=3)
        self.assertRegex(run.stdout, r"libmiddle\.so\.1 => \S+ \(runpath\): cannot be read")
        (self.source / "libmiddle.so.1").unlink()
        run = self.greenify("scan", "--deps", module, status=3)
        self.assertIn("  libmiddle.so.1: not found", run.stdout)

    def test_runtime_and_what_it_needs_are_exempt(self):
        module = self.library("module.so", "void ev_run(void); void ev_x(void) { ev_run(); }\n"
                              + HOOKED.format("module"), library_path("libev.so.4"))
        self.greenify(module)
        members = self.scan(module, env=environment(RUNTIME))
        self.assertEqual({member["name"] for member in members if member["exempt"]},
                         {"libgreen.so.1", "libev.so.4", "libc.so.6"})


    def test_what_any_runtime_needs_is_exempt(self):
        helper = self.library("libhelper.so.1", HOOKED.format("helper"))
        self.library("libown.so.1", CALLING.format("own", "helper"), helper)
        module = self.library("module.so", CALLING.format("module", "helper"), helper)
        for runtime, exempt in (("libown.so.1", True), ("libgreen.so.1", False)):
            members = self.scan(module, "--runtime", runtime, status=3 if exempt else 0,
                                env=environment(self.source))
            self.assertEqual(members[1]["exempt"], exempt)


class Patch(Deps):
    def test_in_place_as_one(self):
        module = self.chain()
        run = self.greenify("--deps", module)
        self.assertIn("liblast.so.1: 1 function redirected", run.stdout)
        self.assertEqual(len(run.stdout.splitlines()), 1)
        self.assertIn("greenify_poll", dynamic_imports(self.source / "liblast.so.1"))
        self.greenify("--deps", module, status=3)
        self.greenify("verify", "--deps", module)
        self.greenify("revert", "--deps", module)
        self.assertIn("poll", dynamic_imports(self.source / "liblast.so.1"))

    def test_copies_work_with_the_environment(self):
        module = self.chain("-Wl,--enable-new-dtags")
        before = snapshot(self.source)
        self.greenify("--deps", "-d", self.out, module)
        self.assertEqual(snapshot(self.source), before)
        self.assertEqual([path.name for path in self.out.iterdir()], ["liblast.so.1"])
        maps = self.call(module, "wait_module", self.out, RUNTIME)
        self.assertIn(f"{self.out}/liblast.so.1", maps)
        self.assertIn("libgreen.so.1", maps)

    def test_copies_that_would_not_be_used_are_told(self):
        for flag, told in (("-Wl,--disable-new-dtags", True), ("-Wl,--enable-new-dtags", False)):
            with self.subTest(flag):
                run = self.greenify("--deps", "-d", self.out, self.chain(flag))
                self.assertEqual("its copy would not be used" in run.stderr, told, run.stderr)

    def test_copies_stand_alone(self):
        for flag in ("-Wl,--enable-new-dtags", "-Wl,--disable-new-dtags"):
            with self.subTest(flag):
                module = self.chain(flag)
                out = self.folder / flag[6:]
                out.mkdir()
                self.greenify("--deps", "-d", out, "--runtime", RUNTIME_NAME, "--runtime-file",
                              RUNTIME / "libgreen.so.1", module)
                for path in self.source.iterdir():
                    path.unlink()
                maps = self.call(out / "module.so", "wait_module")
                for name in ("libmiddle.so.1", "liblast.so.1", "libgreen.so.1", "libev.so.4"):
                    self.assertIn(f"{out}/{name}", maps)
                self.greenify("verify", "--deps", "--load", "--runtime", RUNTIME_NAME,
                              out / "module.so", env=environment())

    def test_standing_copies_revert(self):
        module = self.chain()
        self.greenify("--deps", "-d", self.out, "--runtime", RUNTIME_NAME, "--runtime-file",
                      RUNTIME / "libgreen.so.1", module)
        run = self.greenify("revert", "--deps", self.out / "module.so", env=environment())
        self.assertIn("liblast.so.1: original restored (1 function of libc", run.stdout)
        for name in ("module.so", "libmiddle.so.1", "liblast.so.1"):
            self.assertEqual(sha256(self.out / name), sha256(self.source / name))
        # It got a run path and nothing else.
        run = self.greenify("revert", self.out / "libgreen.so.1")
        self.assertRegex(run.stdout, r"libgreen\.so\.1: original restored \(\d+ bytes\)\n")
        self.assertEqual(sha256(self.out / "libgreen.so.1"), sha256(RUNTIME / "libgreen.so.1"))

    def test_run_path_survives_a_second_patch(self):
        code = "#include <unistd.h>\n" + CALLING.format("module", "last") + HOOKED.format("here") \
            + "long read_here(void) { return read(-1, 0, 0); }\n"
        last = self.library("liblast.so.1", HOOKED.format("last"))
        module = self.library("module.so", code, last, "-Wl,-rpath,/old", soname=False)
        copy = self.out / "module.so"
        self.greenify("--deps", "-d", self.out, "--runtime", RUNTIME_NAME, "--runtime-file",
                      RUNTIME / "libgreen.so.1", "--hooks", "poll", module,
                      env=environment(self.source))
        self.greenify("--hooks", "poll,read", "--runtime", RUNTIME_NAME, copy)
        self.assertIn("greenify_read", dynamic_imports(copy))
        listing = subprocess.run(["readelf", "-d", copy], capture_output=True, text=True).stdout
        self.assertIn("[$ORIGIN:/old]", listing)
        self.greenify("revert", copy)
        self.assertEqual(sha256(copy), sha256(module))

    def test_copies_have_the_names_that_the_loader_asks_for(self):
        real = self.library("libreal.so.1.2", HOOKED.format("real"), "-Wl,-soname,libreal.so.1",
                            soname=False)
        (self.source / "libname.so").symlink_to(real)
        self.greenify("--deps", "-d", self.out, self.source / "libname.so")
        self.assertFalse((self.out / "libreal.so.1").is_symlink())
        self.assertEqual(os.readlink(self.out / "libname.so"), "libreal.so.1")

    def test_missing_library_hinders_no_other(self):
        module = self.chain()
        lost = self.library("liblost.so.1", "int lost;\n")
        both = self.library("both.so", CALLING.format("both", "middle"), "-Wl,--no-as-needed", lost,
                            self.source / "libmiddle.so.1", "-Wl,-rpath,$ORIGIN", soname=False)
        lost.unlink()
        run = self.greenify("--deps", both, module)
        self.assertIn("needs liblost.so.1, which was not found", run.stderr)
        self.assertIn("greenify_poll", dynamic_imports(self.source / "liblast.so.1"))

    def test_one_failure_leaves_all(self):
        module = self.chain()
        other = self.library("libother.so.1", HOOKED.format("other"))
        os.link(other, self.folder / "second-name")
        both = self.library("both.so", CALLING.format("both", "middle"), "-Wl,--no-as-needed", other,
                            self.source / "libmiddle.so.1", "-Wl,-rpath,$ORIGIN", soname=False)
        before = snapshot(self.source)
        run = self.greenify("--deps", module, both, status=1)
        self.assertIn("[hard-linked]", run.stderr)
        self.assertEqual(snapshot(self.source), before)

    def test_nothing_hooked_anywhere(self):
        plain = self.library("plain.so", "int three(void) { return 3; }\n")
        run = self.greenify("--deps", plain, status=3)
        self.assert_one_message(run, plain, "nothing to do")

    def test_libraries_of_two_files_are_one_transaction(self):
        module = self.chain()
        second = self.library("second.so", CALLING.format("second", "middle"),
                              self.source / "libmiddle.so.1", "-Wl,-rpath,$ORIGIN", soname=False)
        run = self.greenify("--deps", "-d", self.out, module, second)
        self.assertEqual(len(run.stdout.splitlines()), 1)

    def test_real_client_library_stands_alone(self):
        module = library_path("libmariadb.so.3")
        self.greenify("--deps", "-d", self.out, "--runtime", RUNTIME_NAME, "--runtime-file",
                      RUNTIME / "libgreen.so.1", module)
        found = loaded(self.out / "libmariadb.so.3")
        for name in ("libssl.so.3", "libcrypto.so.3", "libgreen.so.1", "libev.so.4"):
            self.assertEqual(found[name], str(self.out / name))
        self.greenify("verify", "--deps", "--load", "--runtime", RUNTIME_NAME,
                      self.out / "libmariadb.so.3", env=environment())


class Hostile(Deps):
    def test_names_and_run_paths_of_any_kind(self):
        last = self.library("liblast.so.1", HOOKED.format("last"))
        module = self.library("module.so", CALLING.format("module", "last"), last,
                              "-Wl,-rpath,$ORIGIN", soname=False)
        whole = module.read_bytes()
        for name in (b"/", b"..", b".", b"//////////", b"$ORIGIN", b"${ORIGIN}/", b"\xff\xfe\n"):
            with self.subTest(name):
                module.write_bytes(whole.replace(b"liblast.so.1\0", name.ljust(12, b"\0") + b"\0"))
                run = subprocess.run([os.environ["GREENIFY"], "--deps", "-d", self.out, module],
                                     capture_output=True, timeout=60)
                self.assertEqual(run.returncode, 3, run.stderr)
                self.assertEqual(list(self.out.iterdir()), [])

    def test_sonames_that_lead_elsewhere(self):
        for name in ("../evil.so", "/tmp/evil.so", "..", ".", "a/", ""):
            with self.subTest(name):
                last = self.library("liblast.so.1", HOOKED.format("last"),
                                    f"-Wl,-soname,{name or '.'}", soname=False)
                subprocess.run([os.environ["GREENIFY"], "--deps", "-d", self.out, last],
                               capture_output=True, timeout=60)
                self.assertFalse((self.folder / "evil.so").exists())
                self.assertFalse(os.path.lexists("/tmp/evil.so"))
                for path in self.out.iterdir():
                    path.unlink()

    def test_flipped_bytes_never_crash_the_walk(self):
        module = self.chain()
        middle = self.source / "libmiddle.so.1"
        whole = middle.read_bytes()
        for at in range(0, len(whole), len(whole) // 150):
            middle.write_bytes(whole[:at] + bytes([whole[at] ^ 0xff]) + whole[at + 1:])
            run = subprocess.run([os.environ["GREENIFY"], "scan", "--deps", module],
                                 capture_output=True, timeout=60)
            self.assertIn(run.returncode, (0, 3), f"{at}: {run.stderr}")


if __name__ == "__main__":
    unittest.main()
