# SPDX-License-Identifier: MIT
"""What the tests in this folder share: folders of library copies, runs of the client programs, and
the comparison of many waits at once with the same waits one after another.

GREENIFY_BUILD names the build folder. Lines that begin with "figure: " are for people: they carry
what was measured, and `./quickstart test` repeats them at its end.
"""
import atexit
import collections
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

BUILD = os.environ.get("GREENIFY_BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
COMMAND = os.path.join(BUILD, "src/greenify")
RUNTIME = os.path.join(BUILD, "runtime")
CLIENTS = os.path.join(BUILD, "fixtures/clients")
PYTHON_PACKAGE = os.path.join(RUNTIME, "python")

LIMIT = 1.5  # seconds that many waits of one second may take together
TRIES = 3
PATIENCE = 300  # seconds after which a client counts as hanging

TLS = ("libssl.so.3", "libcrypto.so.3")
LIBRARIES = ("libmariadb.so.3", "libpq.so.5", "libcurl.so.4", *TLS)

DONE, NOTHING = 0, 3  # exit status of the command


def figure(text):
    print(f"figure: {text}", flush=True)


def system_library(soname):
    """The file that the loader takes for this name."""
    ldconfig = shutil.which("ldconfig", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    cache = subprocess.run([ldconfig, "-p"], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(rf"^\s*{re.escape(soname)} \(libc6,[^)]*64[^)]*\) => (.*)$", cache, re.M)
    if not found:
        raise FileNotFoundError(f"{soname} is not in the loader's cache")
    return os.path.realpath(found[1])


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def greenify(*arguments):
    return subprocess.run([COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, timeout=PATIENCE)


def hook_groups():
    """All there are, in their order."""
    table = json.loads(greenify("hooks", "--json").stdout)
    return list(dict.fromkeys(hook["group"] for hook in table["hooks"]))


class Libraries:
    """A temporary folder with copies of the system's libraries, named as programs ask for them."""

    def __init__(self, sonames=LIBRARIES):
        self.folder = tempfile.mkdtemp(prefix="green-lib-")
        atexit.register(self.remove)  # unittest cleans nothing up after KeyboardInterrupt
        self.paths = [os.path.join(self.folder, soname) for soname in sonames]
        for soname, path in zip(sonames, self.paths):
            shutil.copyfile(system_library(soname), path)

    def patch(self):
        """Greenifies each file in place; which of them changed."""
        return [path for path in self.paths if self._patch(path)]

    @staticmethod
    def _patch(path):
        done = greenify(path)
        if done.returncode not in (DONE, NOTHING):
            raise AssertionError(f"greenify {path}: exit {done.returncode}\n{done.stdout}")
        return done.returncode == DONE

    def program(self, name):
        """One of the programs, and modules, in fixtures/clients."""
        return os.path.join(CLIENTS, name)

    def environment(self):
        kept = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        return {**kept, "LD_LIBRARY_PATH": f"{self.folder}:{RUNTIME}"}

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class PatchedWithDeps(Libraries):
    """A library with all that it needs, as `greenify --deps` leaves them; programs patched, too."""

    def __init__(self, soname, *options):
        super().__init__([])
        done = greenify("--deps", "-d", self.folder, *options, system_library(soname))
        if done.returncode != DONE:
            raise AssertionError(f"greenify {soname}: exit {done.returncode}\n{done.stdout}")

    def program(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            shutil.copy(super().program(name), path)
            self._patch(path)
        return path


def plain_and_patched(test_class, sonames=LIBRARIES):
    """Two folders of the same shape for a whole class: the system's libraries, and patched ones."""
    test_class.plain = Libraries(sonames)
    test_class.addClassCleanup(test_class.plain.remove)
    test_class.patched = Libraries(sonames)
    test_class.addClassCleanup(test_class.patched.remove)
    test_class.patched.patch()


Outcome = collections.namedtuple("Outcome", "status answers seconds text")


class Client:
    """One of the programs in fixtures/clients with what it is asked to do."""

    def __init__(self, name, *targets, query="", expect=""):
        self._program = os.path.join(CLIENTS, name)
        self._work = ["--query", query, "--expect", expect, *targets]
        self.serial = None  # the outcome of three unpatched connections, once it was measured

    def command(self, mode, connections, *options):
        return [self._program, f"--{mode}", "--connections", str(connections), *options,
                *self._work]

    def run(self, libraries, mode, connections):
        done = subprocess.run(self.command(mode, connections), env=libraries.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=PATIENCE)
        answers = re.findall(r"^answer \d+ (.*)$", done.stdout, re.M)
        seconds = re.search(r"^client=.* seconds=([\d.]+)$", done.stdout, re.M)
        return Outcome(done.returncode, answers, float(seconds[1]) if seconds else None,
                       done.stdout)


class EndToEnd(unittest.TestCase):
    """The comparisons that every client library is put through."""

    def assert_right(self, outcome, connections):
        self.assertEqual(outcome.status, 0, outcome.text)
        self.assertEqual(len(outcome.answers), connections, outcome.text)

    def assert_at_once(self, what, client, connections, patched=None, share=0.1):
        """`client` waits one second for each connection. All together must take the time of one,
        as far as the load of the machine allows; never `share` of one after another."""
        client.serial = serial = client.serial or client.run(self.plain, "serial", 3)
        self.assert_right(serial, 3)
        most, best = serial.seconds / 3 * connections * share, None
        for _ in range(TRIES):
            outcome = client.run(patched or self.patched, "coroutines", connections)
            self.assert_right(outcome, connections)
            best = min(best or outcome.seconds, outcome.seconds)
            if best < most:
                break
        figure(f"{what}: {connections} at once {best:.3f} s"
               f"{'' if best < LIMIT else f' (above {LIMIT} s)'};"
               f" unpatched, one after another, 3 took {serial.seconds:.3f} s")
        self.assertLess(best, most)

    def assert_blocks_unpatched(self, client):
        """The control: coroutines alone do not help."""
        outcome = client.run(self.plain, "coroutines", 3)
        self.assert_right(outcome, 3)
        self.assertGreater(outcome.seconds, 2.5)

    def assert_same_answers(self, client, connections):
        plain = client.run(self.plain, "serial", connections)
        for mode in "serial", "coroutines":
            patched = client.run(self.patched, mode, connections)
            self.assertEqual((patched.status, patched.answers), (plain.status, plain.answers))
        return plain


def _terminated(*_):
    """Servers and folders are taken away when the test is stopped from outside: the one exception
    that unittest does not take for a failure of the test."""
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, _terminated)
    unittest.main(verbosity=2)
