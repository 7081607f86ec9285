# SPDX-License-Identifier: MIT
"""What the tests of the matrix share: the libraries' sources, the stand-in for the runtime, the tools
that a file has to survive, and the program that calls through it."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

GREENIFY = os.environ["GREENIFY"]
SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
RUNTIME = pathlib.Path(os.environ["RUNTIME_DIR"])  # where libgreen.so.1 was built
FIXTURES = SOURCE / "fixtures/matrix"
SKIPPED = 77  # meson's exit status for a test that could not run

# {cross} is the prefix of a machine's own binutils.
TOOLS = [
    ["{cross}strip", "-o", "{to}", "{from}"],
    ["{cross}strip", "-g", "-o", "{to}", "{from}"],
    ["{cross}objcopy", "{from}", "{to}"],
    ["eu-strip", "-o", "{to}", "{from}"],
    ["eu-strip", "-g", "-o", "{to}", "{from}"],
    ["llvm-strip", "-o", "{to}", "{from}"],
    ["llvm-strip", "-g", "-o", "{to}", "{from}"],
    ["llvm-objcopy", "{from}", "{to}"],
    ["patchelf", "--set-rpath", "/nowhere/at/all", "--output", "{to}", "{from}"],
    ["patchelf", "--add-needed", "libm.so.6", "--output", "{to}", "{from}"],
]


def run(command, **options):
    """Runs to the end, without a shell; the caller looks at the exit status."""
    options = {"capture_output": True, "text": True, "check": False, "timeout": 300,
               "stdin": subprocess.DEVNULL, **options}
    return subprocess.run([str(word) for word in command], **options)


def build(command, **options):
    """The same for what has to succeed."""
    result = run(command, **options)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}:\n{result.stdout}{result.stderr}")
    return result


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def tool_title(words):
    """"strip -g" for the row of TOOLS."""
    return " ".join(word.replace("{cross}", "") for word in words
                    if word in ("-g", "--set-rpath", "--add-needed") or word == words[0])


def tool_command(words, source, target, cross=""):
    return [word.format(**{"from": source, "to": target, "cross": cross}) for word in words]


def installed(*programs):
    return all(shutil.which(program) for program in programs)


class Bench:
    """A folder with the compiled parts: objects, the stand-in for the runtime, the program `load`.
    All by one compiler, of this machine or another."""

    FLAGS = ["-O2", "-g", "-fPIC", "-fexceptions", "-D_GNU_SOURCE", "-Wall", "-Wextra"]

    def __init__(self, triple=None, emulator=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-matrix-"))
        self.triple = triple
        self.emulator = [emulator, "-L", "/usr/" + triple] if emulator else []
        self.cc = f"{triple}-gcc" if triple else "gcc"
        self.cxx = f"{triple}-g++" if triple else "g++"
        self.cross = f"{triple}-" if triple else ""
        build([self.cc, *self.FLAGS, "-shared", "-Wl,-soname,libgreen.so.1",
               FIXTURES / "runtime.c", "-o", self.folder / "libgreen.so.1"])
        build([self.cc, *self.FLAGS, FIXTURES / "load.c", FIXTURES / "exercise.c",
               "-o", self.folder / "load", "-ldl"])

    def close(self):
        shutil.rmtree(self.folder)

    def path(self, name):
        return self.folder / name

    def compile(self, source, *flags):
        """The object file of one of the sources for these flags; made once."""
        words = "".join(letter if letter.isalnum() else "_" for letter in "".join(flags))
        target = self.folder / f"{source.replace('.', '_')}{words}.o"
        if not target.exists():
            compiler = self.cxx if source.endswith(".cc") else self.cc
            build([compiler, *self.FLAGS, *flags, "-c", FIXTURES / source, "-o", target])
        return target

    def load(self, files, runtime=None):
        """What `load` printed for each of the files: "recv=3 read=2 poll=2 right", or a fault."""
        folder = runtime or self.folder
        lines = {}
        files = [str(path) for path in files]
        for start in range(0, len(files), 400):
            if self.emulator:
                command = [*self.emulator, "-E", f"LD_LIBRARY_PATH={folder}"]
            else:
                command = ["env", f"LD_LIBRARY_PATH={folder}"]
            result = run([*command, self.folder / "load", *files[start:start + 400]])
            for line in result.stdout.splitlines():
                path, colon, rest = line.partition(": ")
                if colon and path in files:
                    lines[path] = rest
        return {path: lines.get(path, "no answer") for path in files}


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-matrix-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def greenify(self, *arguments, status=0, **options):
        """Runs the command and checks its exit status."""
        result = run([GREENIFY, *arguments], **options)
        self.assertEqual(result.returncode, status, result.stdout + result.stderr)
        return result
