# SPDX-License-Identifier: MIT
"""What the corpus needs to know of an ELF file, read by another hand than the patcher's."""

import collections
import mmap
import struct

ET_DYN = 3
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_STRTAB, DT_SONAME, DT_RPATH, DT_RUNPATH, DT_FLAGS_1 = 0, 5, 14, 15, 29, 0x6FFFFFFB
DF_1_PIE = 0x08000000
SHT_NOBITS = 8
SHF_EXECINSTR = 4

MACHINES = {2: "sparc", 3: "i386", 8: "mips", 20: "ppc", 21: "ppc64", 22: "s390x", 40: "arm",
            62: "x86-64", 183: "aarch64", 243: "riscv64", 247: "bpf", 258: "loongarch"}

Segment = collections.namedtuple("Segment", "type flags offset address size")
Section = collections.namedtuple("Section", "name type flags address offset size")


class NotSuitable(Exception):
    """No shared object or program that the loader could map: nothing for the corpus."""


def is_dynamic_object(head):
    """From the first 20 bytes: a shared object, or a program that is one."""
    if len(head) < 20 or head[:4] != b"\x7fELF" or head[5] not in (1, 2):
        return False
    return struct.unpack_from("<H" if head[5] == 1 else ">H", head, 16)[0] == ET_DYN


class Elf:
    """Headers, dynamic section and linker of one file. Raises NotSuitable on anything odd."""

    def __init__(self, path):
        with open(path, "rb") as stream:
            self.data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            self._read()
        except (struct.error, IndexError, ValueError) as error:
            raise NotSuitable(str(error)) from error

    def close(self):
        self.data.close()

    def _read(self):
        self.wide = self.data[4] == 2
        self.order = "<" if self.data[5] == 1 else ">"
        number = struct.unpack_from(self.order + "H", self.data, 18)[0]
        self.machine = MACHINES.get(number, f"machine {number}")
        if self.machine == "ppc64" and self.order == "<":
            self.machine = "ppc64le"
        form = "QQQIHHHHHH" if self.wide else "IIIIHHHHHH"
        header = struct.unpack_from(self.order + form, self.data, 24)
        self.segments = self._segments(header[1], header[6])
        self.interpreter = self._interpreter()
        self.dynamic = self._dynamic()
        self.sections = self._sections(header[2], header[8], header[9])

    def _segments(self, offset, count):
        found = []
        for i in range(count):
            if self.wide:
                kind, flags, place, address, _, size = struct.unpack_from(
                    self.order + "IIQQQQ", self.data, offset + 56 * i)
            else:
                kind, place, address, _, size, _, flags = struct.unpack_from(
                    self.order + "IIIIIII", self.data, offset + 32 * i)
            found.append(Segment(kind, flags, place, address, size))
        return found

    def _interpreter(self):
        for segment in self.segments:
            if segment.type == PT_INTERP:
                end = segment.offset + segment.size
                return self.data[segment.offset:end].rstrip(b"\0").decode(errors="replace")
        return None

    def _dynamic(self):
        """[(tag, value)...] of PT_DYNAMIC; empty without one."""
        entries = []
        form = self.order + ("qQ" if self.wide else "iI")
        for segment in self.segments:
            if segment.type != PT_DYNAMIC:
                continue
            for at in range(segment.offset, segment.offset + segment.size,
                            struct.calcsize(form)):
                entry = struct.unpack_from(form, self.data, at)
                if entry[0] == DT_NULL:
                    break
                entries.append(entry)
        return entries

    def _sections(self, offset, count, names):
        """{name: Section}; empty without section headers."""
        if offset == 0 or count == 0:
            return {}
        form, size = ("IIQQQQ", 64) if self.wide else ("IIIIII", 40)
        headers = [Section(*struct.unpack_from(self.order + form, self.data, offset + size * i))
                   for i in range(count)]
        table = headers[names].offset
        found = {}
        for header in headers:
            end = self.data.find(b"\0", table + header.name)
            text = self.data[table + header.name:end].decode(errors="replace")
            found[text] = header
        return found

    def _contents(self, name):
        section = self.sections.get(name)
        if section is None or section.type == SHT_NOBITS:
            return b""
        return self.data[section.offset:section.offset + section.size]

    def _string(self, offset):
        for tag, value in self.dynamic:
            if tag != DT_STRTAB:
                continue
            for segment in self.segments:
                if segment.type == PT_LOAD and 0 <= value - segment.address < segment.size:
                    at = segment.offset + value - segment.address + offset
                    return self.data[at:self.data.find(b"\0", at)].decode(errors="replace")
        raise NotSuitable("no dynamic string table")

    def _strings(self, wanted):
        return [self._string(value) for tag, value in self.dynamic if tag in wanted]

    @property
    def soname(self):
        return (self._strings([DT_SONAME]) or [None])[0]

    @property
    def run_path(self):
        """The folders of DT_RPATH and DT_RUNPATH, $ORIGIN as it stands."""
        return [folder for text in self._strings([DT_RPATH, DT_RUNPATH])
                for folder in text.split(":") if folder]

    @property
    def is_program(self):
        flags = [value for tag, value in self.dynamic if tag == DT_FLAGS_1]
        pie = bool(flags) and flags[0] & DF_1_PIE != 0
        return pie or (self.interpreter is not None and self.soname is None)

    @property
    def linker(self):
        """Who linked the file: what it says itself, or the order of its sections."""
        comment = self._contents(".comment")
        if ".go.buildinfo" in self.sections or ".note.go.buildid" in self.sections:
            return "Go"
        if b"mold" in comment or ".relro_padding" in self.sections and self._stand(
                ".gnu.hash", ".dynsym"):
            return "mold"
        if b"Linker: LLD" in comment:
            return "rust-lld" if b"rustc" in comment else "lld"
        if ".note.gnu.gold-version" in self.sections:
            return "gold"
        if not self.sections:
            return "unknown, no sections"
        for table in (".gnu.hash", ".hash"):
            for name, order in {"GNU ld": (table, ".dynsym"),
                                "gold": (".dynsym", ".dynstr", table),
                                "lld": (".dynsym", table, ".dynstr")}.items():
                if self._stand(*order):
                    return name
        return "unknown"

    def _stand(self, *names):
        """Whether there are these sections, in this order."""
        places = [place for name in names
                  for place, section in enumerate(self.sections) if section == name]
        return len(places) == len(names) and places == sorted(places)

    def mentions(self, names):
        """Whether one of these names stands in the file as a string of its own."""
        return any(self.data.find(b"\0" + name + b"\0") >= 0 for name in names)

    def code(self):
        """{name: (address, bytes)} of the sections that hold instructions."""
        return {name: (section.address, self._contents(name))
                for name, section in self.sections.items() if section.flags & SHF_EXECINSTR}
