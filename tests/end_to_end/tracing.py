# SPDX-License-Identifier: MIT
"""Counts of system calls by strace, of a client with unpatched and with patched libraries."""
import collections
import os
import re
import subprocess
import tempfile

import support

TRIES = 20


def available():
    """Whether this machine lets strace trace at all."""
    try:
        return subprocess.run(["strace", "-o", "/dev/null", "true"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _strace(client, libraries, connections, *options):
    """What strace wrote. The program itself must succeed."""
    command = client.command("serial", connections, "--marks")
    variable = "LD_LIBRARY_PATH=" + libraries.environment()["LD_LIBRARY_PATH"]
    with tempfile.TemporaryDirectory(prefix="green-trace-") as folder:
        trace = os.path.join(folder, "trace")
        done = subprocess.run(["strace", "-f", *options, "-o", trace, "-E", variable, *command],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False, timeout=support.PATIENCE)
        if done.returncode:
            raise AssertionError(f"{' '.join(command)} under strace:\n{done.stdout}")
        with open(trace, encoding="utf-8", errors="replace") as file:
            return file.read()


def table(client, libraries, connections):
    """The table of `strace -f -c` for the whole run, and its calls as {name: (calls, errors)}."""
    text = _strace(client, libraries, connections, "-c")
    rows = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(\d*) *(\w+)$", text, re.M)
    return text, {name: (int(calls), int(errors or 0)) for calls, errors, name in rows
                  if name != "total"}


def between_marks(client, libraries, connections):
    """{name: calls} of what the client did with its connections, without start and end."""
    trace = _strace(client, libraries, connections)
    parts = re.split(r'^\d+ +write\(-1, "many: mark".*\n', trace, flags=re.M)
    if len(parts) != 3:
        raise AssertionError(f"{len(parts) - 1} marks in the trace, not 2")
    return collections.Counter(re.findall(r"^\d+ +(\w+)\(", parts[1], re.M))


class _Side:
    """All the counts that were seen with one folder of libraries."""

    def __init__(self, libraries):
        self._libraries = libraries
        self.between, self.whole = [], []
        self.maps = 0
        self.text = ""

    def look(self, client, connections):
        self.between.append(between_marks(client, self._libraries, connections))
        self.text, counts = table(client, self._libraries, connections)
        # A patched file may hold its .bss itself; then the loader maps no memory for that.
        self.maps = counts.pop("mmap")[0]
        self.whole.append(counts)


def _common(some, others):
    return next((counts for counts in some if counts in others), None)


def _difference(some, others):
    """For people: the names whose counts differ in the last look."""
    return {name: (some[-1].get(name), others[-1].get(name))
            for name in {*some[-1], *others[-1]} if some[-1].get(name) != others[-1].get(name)}


def assert_same_calls(test, what, client, connections=2):
    """When a packet comes earlier or later, a client polls and reads once more or less. So each
    side is looked at until both have shown the same counts; one that a hook changes never are."""
    if not available():
        test.skipTest("strace cannot trace here")
    plain, patched = _Side(test.plain), _Side(test.patched)
    between = whole = None
    for _ in range(TRIES):
        for side in plain, patched:
            side.look(client, connections)
        between = _common(plain.between, patched.between)
        whole = _common(plain.whole, patched.whole)
        if between and whole:
            break
    print(f"{what}, unpatched:\n{plain.text}\n{what}, patched:\n{patched.text}", flush=True)
    test.assertIsNotNone(between, _difference(plain.between, patched.between))
    test.assertIsNotNone(whole, _difference(plain.whole, patched.whole))
    test.assertIn(plain.maps - patched.maps, range(len(test.patched.paths) + 1))
    support.figure(f"{what} without coroutines, {connections} connections: {sum(between.values())}"
                   f" system calls of {len(between)} kinds, the same unpatched and patched; in the"
                   f" whole program too, but {plain.maps} and {patched.maps} mmap of the loader")
