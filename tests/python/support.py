# SPDX-License-Identifier: MIT
"""What the tests in this folder share: the C functions as a redirected library would call them, and
programs that run in a process of their own.
"""
import ctypes
import os
import subprocess
import sys
import time
import unittest

import gevent
import greenify

PATIENCE = 60  # seconds after which something counts as hanging

hooks = ctypes.CDLL(os.environ["RUNTIME"], use_errno=True)
hooks_with_gil = ctypes.PyDLL(os.environ["RUNTIME"], use_errno=True)


def call(name, *arguments, library=hooks):
    """What the hook returns; OSError with errno where that is negative."""
    result = getattr(library, f"greenify_{name}")(*arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def read(fd, size=64, library=hooks):
    buffer = ctypes.create_string_buffer(size)
    count = call("read", fd, buffer, size, library=library)
    return buffer.raw[:count]


def write(fd, data):
    return call("write", fd, data, len(data))


def sleep(seconds):
    return call("usleep", int(seconds * 1e6))


def waiting():
    return greenify.status()["waiting"]


def until(condition):
    """Lets others run until it holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("this never became true")
        gevent.sleep(0.001)


def run(program, *options):
    """A Python program in a process of its own, with support's names."""
    return subprocess.run(
        [sys.executable, "-B", *options, "-c", "from support import *\n" + program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(
            [os.path.dirname(os.path.abspath(__file__)), os.environ["PYTHONPATH"]])},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=PATIENCE)


class BridgeTest(unittest.TestCase):
    """Pipes that go away; a bridge that is there, and idle afterwards."""

    def setUp(self):
        greenify.greenify()
        self._limit = gevent.Timeout.start_new(PATIENCE, AssertionError("the test hangs"))
        self.addCleanup(self._limit.close)

    def tearDown(self):
        self.assertEqual(waiting(), 0)

    def close_later(self, *fds):
        for fd in fds:
            self.addCleanup(self._close, fd)

    @staticmethod
    def _close(fd):
        try:
            os.close(fd)
        except OSError:
            pass

    def pipe(self):
        fds = os.pipe()
        self.close_later(*fds)
        return fds

    def assert_program(self, program, output, *options):
        done = run(program, *options)
        self.assertEqual((done.stdout, done.returncode), (output, 0))
