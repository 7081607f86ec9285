# SPDX-License-Identifier: MIT
"""greenify wheel: what pip makes of the result, and wheels that nobody should trust."""

import csv
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
import zipfile

sys.path.insert(0, str(pathlib.Path(os.environ["SOURCE_ROOT"]) / "tests/command"))
import package  # noqa: E402
from support import RUNTIME, Case  # noqa: E402

LIBRARIES = f"{package.NAME}.libs"


def dynamic_tags(path):
    listing = subprocess.run(["readelf", "-dW", path], capture_output=True, text=True, check=True)
    return re.findall(r"^ 0x[0-9a-f]+ \((\w+)\)", listing.stdout, re.M)


class Wheels(Case):
    extension = None  # built once for all

    def setUp(self):
        super().setUp()
        if Wheels.extension is None:
            path = self.folder / "extension.so"
            package.build_extension(path)
            Wheels.extension = path.read_bytes()
            path.unlink()
        self.files = package.package_files(Wheels.extension)
        self.input = self.folder / f"{package.NAME}-1.0-cp3-none-linux_x86_64.whl"
        self.out = self.folder / "out"
        self.out.mkdir()
        self.output = self.out / self.input.name

    def convert(self, *options, **arguments):
        return self.greenify("wheel", self.input, "-o", self.output, "--runtime-file",
                             RUNTIME / "libgreen.so.1", *options, **arguments)

    def refuse(self, text, *options):
        before = self.input.read_bytes()
        run = self.convert(*options, status=1)
        self.assert_one_message(run, self.input, text)
        self.assertEqual(self.input.read_bytes(), before)
        self.assertEqual(list(self.out.iterdir()), [])
        return run


class Accepted(Wheels):
    def test_every_row_of_the_new_record_holds(self):
        package.write_wheel(self.input, self.files)
        run = self.convert()
        self.assertIn(f"{package.EXTENSION}: 1 function redirected", run.stdout)
        with zipfile.ZipFile(self.output) as archive:
            self.assertIsNone(archive.testzip())
            names = archive.namelist()
            self.assertEqual(names[-1], f"{package.INFO}/RECORD")
            rows = list(csv.reader(io.StringIO(archive.read(names[-1]).decode())))
            self.assertEqual(sorted(row[0] for row in rows), sorted(names))
            for name, digest, size in rows[:-2]:
                data = archive.read(name)
                self.assertEqual((digest or package.row_sum(data), size or str(len(data))),
                                 (package.row_sum(data), str(len(data))), name)
            for name, data in self.files.items():
                if name != package.EXTENSION:
                    self.assertEqual(archive.read(name), data)
            self.assertIn(f"{LIBRARIES}/libgreen.so.1", names)
            self.assertIn(f"{LIBRARIES}/libev.so.4", names)

    def unpack(self):
        with zipfile.ZipFile(self.output) as archive:
            archive.extractall(self.folder / "unpacked")
        return self.folder / "unpacked"

    def test_loader_finds_the_runtime_inside(self):
        package.write_wheel(self.input, self.files)
        self.convert()
        folder = self.unpack()
        environment = {key: value for key, value in os.environ.items()
                       if key != "LD_LIBRARY_PATH"}
        listing = subprocess.run(["ldd", folder / package.EXTENSION], capture_output=True,
                                 text=True, check=True, env=environment).stdout
        for name in ("libgreen.so.1", "libev.so.4"):
            self.assertRegex(listing, rf"{name} => {folder}/\S*{LIBRARIES}/{name} ")

    def test_pip_installs_it_and_it_works(self):
        package.write_wheel(self.input, self.files)
        self.convert()
        home = self.folder / "venv"
        subprocess.run(["/usr/bin/python3", "-m", "venv", home], check=True)
        environment = {key: value for key, value in os.environ.items()
                       if key not in ("LD_LIBRARY_PATH", "PYTHONPATH")}
        environment["PIP_NO_INDEX"] = "1"
        environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        target = self.out / f"{package.NAME}-1.0-py3-none-any.whl"
        self.output.rename(target)
        for command in (["pip", "install", target], ["pip", "check"]):
            subprocess.run([home / "bin/python", "-m", *command], check=True, env=environment,
                           stdout=subprocess.DEVNULL)
        code = ("import sleepy; assert sleepy.wait() == 0; maps = open('/proc/self/maps').read();"
                "assert 'sleepy.libs/libgreen.so.1' in maps, maps")
        subprocess.run([home / "bin/python", "-c", code], check=True, env=environment)
        listing = subprocess.run([home / "bin/python", "-m", "pip", "show", "-f", package.NAME],
                                 check=True, env=environment, capture_output=True, text=True)
        self.assertIn(f"{LIBRARIES}/libgreen.so.1", listing.stdout)
        installed = next(home.glob("lib/python3*/site-packages"))
        self.assertEqual(package.untrue_rows(installed, installed / package.INFO / "RECORD"), [])

    def test_only_wheel_needs_the_archive_library(self):
        package.write_wheel(self.input, self.files)
        (self.folder / "libarchive.so.13").touch()
        without = dict(os.environ, LD_LIBRARY_PATH=str(self.folder))
        self.assert_one_message(self.convert(status=1, env=without), self.input, "[load]")
        path = self.folder / "extension.so"
        path.write_bytes(Wheels.extension)
        for verb in ("patch", "scan", "verify", "revert"):
            self.greenify(verb, path, env=without)
        self.greenify("tree", self.out, status=3, env=without)
        self.convert()

    def test_twice_is_nothing_to_do(self):
        package.write_wheel(self.input, self.files)
        self.convert()
        run = self.greenify("wheel", "--strict", self.output, status=3)
        self.assert_one_message(run, self.output, "nothing to do")
        self.assertEqual(run.stdout, "")

    def test_wheel_without_libraries_is_nothing_to_do(self):
        del self.files[package.EXTENSION]
        package.write_wheel(self.input, self.files)
        self.convert(status=3)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_dry_run_writes_nothing(self):
        package.write_wheel(self.input, self.files)
        run = self.convert("-n", "--json")
        self.assertEqual(list(self.out.iterdir()), [])
        report = json.loads(run.stdout)
        self.assertTrue(report["dry_run"])
        self.assertEqual(report["files"][0]["names"], ["poll"])

    def test_json_tells_what_was_patched_and_put_in(self):
        package.write_wheel(self.input, self.files)
        report = json.loads(self.convert("--json").stdout)
        self.assertEqual((report["version"], report["verb"], report["status"]), (1, "wheel", 0))
        self.assertEqual([entry["file"] for entry in report["files"]], [package.EXTENSION])
        self.assertEqual(report["added"][0], f"{LIBRARIES}/libgreen.so.1")
        self.assertEqual(report["refused"], {})

    def test_libraries_in_data_folders_are_seen_where_they_are_installed(self):
        name = f"{package.NAME}-1.0.data/platlib/deep/er/_x.so"
        self.files[name] = self.files.pop(package.EXTENSION)
        package.write_wheel(self.input, self.files)
        self.convert()
        listing = subprocess.run(["readelf", "-d", self.unpack() / name], capture_output=True,
                                 text=True, check=True).stdout
        self.assertIn(f"[$ORIGIN/../../{LIBRARIES}]", listing)

    def test_refused_libraries_are_copied_and_counted(self):
        broken = self.files[package.EXTENSION][:200]
        self.files["sleepy/broken.so"] = broken
        package.write_wheel(self.input, self.files)
        report = json.loads(self.convert("--json").stdout)
        self.assertEqual(sum(report["refused"].values()), 1)
        with zipfile.ZipFile(self.output) as archive:
            self.assertEqual(archive.read("sleepy/broken.so"), broken)

    def test_nothing_to_do_is_not_said_of_what_was_refused(self):
        self.files = package.package_files(Wheels.extension[:200], "manylinux_2_5_x86_64")
        package.write_wheel(self.input, self.files)
        run = self.convert(status=3)
        self.assert_one_message(run, self.input, "nothing to write: 1 library was refused, and "
                                                 "no other has anything to do")
        self.assertEqual(run.stdout, "  1 refused: truncated\n")
        self.assertEqual(list(self.out.iterdir()), [])

    def test_a_library_without_spare_entries_needs_none(self):
        """lld leaves none, but two that the loader goes without; with packed relocations but one."""
        if shutil.which("ld.lld") is None:
            self.skipTest("lld is not installed")
        path = self.folder / "packed.so"
        flags = ("-fuse-ld=lld", "-Wl,-z,now")
        package.build_extension(path, *flags)
        before = dynamic_tags(path)
        self.assertEqual((before.count("NULL"), before.count("RELACOUNT"), before.count("FLAGS")),
                         (1, 1, 1))
        self.files[package.EXTENSION] = path.read_bytes()
        package.write_wheel(self.input, self.files)
        self.convert()
        made = self.unpack() / package.EXTENSION
        tags = dynamic_tags(made)
        self.assertEqual(len(tags), len(before))
        self.assertEqual((tags.count("RUNPATH"), tags.count("RELACOUNT"), tags.count("FLAGS")),
                         (1, 0, 0))
        self.greenify("verify", "--original", path, made)
        self.greenify("revert", made)
        self.assertEqual(made.read_bytes(), path.read_bytes())
        package.build_extension(path, *flags, "-Wl,--pack-dyn-relocs=relr")
        self.files[package.EXTENSION] = path.read_bytes()
        package.write_wheel(self.input, self.files)
        self.output.unlink()
        self.assertEqual(self.convert(status=3).stdout, "  1 refused: no-dynamic-slot\n")
        self.greenify(path)

    def test_strict_refuses_all_for_one(self):
        self.files["sleepy/broken.so"] = self.files[package.EXTENSION][:200]
        package.write_wheel(self.input, self.files)
        run = self.convert("--strict", status=1)
        self.assertIn("sleepy/broken.so", run.stderr)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_tag_that_promises_more_than_the_runtime_is_told(self):
        self.files = package.package_files(Wheels.extension, "manylinux_2_5_x86_64")
        package.write_wheel(self.input, self.files)
        self.assertIn("promises to work with glibc 2.5", self.convert().stderr)

    def test_signature_is_dropped_when_asked(self):
        self.files[f"{package.INFO}/RECORD.jws"] = b"{}"
        package.write_wheel(self.input, self.files)
        self.convert("--drop-signatures")
        with zipfile.ZipFile(self.output) as archive:
            self.assertNotIn(f"{package.INFO}/RECORD.jws", archive.namelist())
            record = archive.read(f"{package.INFO}/RECORD").decode()
            self.assertNotIn("RECORD.jws", record)

    def test_no_litter_in_the_temporary_folder(self):
        temporary = self.folder / "temporary"
        temporary.mkdir()
        package.write_wheel(self.input, self.files)
        environment = dict(os.environ, TMPDIR=str(temporary))
        self.convert(env=environment)
        self.files["../x"] = b""
        package.write_wheel(self.input, self.files)
        self.convert(env=environment, status=1)
        self.assertEqual(list(temporary.iterdir()), [])


class Refused(Wheels):
    def test_libraries_of_two_machines(self):
        """The first fits the runtime, a later one does not."""
        compiler = "aarch64-linux-gnu-gcc"
        if shutil.which(compiler) is None:
            self.skipTest(f"{compiler} is not installed")
        other = self.folder / "other.so"
        subprocess.run([compiler, "-shared", "-fPIC", "-xc", "-", "-o", other],
                       input=b"int poll(void *, unsigned long, int);\n"
                             b"int call(void) { return poll(0, 0, 0); }\n", check=True)
        self.files["zz_other.so"] = other.read_bytes()
        package.write_wheel(self.input, self.files)
        self.refuse("libraries for AArch64, the runtime is for x86-64")

    def test_signed(self):
        for name in ("RECORD.jws", "RECORD.p7s"):
            with self.subTest(name):
                package.write_wheel(self.input, {**self.files, f"{package.INFO}/{name}": b"{}"})
                self.refuse("[signed]")

    def test_names_that_lead_elsewhere(self):
        for name in ("../x", "/etc/x", "a/../../x", "a//x", "./x", "a\x01x", "a/./x"):
            with self.subTest(name):
                package.write_wheel(self.input, {**self.files, name: b""})
                self.refuse("the name '")
        self.assertFalse((self.folder / "x").exists())

    def test_backslash_is_no_way_around_the_record(self):
        package.write_wheel(self.input, {**self.files, "..\\x": b""})
        self.refuse("")

    def test_links(self):
        package.write_wheel(self.input, self.files)
        with zipfile.ZipFile(self.input, "a") as archive:
            link = zipfile.ZipInfo("sleepy/link")
            link.create_system = 3
            link.external_attr = 0o120777 << 16
            archive.writestr(link, "/etc/passwd")
        self.refuse("neither a file nor a folder")

    def test_name_twice(self):
        package.write_wheel(self.input, self.files)
        with zipfile.ZipFile(self.input, "a") as archive, self.assertWarns(UserWarning):
            archive.writestr(package.EXTENSION, b"other")
        self.refuse("is there twice")

    def test_bomb(self):
        self.files["sleepy/zeros"] = bytes(50 << 20)
        package.write_wheel(self.input, self.files)
        self.assertLess(self.input.stat().st_size, 1 << 20)
        self.refuse("would unpack to more than 1048576 bytes", "--size-limit", "1M")

    def test_bomb_that_lies_about_its_size(self):
        self.files["sleepy/zeros"] = bytes(5 << 20)
        package.write_wheel(self.input, self.files)
        data = self.input.read_bytes()
        real = (5 << 20).to_bytes(4, "little")
        self.assertGreaterEqual(data.count(real), 2)
        self.input.write_bytes(data.replace(real, (5).to_bytes(4, "little")))
        self.refuse("", "--size-limit", "4M")

    def test_record_that_does_not_hold(self):
        true = package.record_of(self.files).decode()
        lines = true.splitlines(keepends=True)
        wrong = {
            "is not what RECORD says": true.replace("sha256=", "sha256=A"),
            "has no row for": "".join(line for line in lines if "_native" not in line),
            "which is not there": true + "sleepy/ghost.py,,\n",
            "a path stands there twice": true + lines[0],
            "not three fields": true + "sleepy/x\n",
            "there are not three fields": true + "a,b=c,1,d\n",
            "a quote is wrong": true + '"sleepy/x,,\n',
            "no algorithm": true + "sleepy/x,abc,1\n",
            "the size is no number": true + "sleepy/x,,-1\n",
            "NUL byte": true + "\0,,\n",
            "the path is empty": true + ",,\n",
        }
        for text, record in wrong.items():
            with self.subTest(text):
                package.write_wheel(self.input, self.files, record.encode())
                self.refuse(text)

    def test_no_wheel(self):
        package.write_wheel(self.input, self.files, record=False)
        self.refuse("it is no wheel")
        for content in (b"", b"PK", b"no archive at all" * 50):
            self.input.write_bytes(content)
            self.refuse("[package]")
        self.input.unlink()
        self.assertIn("[system]", self.convert(status=1).stderr)
        self.input.mkdir()
        self.assertIn("[not-regular]", self.convert(status=1).stderr)

    def test_every_cut_is_refused(self):
        package.write_wheel(self.input, self.files)
        whole = self.input.read_bytes()
        for part in range(1, 20):
            with self.subTest(part):
                self.input.write_bytes(whole[:len(whole) * part // 20])
                self.refuse("[package]")

    def test_flipped_bytes_never_pass_unnoticed(self):
        package.write_wheel(self.input, self.files)
        whole = self.input.read_bytes()
        for at in range(7, len(whole), len(whole) // 60):
            self.input.write_bytes(whole[:at] + bytes([whole[at] ^ 0xff]) + whole[at + 1:])
            run = subprocess.run([os.environ["GREENIFY"], "wheel", self.input, "-o", self.output],
                                 capture_output=True, timeout=60)
            self.assertIn(run.returncode, (0, 1, 3), f"{at}: {run.stderr}")
            if self.output.exists():
                with zipfile.ZipFile(self.output) as archive:
                    self.assertIsNone(archive.testzip())
                self.output.unlink()

    def test_musl(self):
        package.write_wheel(self.input, package.package_files(Wheels.extension, "musllinux_1_2_x86_64"))
        self.refuse("it is for musl")

    def test_no_room(self):
        package.write_wheel(self.input, self.files)
        for blocks in (1, 8, 16, 100):
            with self.subTest(blocks):
                command = (f"ulimit -f {blocks} && exec {os.environ['GREENIFY']} wheel {self.input} "
                           f"-o {self.output} --runtime-file {RUNTIME}/libgreen.so.1")
                run = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
                self.assertEqual(run.returncode, 1, run.stderr)
                self.assertIn("[system]", run.stderr)
                self.assertEqual(list(self.out.iterdir()), [])

    def test_signal_leaves_nothing_behind(self):
        temporary = self.folder / "temporary"
        temporary.mkdir()
        package.write_wheel(self.input, self.files)
        run = self.convert(status=1, env=dict(os.environ, TMPDIR=str(temporary)),
                           preexec_fn=package.arrive_interrupted)
        self.assertIn("interrupted", run.stderr)
        self.assertEqual(list(self.out.iterdir()) + list(temporary.iterdir()), [])

    def test_runtime_that_is_none(self):
        package.write_wheel(self.input, self.files)
        run = self.greenify("wheel", self.input, "-o", self.output, "--runtime-file",
                            "/nonexistent/libgreen.so.1", status=1)
        self.assertIn("/nonexistent/libgreen.so.1", run.stderr)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_usage(self):
        package.write_wheel(self.input, self.files)
        self.greenify("wheel", self.input, self.input, status=2)
        self.greenify("wheel", status=2)
        self.greenify("wheel", self.input, "-o", self.out, status=1)


if __name__ == "__main__":
    unittest.main()
