# SPDX-License-Identifier: MIT
"""A folder, files in it, and the command run on them."""

import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

COMMAND = os.environ["GREENIFY"]
SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
RUNTIME = pathlib.Path(os.environ["RUNTIME_DIR"])  # where libgreen.so.1 was built

REAL_LIBRARIES = ("libmariadb.so.3", "libpq.so.5", "libcurl.so.4", "libcrypto.so.3")
NOBODY = 65534


def library_path(soname):
    """Where the dynamic loader finds this library."""
    listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True,
                             check=True).stdout
    match = re.search(rf"^\s*{re.escape(soname)} \(libc6,.*?x86-64.*?\) => (\S+)$", listing, re.M)
    if match is None:
        raise FileNotFoundError(f"{soname}: not known to ldconfig")
    return match[1]


def hook_names(groups=None):
    """The names of the hook table, in its order; those of `groups` only, where given."""
    table = (SOURCE / "runtime/hooks.def").read_text()
    rows = re.findall(r"^HOOK\((\w+), (\w+),", table, re.M)
    return [name for group, name in rows if groups is None or group in groups]


def default_groups():
    header = (SOURCE / "runtime/hook_groups.h").read_text()
    return re.search(r'^#define HOOK_GROUPS_DEFAULT "(.*)"$', header, re.M).group(1).split(",")


def compile_library(path, code, *flags):
    """A small shared object of its own, from C code."""
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-xc", "-", "-o", path, *flags],
                   input=code.encode(), check=True)


def dynamic_imports(path):
    """The undefined dynamic symbols, without versions."""
    listing = subprocess.run(["nm", "-D", "--undefined-only", path], capture_output=True,
                             text=True, check=True).stdout
    return {line.split()[-1].split("@")[0] for line in listing.splitlines()}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def snapshot(folder):
    """All that a change would show in: contents, kind, mode, times, names."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        contents = None
        if path.is_symlink():
            contents = os.readlink(path)
        elif path.is_file():
            contents = sha256(path) if os.access(path, os.R_OK) else "not readable"
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, contents)
    return found


class Case(unittest.TestCase):
    """A test with a folder of its own; the stub runtime is made once a class, if it is needed."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-test-"))
        self.folder.chmod(0o755)
        self.addCleanup(self.remove_folder)

    def remove_folder(self):
        self.folder.chmod(0o755)
        shutil.rmtree(self.folder)

    def copy(self, soname, name=None):
        target = self.folder / (name or soname)
        shutil.copy2(library_path(soname), target)
        return target

    def library(self, name, code, *flags):
        target = self.folder / name
        compile_library(target, code, *flags)
        return target

    def greenify(self, *arguments, status=0, **options):
        """Runs the command and checks its exit status."""
        run = subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True,
                             stdin=subprocess.DEVNULL, timeout=120, **options)
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        return run

    def assert_one_message(self, run, path, text=""):
        lines = run.stderr.splitlines()
        self.assertEqual(len(lines), 1, run.stderr)
        self.assertTrue(lines[0].startswith(f"greenify: {path}: "), lines[0])
        self.assertIn(text, lines[0])

    def assert_refused(self, path, text="", verbs=("patch", "scan", "verify", "revert"),
                       **options):
        """Each verb says no, in one line, and leaves everything as it was."""
        for verb in verbs:
            with self.subTest(verb, path=str(path)):
                before = snapshot(self.folder)
                run = self.greenify(verb, path, status=1, **options)
                self.assert_one_message(run, path, text)
                self.assertEqual(run.stdout, "")
                self.assertEqual(snapshot(self.folder), before)


def runtime_folder(folder):
    """A folder for LD_LIBRARY_PATH: the runtime as built, or a stub with the same exports."""
    if (RUNTIME / "libgreen.so.1").exists():
        return RUNTIME
    code = "#include <stdlib.h>\n" + "".join(
        f"void greenify_{name}(void) {{ abort(); }}\n" for name in hook_names())
    compile_library(folder / "libgreen.so.1", code, "-Wl,-soname,libgreen.so.1")
    return folder
