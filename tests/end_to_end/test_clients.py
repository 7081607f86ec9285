# SPDX-License-Identifier: MIT
"""Clients of many protocols, with real servers, many at once in one thread: in coroutines and in
greenlets, left in peace and killed in every stage of their work.

With FULL in the environment there are 200 at once of each, once more with every hook that there is,
and the C clients are called from greenlets, too, where Debian has a Python module. `-k NAME` runs
one of them only.
"""
import collections
import json
import os
import re
import subprocess
import tempfile
import unittest
from importlib.util import find_spec

import clients
import support

FULL = "FULL" in os.environ
FULL_CONNECTIONS = 200
PYTHON = "/usr/bin/python3"
SCENES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "client_greenlets.py")
KILLS = 20
CERTIFICATES = 40
# A library that blocks its thread makes the ticker late by a wait, and by each wait the longer.
TICKER_SLACK = clients.WAIT * 0.8
ENDING = 20  # seconds; some libraries say goodbye to their server when a call has failed


def measured(text):
    """The numbers in what a program printed below its answers."""
    summary = re.sub(r"^answer .*$", "", text, flags=re.M)
    return {name: float(number)
            for name, number in re.findall(r"(\w+)=(-?[\d.]+)(?!\S)", summary)}


def make_authority(folder):
    """A certificate that is nobody's."""
    path = os.path.join(folder, "others")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=others",
                    "-keyout", os.devnull, "-out", path], check=True, stderr=subprocess.DEVNULL)
    return path


class Clients(support.EndToEnd):
    """Made into one class for each of clients.KINDS."""
    kind = serial = None

    @classmethod
    def setUpClass(cls):
        kind = cls.kind
        cls.binding = kind.binding if kind.binding and find_spec(kind.binding) else ""
        cls.connections = FULL_CONNECTIONS if FULL else kind.connections
        cls.setting = cls.enterClassContext(kind.setting())
        cls.plain = support.Libraries([])
        cls.addClassCleanup(cls.plain.remove)
        cls.patched = support.PatchedWithDeps(kind.soname, "--hooks", kind.hooks)
        cls.addClassCleanup(cls.patched.remove)

    def run_client(self, libraries, *mode, status=0, authority=None):
        """What the program printed."""
        setting = self.setting
        authority = authority or setting.authority
        options = ["--authority", authority] if authority else []
        done = subprocess.run(
            [libraries.program(self.kind.program), *mode, "--query", setting.query,
             "--expect", setting.expect, *options, setting.target],
            env=libraries.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False, timeout=support.PATIENCE)
        self.assertEqual(done.returncode, status, done.stdout)
        return done.stdout

    def run_scene(self, scene, connections, binding=""):
        """What client_greenlets.py saw."""
        setting = self.setting
        module = self.patched.program(f"{self.kind.program}.so")
        done = subprocess.run(
            [PYTHON, "-B", SCENES, scene, module, binding, setting.target, setting.query,
             setting.expect, setting.authority, str(connections), str(clients.WAIT)],
            env={**self.patched.environment(), "PYTHONPATH": support.PYTHON_PACKAGE},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
            timeout=support.PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return json.loads(done.stdout)

    def serial_seconds(self):
        """Of three unpatched, one after another; measured once."""
        cls = type(self)
        if cls.serial is None:
            cls.serial = measured(self.run_client(self.plain, "--serial", "--connections",
                                                  "3"))["seconds"]
            self.assertGreater(cls.serial, 3 * clients.WAIT * 0.9)
        return cls.serial

    def assert_at_once(self, where, run):
        """`run` is repeated while the machine seems to do something else, too."""
        serial = self.serial_seconds()
        most, best = serial / 3 * self.connections * 0.8, None
        for _ in range(support.TRIES):
            seen = run()
            best = min(best or seen, seen, key=lambda one: one["own"])
            if best["own"] < TICKER_SLACK and best["seconds"] < most:
                break
        support.figure(
            f"{self.kind.title}, {where}: {self.connections} at once {best['seconds']:.3f} s"
            f" (unpatched, one after another, 3 took {serial:.3f} s); a ticker of 10 ms at worst"
            f" {best['late'] * 1e3:.1f} ms late, {best['own'] * 1e3:.1f} ms where others did not"
            f" have the processor meanwhile (in a thread of its own {best['elsewhere'] * 1e3:.1f}"
            " ms)")
        self.assertLess(best["seconds"], most)
        self.assertLess(best["own"], TICKER_SLACK)
        self.assertGreater(best["ticks"], 0)

    def assert_most_ended(self, run):
        """`run` is repeated when the machine stood still for so long that there was little to kill
        afterwards. It returns whether there was enough."""
        self.assertTrue(any(run() for _ in range(support.TRIES)),
                        "most of them were done before they were killed")

    # --- coroutines ---

    def assert_coroutines(self, what, libraries):
        self.assert_at_once(what, lambda: measured(self.run_client(
            libraries, "--coroutines", "--connections", str(self.connections), "--ticker")))

    def test_coroutines(self):
        self.assert_coroutines("coroutines", self.patched)

    def test_killed_coroutines(self):
        self.assert_most_ended(lambda: self.kill_coroutines("coroutines", self.patched))

    @unittest.skipUnless(FULL, "only in the full test")
    def test_with_every_hook(self):
        libraries = support.PatchedWithDeps(self.kind.soname, "--hooks",
                                            ",".join(support.hook_groups()))
        self.addCleanup(libraries.remove)
        self.assert_coroutines("coroutines with every hook", libraries)
        self.assert_most_ended(
            lambda: self.kill_coroutines("coroutines with every hook", libraries))

    def kill_coroutines(self, what, libraries):
        text = self.run_client(libraries, "--kill", str(clients.WAIT), "--connections", str(KILLS))
        seen = measured(text)
        support.figure(f"{self.kind.title}, {what}: of {KILLS} {seen['killed']:.0f} killed or"
                       f" timed out, the last ended {seen['ending'] * 1e3:.1f} ms later")
        self.assertLess(seen["ending"], ENDING, text)
        self.assertEqual((seen["in_peace"], seen["descriptors"], seen["coroutines"],
                          seen["waiting"]), (2, 0, 0, 0), text)
        return seen["killed"] > KILLS / 2

    def test_certificates(self):
        """Every odd connection trusts somebody else: it fails as it does alone, and no other does,
        whatever the library keeps for the whole thread meanwhile."""
        if not self.setting.authority:
            self.skipTest("without certificates")
        with tempfile.TemporaryDirectory(prefix="green-authority-") as folder:
            others = make_authority(folder)
            for number in range(CERTIFICATES):
                os.symlink(others if number % 2 else self.setting.authority,
                           os.path.join(folder, str(number)))
            runs = [self.run_client(libraries, mode, "--connections", str(count), status=1,
                                    authority=os.path.join(folder, "%d"))
                    for libraries, mode, count in ((self.plain, "--serial", 2),
                                                   (self.patched, "--coroutines", CERTIFICATES))]
        alone, together = (dict(re.findall(r"^answer (\d+) (.*)$", run, re.M)) for run in runs)
        self.assertRegex(alone["1"], "^WRONG")
        for number, answer in together.items():
            if int(number) % 2:
                self.assertEqual(answer, alone["1"])
            else:
                self.assertRegex(answer, "^right")

    # --- greenlets ---

    def assert_greenlets(self, binding):
        def run():
            seen = self.run_scene("at_once", self.connections, binding)
            self.assertEqual(seen["wrong"], [])
            return seen

        self.assert_at_once(f"greenlets, by {binding or 'ctypes'}", run)

    def kill_greenlets(self, binding):
        seen = self.run_scene("killed", KILLS, binding)
        self.assertEqual((seen["in_peace"], seen["descriptors"], seen["waiting"]),
                         ([True, True], 0, 0), seen)
        names = collections.Counter(outcome if isinstance(outcome, str) else outcome[0]
                                    for outcome in seen["outcomes"])
        ending = max((outcome[1] for outcome in seen["outcomes"] if not isinstance(outcome, str)),
                     default=0)
        support.figure(f"{self.kind.title}, greenlets, by {binding or 'ctypes'}: of {KILLS}"
                       f" {names['killed']} killed and {names['timeout']} timed out, the last ended"
                       f" {ending * 1e3:.1f} ms later")
        self.assertEqual(set(names) - {"killed", "timeout", "right"}, set(), seen)
        self.assertLess(ending, ENDING, seen)
        return min(names["killed"], names["timeout"]) > KILLS / 4

    def test_greenlets(self):
        self.assert_greenlets(self.binding)

    def test_killed_greenlets(self):
        self.assert_most_ended(lambda: self.kill_greenlets(self.binding))

    @unittest.skipUnless(FULL, "only in the full test")
    def test_greenlets_by_ctypes(self):
        self.assert_greenlets("")

    @unittest.skipUnless(FULL, "only in the full test")
    def test_killed_greenlets_by_ctypes(self):
        self.assert_most_ended(lambda: self.kill_greenlets(""))


def load_tests(loader, _, __):
    """One class for each client that was built."""
    suite = unittest.TestSuite()
    for kind in clients.KINDS:
        if os.path.exists(os.path.join(support.CLIENTS, kind.program)):
            suite.addTests(loader.loadTestsFromTestCase(
                type(kind.name, (Clients,), {"kind": kind})))
    return suite


if __name__ == "__main__":
    support.main()
