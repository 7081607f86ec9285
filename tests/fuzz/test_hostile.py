# SPDX-License-Identifier: MIT
"""Large files that are all of one kind: what is quadratic shows in them, where small ones of the
fuzz targets are through too soon. Measured is the processor's time, which no other process takes."""

import os
import pathlib
import resource
import shutil
import struct
import subprocess
import tempfile
import unittest

COMMAND = os.environ["GREENIFY"]
SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"]) / "fixtures/libraries/calls.c"

MANY = 100_000
SECONDS = 2  # each needs less than half of one; what is quadratic needs minutes

PT_LOAD, PT_DYNAMIC = 1, 2
DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_STRSZ = 4, 5, 6, 7, 8, 10
DT_GNU_HASH, DT_VERSYM, DT_VERNEED, DT_VERNEEDNUM = 0x6ffffef5, 0x6ffffff0, 0x6ffffffe, 0x6fffffff
UNUSED = 0x6ffffdf0  # a tag that nobody reads
UNDEFINED, DEFINED = 0, 1
SEGMENT = "<IIQQQQQQ"


class Library:
    """An ELF64 file whose last segment can grow, and whose tables can be put into that."""

    def __init__(self, contents):
        self.bytes = bytearray(contents)
        place, = struct.unpack_from("<Q", contents, 32)
        count, = struct.unpack_from("<H", contents, 56)
        self.segments = [(place + i * 56, *struct.unpack_from(SEGMENT, contents, place + i * 56))
                         for i in range(count)]
        self.last = [segment for segment in self.segments if segment[1] == PT_LOAD][-1]
        self.dynamic = next(segment for segment in self.segments if segment[1] == PT_DYNAMIC)
        _, _, _, offset, _, _, filesz, memsz, _ = self.last
        # Without section headers; .bss stands in the file.
        del self.bytes[offset + filesz:]
        self.bytes += bytes(memsz - filesz)
        self.bytes[40:48] = bytes(8)
        self.bytes[58:64] = bytes(6)

    def add(self, contents):
        """The address at which these bytes are mapped."""
        self.bytes += bytes(-len(self.bytes) % 16)
        address = self.last[4] + len(self.bytes) - self.last[3]
        self.bytes += contents
        return address

    def entries(self):
        for at in range(self.dynamic[3], self.dynamic[3] + self.dynamic[6], 16):
            yield at, *struct.unpack_from("<QQ", self.bytes, at)

    def get(self, tag):
        return next(value for _, found, value in self.entries() if found == tag)

    def put(self, tag, value):
        place = next((at for at, found, _ in self.entries() if found == tag), None)
        if place is None:
            place = next(at for at, found, _ in self.entries() if found == 0)
        struct.pack_into("<QQ", self.bytes, place, tag, value)

    def drop(self, tag):
        for at, found, _ in self.entries():
            if found == tag:
                struct.pack_into("<Q", self.bytes, at, UNUSED)

    def strings(self):
        address = self.get(DT_STRTAB)
        offset = next(segment[3] + address - segment[4] for segment in self.segments
                      if segment[1] == PT_LOAD and 0 <= address - segment[4] < segment[6])
        return bytes(self.bytes[offset:offset + self.get(DT_STRSZ)])

    def put_symbols(self, symbols, chain=lambda index: 0, first=0):
        count = len(symbols) // 24
        self.put(DT_SYMTAB, self.add(symbols))
        self.drop(DT_GNU_HASH)
        self.put(DT_HASH, self.add(struct.pack(f"<{3 + count}I", 1, count, first,
                                               *map(chain, range(count)))))
        self.put(DT_VERSYM, self.add(struct.pack(f"<{count}H", 0, *[1] * (count - 1))))

    def put_strings(self, strings):
        self.put(DT_STRTAB, self.add(strings))
        self.put(DT_STRSZ, len(strings))

    def add_sections(self, kind, link, offset, size):
        place = len(self.bytes)
        self.bytes += bytes(64) + struct.pack("<IIQQQQIIQQ", 1, kind, 2, self.get(DT_STRTAB), offset,
                                              size, link, 0, 1, 24) * 65000
        struct.pack_into("<Q", self.bytes, 40, place)
        struct.pack_into("<HHH", self.bytes, 58, 64, 65001, 1)

    def contents(self):
        size = len(self.bytes) - self.last[3]
        if struct.unpack_from("<H", self.bytes, 60)[0] == 0:
            struct.pack_into("<QQ", self.bytes, self.last[0] + 32, size, size)
        return self.bytes


def symbol(name, section):
    return struct.pack("<IBBHQQ", name, 0x12, 0, section, 0x100 if section else 0, 0)


def imports_in_no_chain(library):
    name = library.strings().index(b"recv\0")
    library.put_symbols(bytes(24) + symbol(name, UNDEFINED) * MANY)


def imports_in_one_chain(library):
    name = library.strings().index(b"recv\0")
    library.put_symbols(bytes(24) + symbol(name, UNDEFINED) * MANY,
                        lambda index: max(index - 1, 0), MANY)


def exports_with_long_names(library):
    library.put_strings(b"\0recv\0poll\0send\0" + b"a" * 200_000 + b"\0")
    library.put_symbols(bytes(24) + b"".join(symbol(20 + i % 1000, DEFINED) for i in range(MANY)))


def chains_that_are_one(library):
    """Each bucket of DT_GNU_HASH leads into the same chain."""
    name = library.strings().index(b"recv\0")
    library.put(DT_SYMTAB, library.add(bytes(24) + symbol(name, DEFINED) * MANY))
    library.put(DT_GNU_HASH, library.add(
        struct.pack("<IIIIQ", MANY, 1, 1, 6, 2 ** 64 - 1) + struct.pack("<I", 1) * MANY +
        struct.pack("<I", 2) * (MANY - 1) + struct.pack("<I", 3)))
    library.put(DT_VERSYM, library.add(struct.pack(f"<{1 + MANY}H", 0, *[1] * MANY)))


def relocations_of_one_symbol(library):
    library.put(DT_RELA, library.add(struct.pack("<QQq", library.last[4], (1 << 32) | 1, 0) * MANY))
    library.put(DT_RELASZ, 24 * MANY)


def versions_that_overlap(library):
    library.put(DT_VERNEED, library.add(struct.pack("<HHIII", 1, 60000, 1, 16, 16) * MANY))
    library.put(DT_VERNEEDNUM, MANY)


def records_of_earlier_runs(library):
    record = b"\x7fungree\2" + struct.pack("<IIQQQQQQ", 140, 0, 100, 200, 0, 100, 0, 200)
    library.put_strings(library.strings() + (record + bytes(80)) * (MANY // 4) + b"\0")


def beginnings_of_records(library):
    library.put_strings(library.strings() + b"\x7fungree\2" * (4 * MANY) + b"\0")


def string_sections(library):
    size = len(library.strings())
    library.contents()
    library.add_sections(3, 2, library.get(DT_STRTAB), size)


def symbol_sections(library):
    library.bytes += bytes(4_000_000)
    library.contents()
    library.add_sections(2, 1, 0, len(library.bytes))


def code_that_only_calls(library):
    library.add(b"\xe8\0\0\0\0" * (5 * MANY))
    struct.pack_into("<I", library.bytes, library.last[0] + 4, 7)


KINDS = (imports_in_no_chain, imports_in_one_chain, exports_with_long_names, chains_that_are_one,
         relocations_of_one_symbol, versions_that_overlap, records_of_earlier_runs,
         beginnings_of_records, string_sections, symbol_sections, code_that_only_calls)
VERBS = (("patch", "-n"), ("scan", "--json"), ("verify", "-q"), ("revert", "-n"))


def processor_time():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="greenify-large-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        path = cls.folder / "small.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-Os", "-nostartfiles", "-s", "-Wl,-z,norelro",
                        "-Wl,-z,noseparate-code", "-DZEROED=200", SOURCE, "-o", path], check=True)
        cls.contents = path.read_bytes()

    def test_every_verb_is_linear(self):
        for kind in KINDS:
            library = Library(self.contents)
            kind(library)
            path = self.folder / kind.__name__
            path.write_bytes(library.contents())
            for verb in VERBS:
                with self.subTest(f"{' '.join(verb)}: {kind.__name__}"):
                    before = processor_time()
                    run = subprocess.run([COMMAND, *verb, path], stdout=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE, text=True, timeout=300)
                    self.assertIn(run.returncode, (0, 1, 3), run.stderr)
                    self.assertLess(processor_time() - before, SECONDS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
