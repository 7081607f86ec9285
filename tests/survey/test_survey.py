# SPDX-License-Identifier: MIT
"""Every function that may wait is redirected, or left out for a reason that the manual gives."""
import collections
import glob
import os
import struct
import unittest

import lists

# Folders whose libraries are surveyed; another one by the environment.
FOLDERS = os.environ.get("SURVEY", "/usr/lib/*-linux-gnu").split(":")
SECONDS_WORTH = 1500  # libraries


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
    def setUp(self):
        self.place = lists.Places()
        self.left_out = lists.left_out()

    def test_what_may_wait_is_redirected_or_left_out_for_a_reason(self):
        kinds = set(lists.never_waits().values())
        self.assertGreater(len(lists.may_wait()), 250)
        places = {name: self.place(name) for name in lists.may_wait()}
        self.assertEqual(sorted(name for name, place in places.items()
                                if place is None or place[0] in kinds), [])

    def test_nothing_is_both(self):
        names = [name for names in self.left_out.values() for name in names]
        self.assertEqual(sorted(lists.hooks() & set(names)), [])
        self.assertEqual(len(names), len(set(names)))
        never = lists.never_waits()
        self.assertEqual(sorted(set(names) & set(never)), [])
        self.assertEqual(sorted(set(self.left_out) & set(never.values())), [])

    def test_the_manual_gives_the_reasons(self):
        self.assertEqual({topic: sorted(names) for topic, names in self.left_out.items()},
                         {topic: sorted(names) for topic, names in lists.manual().items()})

    def test_libraries_of_this_machine(self):
        redirected = lists.hooks()
        by_topic, by_hook, surveyed = collections.Counter(), collections.Counter(), 0
        for path in libraries():
            names = imports(path)
            surveyed += bool(names)
            by_hook.update(names & redirected)
            places = {self.place(name) for name in names} - {None}
            by_topic.update({topic for topic, _ in places if topic in self.left_out})
        self.assertGreater(surveyed, 50)
        self.assertGreater(by_hook["read"], 10)
        print(f"{surveyed} libraries import {len(by_hook)} of {len(redirected)} functions of the "
              f"table;")
        for topic, count in by_topic.most_common():
            print(f"    {count} import something of \"{topic}\", which is left out")


if __name__ == "__main__":
    unittest.main()
