# SPDX-License-Identifier: MIT
"""Libraries in other languages, each with the same function fetch(): it asks a server and returns the
answer. The argument names the language; exit status 77 where its compiler is missing.

The server answers when everybody has asked, so that several calls in one thread end only where each
of them really suspends its coroutine."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from support import (RUNTIME, SKIPPED, SOURCE, TOOLS, Case, build, installed, run, sha256,
                     tool_command)

LANGUAGES = SOURCE / "fixtures/languages"
FETCH_ALL = os.environ["FETCH_ALL"]  # the program that calls fetch()
COUNT = 5
LIMIT = 60  # seconds; only a failure takes so long

# language: (compiler, file, options)
COMPILERS = {
    "c": ("gcc", "fetch.c", ["-shared", "-fPIC", "-O2"]),
    "c++": ("g++", "fetch.cc", ["-shared", "-fPIC", "-O2"]),
    "fortran": ("gfortran", "fetch.f90", ["-shared", "-fPIC", "-O2"]),
    "rust": ("rustc", "fetch.rs", ["--crate-type", "cdylib", "-O"]),
    "go": ("go", "fetch.go", ["build", "-buildmode=c-shared"]),
    "musl": ("musl-gcc", "fetch.c", ["-shared", "-fPIC", "-O2"]),
}


def compiler(language):
    """Debian's, even where the user has another one first in the path."""
    program = COMPILERS[language][0]
    debian = os.path.join("/usr/bin", program)
    return debian if os.access(debian, os.X_OK) else shutil.which(program)


def compile_fetch(language, target, folder):
    program, source, options = compiler(language), *COMPILERS[language][1:]
    # a Go cache that outlives the test: its standard library takes half a minute
    cache = pathlib.Path(os.environ.get("COMPILER_CACHE", folder)) / "go"
    environment = dict(os.environ, GO111MODULE="off", GOCACHE=str(cache), GOFLAGS="",
                       GOTOOLCHAIN="local", HOME=str(folder))
    words = [*options, "-o", target, LANGUAGES / source]
    build([program, *words], cwd=folder, env=environment)


class Server:
    """Answers each of `count` connections with "answer", once all of them have asked."""

    def __init__(self, count):
        self.count = count
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=count)
        self.listener.settimeout(LIMIT)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        streams = []
        try:
            for _ in range(self.count):
                stream = self.listener.accept()[0]
                streams.append(stream)
                stream.settimeout(LIMIT)
                stream.recv(100)
            for stream in streams:
                stream.sendall(b"answer")
        except OSError:
            pass
        for stream in streams:
            stream.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self.thread.join()
        self.listener.close()


class Language(Case):
    name = ""

    @classmethod
    def setUpClass(cls):
        cls.built = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.original = cls.built / "libfetch.so"
        compile_fetch(cls.name, cls.original, cls.built)

    def patched(self):
        path = self.folder / "libfetch.so"
        shutil.copy2(self.original, path)
        self.greenify(path)
        return path

    def answers(self, library, coroutines, limit=LIMIT):
        """What fetch() gave, one line a call; coroutines 0: on the thread itself."""
        server = Server(max(coroutines, 1))
        try:
            result = run([FETCH_ALL, library, server.port, coroutines],
                         env=dict(os.environ, LD_LIBRARY_PATH=str(RUNTIME)), timeout=limit)
        finally:
            server.close()
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout.splitlines()

    def check_alone(self, library):
        self.assertEqual(self.answers(library, 0), ["6 answer"])

    def check_at_once(self, library):
        self.assertEqual(self.answers(library, COUNT), ["6 answer"] * COUNT)

    def check_reverts(self, path):
        self.greenify("revert", path)
        self.assertEqual(sha256(path), sha256(self.original))


class Redirected(Language):
    """Its networking is libc's."""

    def test_unpatched_and_patched_it_works_alone(self):
        self.check_alone(self.original)
        self.check_alone(self.patched())

    def test_unpatched_the_first_coroutine_stops_the_thread(self):
        with self.assertRaises(subprocess.TimeoutExpired):
            self.answers(self.original, COUNT, limit=1)

    def test_patched_it_waits_in_many_coroutines_at_once(self):
        path = self.patched()
        self.check_at_once(path)
        self.greenify("verify", path)
        self.greenify(path, status=3)
        self.check_reverts(path)

    def test_and_does_so_after_other_tools(self):
        path, after = self.patched(), self.folder / "after.so"
        for words in TOOLS:
            words = tool_command(words, path, after)
            if not installed(words[0]):
                continue
            with self.subTest(" ".join(map(str, words))):
                build(words)
                self.check_at_once(after)
                after.unlink()


class Go(Language):
    """Its networking is its own system calls; what is redirected is what cgo imports."""

    def test_patched_it_still_works_and_reverts(self):
        self.check_alone(self.original)
        path = self.patched()
        self.greenify("verify", path)
        self.check_alone(path)
        self.assertEqual(self.answers(path, 1), ["6 answer"])
        self.check_reverts(path)


class Musl(Language):
    """A library of another libc."""

    def test_it_is_refused_and_left_alone(self):
        path = self.folder / "libfetch.so"
        shutil.copy2(self.original, path)
        result = self.greenify(path, status=1)
        self.assertIn("needs libc.so, and the runtime needs glibc [other-libc]", result.stderr)
        self.assertEqual(sha256(path), sha256(self.original))
        self.greenify("scan", path)

    def test_a_program_of_it_is_refused(self):
        source, path = self.folder / "main.c", self.folder / "main"
        source.write_text("#include <poll.h>\nint main(void) { return poll(0, 0, 0); }\n")
        build([compiler("musl"), "-fPIE", "-pie", source, "-o", path])
        result = self.greenify(path, status=1)
        self.assertIn("[other-libc]", result.stderr)
        build([path])


CASES = {"go": Go, "musl": Musl}


def main():
    Language.name = sys.argv.pop(1)
    if compiler(Language.name) is None:
        print(f"skipped: {COMPILERS[Language.name][0]} is not installed")
        sys.exit(SKIPPED)
    case = CASES.get(Language.name, Redirected)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
