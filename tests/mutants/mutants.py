# SPDX-License-Identifier: MIT
"""Breaks the runtime in one place after another, and shows that a test notices each time.

    mutants.py [--list] [--keep FOLDER] [NAME...]

Works on a copy of the sources. A line for each mutant: which test noticed, how, and when; or that
none did, which is an error, as is a mutant whose place is not found any more.
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from table import MUTANTS, TESTS

ROOT = pathlib.Path(os.environ.get("SOURCE_ROOT", pathlib.Path(__file__).parents[2]))
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:detect_leaks=1",
    "UBSAN_OPTIONS": "halt_on_error=1",
    "CK_DEFAULT_TIMEOUT": "30",
}
BUILDS = {"build": [], "build-asan": ["-Db_sanitize=address,undefined", "-Db_lundef=false"]}
LIMIT = 130  # seconds for one test: a wake-up that is lost is found by waiting


class Tree:
    """A copy of the sources, and its builds."""

    def __init__(self, folder):
        self.folder = folder
        listed = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                                capture_output=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists() or place.read_bytes() != (ROOT / name).read_bytes():
                shutil.copy(ROOT / name, place)

    def build(self, build, targets):
        """The output of a failed build; None: all is well."""
        folder = self.folder / build
        if not (folder / "build.ninja").exists():
            subprocess.run(["meson", "setup", build, "-Dend_to_end=false", *BUILDS[build]],
                           cwd=self.folder, check=True, stdout=subprocess.DEVNULL)
        done = subprocess.run(["ninja", "-C", str(folder), *targets], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        return None if done.returncode == 0 else done.stdout

    def run(self, build, test):
        """How the test failed; None: it passed."""
        target, *arguments = TESTS[test]
        folder = self.folder / build
        process = subprocess.Popen(
            [folder / target, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True,
            env={**os.environ, **ENVIRONMENT, "SLOTS_DIR": str(folder / "tests/hooks"),
                 "LD_LIBRARY_PATH": str(folder / "runtime")})
        try:
            output, _ = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            output = f"does not end in {LIMIT} s"
        finally:
            # Its children are in its session.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
        return None if process.returncode == 0 else symptom(output, process.returncode)


def symptom(output, status):
    """The line that tells most."""
    lines = output.strip().splitlines()
    for mark in ("FAILED", ":F:", ":E:", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                 "does not end"):
        for line in lines:
            if mark in line:
                return line.split("tests/")[-1].strip()[:110]
    return f"status {status}"


class Mutation:
    """While it is entered a file of the tree has another text in one place."""

    def __init__(self, tree, mutant):
        self.path = tree.folder / mutant.file
        self.before = self.path.read_text()
        self.mutant = mutant

    def __enter__(self):
        if self.before.count(self.mutant.old) != 1:
            raise LookupError(f"{self.mutant.file} has its place {self.before.count(self.mutant.old)} times")
        self.path.write_text(self.before.replace(self.mutant.old, self.mutant.new))

    def __exit__(self, *unused):
        self.path.write_text(self.before)


def targets_of(tests):
    targets = [TESTS[test][0] for test in tests]
    if any("test_slots" in target for target in targets):
        targets += SLOT_LIBRARIES
    return targets


SLOT_LIBRARIES = [f"tests/hooks/libslots_{build}.so" for build in
                  ("lazy", "now", "no_relro", "no_plt", "gold", "lld", "lld_now", "mold")]


def judge(tree, mutant):
    """(noticed, what to say)"""
    try:
        with Mutation(tree, mutant):
            failure = tree.build(mutant.build, targets_of(mutant.tests))
            if failure is not None:
                return False, "does not compile: " + failure[-300:]
            for test in mutant.tests:
                begun = time.monotonic()
                how = tree.run(mutant.build, test)
                if how is not None:
                    return True, f"{test} ({time.monotonic() - begun:.0f} s): {how}"
    except LookupError as error:
        return False, str(error)
    return False, "NOBODY NOTICED (" + ", ".join(mutant.tests) + ")"


def check_unchanged(tree, mutants):
    """Without a mutation all tests pass, or nothing that follows means anything."""
    for build in sorted({mutant.build for mutant in mutants}):
        tests = sorted({test for mutant in mutants if mutant.build == build
                        for test in mutant.tests})
        failure = tree.build(build, targets_of(tests))
        if failure is not None:
            sys.exit(failure)
        for test in tests:
            how = tree.run(build, test)
            if how is not None:
                sys.exit(f"{test} fails in the unchanged tree: {how}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if not options.names or mutant.name in options.names]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:34} {mutant.file:28} {' '.join(mutant.tests)}")
        return
    with tempfile.TemporaryDirectory() as temporary:
        tree = Tree(options.keep or pathlib.Path(temporary))
        check_unchanged(tree, mutants)
        missed = 0
        for mutant in mutants:
            noticed, said = judge(tree, mutant)
            missed += not noticed
            print(f"{'ok' if noticed else 'MISSED':6} {mutant.name:34} {said}", flush=True)
    print(f"{len(mutants)} mutants, {missed} missed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
