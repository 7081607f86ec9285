# SPDX-License-Identifier: MIT
"""Every function that may wait is redirected, or left out for a reason that the manual gives."""
import collections
import glob
import os
import pathlib
import re
import struct
import unittest

SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
HERE = SOURCE / "tests/survey"

# Folders whose libraries are surveyed; another one by the environment.
FOLDERS = os.environ.get("SURVEY", "/usr/lib/*-linux-gnu").split(":")
SECONDS_WORTH = 1500  # libraries


def hooks():
    table = (SOURCE / "runtime/hooks.def").read_text()
    return set(re.findall(r"^HOOK\(\w+, (\w+),", table, re.M))


def left_out():
    """Topic -> names."""
    topics = collections.defaultdict(set)
    for topic, name in re.findall(r'^LEFT_OUT\("([^"]+)", (\w+)\)$',
                                  (SOURCE / "runtime/left_out.def").read_text(), re.M):
        topics[topic].add(name)
    return topics


def manual():
    """The same from the manual."""
    page = (SOURCE / "man/greenify-hooks.1").read_text()
    section = page.split(".Ss Functions that are left out\n")[1].split("\n.S")[0]
    topics = collections.defaultdict(set)
    for item in section.split("\n.It ")[1:]:
        topic, rest = item.split("\n", 1)
        names, reason = rest.split("\n.Pp\n")
        topics[topic] = set(re.findall(r"\w+", names.replace(".Li ", "")))
        assert len(reason) > 20, topic
    return topics


def may_wait():
    lines = (HERE / "may_wait.txt").read_text().splitlines()
    return {name for line in lines if not line.startswith("#") for name in line.split()[1:]}


def imports(path):
    """The names of the undefined dynamic symbols of a 64-bit file; nothing of any other."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:6] != b"\x7fELF\x02\x01":
        return set()
    offset, = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, offset + i * size) for i in range(count)]
    names = set()
    for section in sections:
        if section[1] != 11:  # SHT_DYNSYM
            continue
        strings = sections[section[6]][4]
        table = data[section[4]:section[4] + section[5]]
        for name, _, _, index, _, _ in struct.iter_unpack("<IBBHQQ", table):
            if index == 0 and name != 0:
                start = strings + name
                names.add(data[start:data.index(b"\0", start)].decode("ascii", "replace"))
    return names


def libraries():
    found = {}
    for folder in FOLDERS:
        for path in sorted(glob.glob(os.path.join(folder, "*.so*"))):
            if os.path.isfile(path):
                found.setdefault(os.path.realpath(path), path)
    return list(found)[:SECONDS_WORTH]


class Survey(unittest.TestCase):
    def test_what_may_wait_is_redirected_or_left_out_for_a_reason(self):
        known = hooks() | set().union(*left_out().values())
        self.assertGreater(len(may_wait()), 250)
        self.assertEqual(sorted(may_wait() - known), [])

    def test_nothing_is_both(self):
        self.assertEqual(sorted(hooks() & set().union(*left_out().values())), [])
        names = [name for topic in left_out().values() for name in topic]
        self.assertEqual(len(names), len(set(names)))

    def test_the_manual_gives_the_reasons(self):
        self.assertEqual(left_out(), manual())

    def test_libraries_of_this_machine(self):
        redirected, left = hooks(), {name: topic for topic, names in left_out().items()
                                     for name in names}
        by_topic, by_hook, surveyed = collections.Counter(), collections.Counter(), 0
        for path in libraries():
            names = imports(path)
            surveyed += bool(names)
            by_hook.update(names & redirected)
            by_topic.update({left[name] for name in names if name in left})
        self.assertGreater(surveyed, 50)
        self.assertGreater(by_hook["read"], 10)
        print(f"{surveyed} libraries import {len(by_hook)} of {len(redirected)} functions of the "
              f"table;")
        for topic, count in by_topic.most_common():
            print(f"    {count} import something of \"{topic}\", which is left out")


if __name__ == "__main__":
    unittest.main()
