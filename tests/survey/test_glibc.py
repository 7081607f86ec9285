# SPDX-License-Identifier: MIT
"""Every function that the C library of this machine exports, and those of the machines that libraries
are patched for, has a place: in the hook table, in left_out.def, or in never_waits.txt. A new glibc
with a new function makes this fail until somebody has looked what it does."""
import collections
import glob
import re
import subprocess
import unittest

import lists

# libm and libthread_db have nothing that waits: they compute, and read another process's memory.
LIBRARIES = ["libc.so.6", "libresolv.so.2", "libpthread.so.0", "librt.so.1", "libanl.so.1",
             "libdl.so.2", "libutil.so.1"]
OWN = "/lib/*-linux-gnu"
OTHERS = "/usr/*-linux-gnu*/lib"

# Other names of a function where time_t, or long double, has two sizes.
FORMS = [r"__(\w+)_time64", r"_?__(\w+)64", r"__(\w+)64(_r)", r"__nldbl_(\w+)", r"_?_?(\w+)ieee128",
         r"__(\w+)ieee128(_\w)"]


def exports(library):
    """The functions of a library, in whatever version; not those for libc's own use."""
    listing = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                             capture_output=True, text=True).stdout
    found = re.findall(r"^[0-9a-f]+ [TWi] (\w+)@+(\w+)", listing, re.M)
    return {name for name, version in found if version != "GLIBC_PRIVATE"}


def libraries(folders):
    return [path for name in LIBRARIES for path in glob.glob(f"{folders}/{name}")]


def forms(name):
    """The name, and those that it may stand for."""
    yield name
    for form in FORMS:
        match = re.fullmatch(form, name)
        if match:
            base = "".join(match.groups())
            yield from (base, "__" + base)


class Glibc(unittest.TestCase):
    def setUp(self):
        self.place = lists.Places()

    def test_every_function_has_a_place(self):
        names = set().union(*map(exports, libraries(OWN)))
        self.assertGreater(len(names), 2000)
        self.assertEqual(sorted(name for name in names if self.place(name) is None), [])
        kinds = set(lists.never_waits().values())
        counts = collections.Counter(
            "in the hook table" if place == "table" else "never wait" if place in kinds
            else "left out" for place, _ in map(self.place, names))
        print(f"{len(names)} functions of glibc: ",
              ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))

    def test_so_has_every_function_of_other_machines(self):
        for library in libraries(OTHERS):
            with self.subTest(library):
                unplaced = [name for name in exports(library)
                            if not any(self.place(form) for form in forms(name))]
                self.assertEqual(sorted(unplaced), [])

    def test_no_place_is_for_functions_that_are_gone(self):
        names = set().union(*map(exports, libraries(OWN)))
        used = {self.place(name) for name in names}
        stale = [name for name, kind in lists.never_waits().items()
                 if (kind, name) not in used and kind != "machine"]
        self.assertEqual(stale, [])
        known = {name for _, name in used}
        self.assertEqual([name for families in lists.left_out().values() for name in families
                          if "*" in name and name not in known], [])


if __name__ == "__main__":
    unittest.main()
