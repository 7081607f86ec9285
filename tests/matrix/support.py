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

# What `load` prints of a file whose calls do not come to the stand-in.
UNREACHED = "recv=0 read=0 poll=0 right"

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
    options = {"capture_output": True, "text": True, "errors": "replace", "check": False,
               "timeout": 300, "stdin": subprocess.DEVNULL, **options}
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


def apply_tools(commands, source, target, cross=""):
    """Lets tools (rows as in TOOLS) go over a file, one after another. Returns `target`, or None
    where one of them will not have it."""
    for step, words in enumerate(commands):
        last = step == len(commands) - 1
        result = target if last else target.with_name(f"{step}-{target.name}")
        if run(tool_command(words, source, result, cross)).returncode != 0:
            result.unlink(missing_ok=True)
            return None
        source = result
    return source


def installed(*programs):
    return all(shutil.which(program) for program in programs)


class Bench:
    """A folder with the compiled parts: objects, the stand-in for the runtime, the program `load`.
    All by one compiler, of this machine or another."""

    FLAGS = ["-O2", "-g", "-fPIC", "-fexceptions", "-D_GNU_SOURCE", "-Wall", "-Wextra"]

    def __init__(self, triple=None, emulator=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-matrix-"))
        self.emulator = [emulator, "-L", "/usr/" + triple] if emulator else []
        self.cross = f"{triple}-" if triple else ""
        self.cc, self.cxx = self.cross + "gcc", self.cross + "g++"
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
        variable = f"LD_LIBRARY_PATH={runtime or self.folder}"
        command = ["env", variable, self.folder / "load"]
        if self.emulator:
            command = [*self.emulator, "-E", variable, self.folder / "load", "--together"]
        files = [str(path) for path in files]
        lines = {}
        for start in range(0, len(files), 400):
            lines.update(self.load_some(command, files[start:start + 400]))
        # One that took its process down took the answers of those behind it along.
        for path in files:
            if path not in lines:
                lines[path] = self.load_some(command, [path]).get(path, "no answer")
        return lines

    @staticmethod
    def load_some(command, files):
        lines = {}
        for line in run([*command, *files]).stdout.splitlines():
            path, colon, rest = line.partition(": ")
            if colon and path in files:
                lines[path] = rest
        return lines

    def spoils(self, commands, plain):
        """Why a tool's work on a patched file says nothing: what it does to the unpatched one. None
        where that is still as it was."""
        control = apply_tools(commands, plain, self.folder / ("control-" + plain.name), self.cross)
        if control is None:
            return "refused, as is the unpatched file"
        line = self.load([control])[str(control)]
        return None if line == UNREACHED else "broken, as is the unpatched file"


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
