# SPDX-License-Identifier: MIT
"""Makes the seeds of every target: seeds.py FOLDER. Small files, since small ones are mutated where
it matters: libraries are linked with pages of 64 bytes or so, and without code to start a process."""

import os
import pathlib
import shutil
import struct
import subprocess
import sys
import zipfile

COMMAND = os.environ["GREENIFY"]
SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"]) / "fixtures/libraries/calls.c"

TINY = ("-shared", "-fPIC", "-Os", "-g0", "-nostartfiles", "-fno-asynchronous-unwind-tables",
        "-Wl,-soname,libtiny.so.1", "-Wl,--build-id=none", "-s")
PAGES = ("-Wl,-z,max-page-size=64", "-Wl,-z,common-page-size=64")

# Of Debian's compilers, those that are there: classes, byte orders, REL and RELA, TLS and so on.
COMPILERS = {
    "x86_64": "gcc", "i386": "i686-linux-gnu-gcc", "aarch64": "aarch64-linux-gnu-gcc",
    "arm": "arm-linux-gnueabihf-gcc", "ppc": "powerpc-linux-gnu-gcc",
    "ppc64": "powerpc64-linux-gnu-gcc", "ppc64le": "powerpc64le-linux-gnu-gcc",
    "riscv64": "riscv64-linux-gnu-gcc", "s390x": "s390x-linux-gnu-gcc",
}
# Cave or extension, either hash, lazy or not, with much that a loader has to relocate.
VARIANTS = {
    "cave": ("-Wl,-z,max-page-size=1024", "-Wl,-z,common-page-size=1024"),
    "extension": (*PAGES, "-Wl,-z,norelro", "-Wl,-z,noseparate-code", "-DZEROED=200"),
    "sysv": (*PAGES, "-Wl,--hash-style=sysv", "-fno-plt", "-Wl,-z,now"),
    "both": (*PAGES, "-Wl,--hash-style=both", "-Wl,-z,lazy"),
}
# Where the compiler is that of this machine.
MORE_VARIANTS = {
    "relr": (*PAGES, "-DRELATIVE=8", "-Wl,-z,pack-relative-relocs"),
    "tls": (*PAGES, "-DZEROED=100", "-DTHREAD_ZEROED=30", "-Wl,-z,norelro"),
    "origin": (*PAGES, "-Wl,-rpath,$ORIGIN", "-Wl,--enable-new-dtags", "-Wl,--no-as-needed"),
    "rpath": (*PAGES, "-Wl,-rpath,$ORIGIN:/nowhere", "-Wl,--disable-new-dtags"),
    "ibt": (*PAGES, "-fcf-protection=full", "-Wl,-z,ibtplt"),
    "sections": ("-Wl,-z,max-page-size=1024",),
    "lld": ("-fuse-ld=lld", "-Wl,-z,max-page-size=64"),
    "gold": ("-fuse-ld=gold", "-Wl,-z,max-page-size=64"),
}


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True).returncode == 0


def libraries(folder):
    """What cannot be built here is left out; the first compiler is always there."""
    for machine, compiler in COMPILERS.items():
        if shutil.which(compiler) is None:
            continue
        variants = dict(VARIANTS, **(MORE_VARIANTS if machine == "x86_64" else {}))
        for name, options in variants.items():
            run(compiler, *TINY, *options, SOURCE, "-o", folder / f"{machine}_{name}")
    # strip refuses what the loader reads; this is a file of a tool that has none of its scruples.
    for name in ("x86_64_cave", "i386_both"):
        if (folder / name).exists():
            drop_sections(folder / name, folder / f"{name}_no_sections")


def drop_sections(source, target):
    contents = bytearray(source.read_bytes())
    wide = contents[4] == 2
    at, width = (40, 8) if wide else (32, 4)
    end = int.from_bytes(contents[at:at + width], "little")
    contents[at:at + width] = bytes(width)
    contents[58 if wide else 46:64 if wide else 52] = bytes(6)
    target.write_bytes(contents[:end])


def patched(source, folder):
    """Each library as patch leaves it, and some as other tools leave that."""
    for path in sorted(source.iterdir()):
        target = folder / path.name
        if not run(COMMAND, "--hooks", "recv,poll", "-o", target, path):
            continue
        if path.name.startswith("x86_64"):
            run("strip", target, "-o", folder / f"{path.name}_stripped")
            run("objcopy", "--add-section", f".more={SOURCE}", target,
                folder / f"{path.name}_objcopy")
            run(COMMAND, "-o", folder / f"{path.name}_twice", folder / f"{path.name}_stripped")


def pairs(folder, originals, others):
    """A patched file and its original, one behind the other, and where the second begins."""
    for path in sorted(originals.iterdir()):
        if (others / path.name).exists():
            contents = (others / path.name).read_bytes()
            (folder / path.name).write_bytes(contents + path.read_bytes() +
                                             struct.pack("<I", len(contents)))


# --- what is no library ---------------------------------------------------------------------------

def cache(folder):
    """/etc/ld.so.cache in its two formats and byte orders."""
    names = [("libc.so.6", "/lib/libc.so.6"), ("libneeded.so.1", "/nowhere/libneeded.so.1")]
    for order, mark in (("<", 2), (">", 3)):
        strings, places = b"", []
        base = 48 + 24 * len(names)
        for pair in names:
            for text in pair:
                places.append(base + len(strings))
                strings += text.encode() + b"\0"
        table = b"".join(struct.pack(order + "IIIIQ", 0x303, places[2 * i], places[2 * i + 1], 0, 0)
                         for i in range(len(names)))
        header = b"glibc-ld.so.cache1.1" + struct.pack(order + "II", len(names), len(strings))
        header += bytes([mark]) + bytes(19)
        (folder / f"new_{mark}").write_bytes(header + table + strings)
        old = b"ld.so-1.7.0\0" + struct.pack(order + "I", 1) + bytes(12) + bytes(4)
        (folder / f"old_{mark}").write_bytes(old + header + table + strings)


RECORD = ("package/_fast.so,sha256={digest},{size}\r\n"
          "package/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\n"
          "package-1.0.dist-info/WHEEL,,\r\npackage-1.0.dist-info/RECORD,,\r\n")


def records(folder):
    (folder / "plain").write_text(RECORD.format(digest="x", size=1))
    (folder / "quoted").write_text('"a ""b"", c.py",sha256=abc,12\na.py,,\n')
    (folder / "no_end").write_text("a,b,1\r\nb,,")
    (folder / "empty").write_text("")


def wheels(folder, library):
    import base64
    import hashlib
    contents = library.read_bytes()
    digest = base64.urlsafe_b64encode(hashlib.sha256(contents).digest()).decode().rstrip("=")
    for name, method in (("stored", zipfile.ZIP_STORED), ("deflated", zipfile.ZIP_DEFLATED)):
        with zipfile.ZipFile(folder / name, "w", method) as wheel:
            wheel.writestr("package/_fast.so", contents)
            wheel.writestr("package/__init__.py", "")
            wheel.writestr("package-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n"
                           "Root-Is-Purelib: false\nTag: cp311-cp311-manylinux_2_36_x86_64\n")
            wheel.writestr("package-1.0.dist-info/RECORD",
                           RECORD.format(digest=digest, size=len(contents)))


def command_lines(folder):
    for i, text in enumerate(["net,poll,-recv", "-net", "recv", "all", "--hooks\n-name\nfile",
                              "-o\nx\n--bss-limit\n64M\nfile", "--size-limit\n8G\n-n\n--json\na",
                              "-d\n.\n--runtime\n$ORIGIN/x\na\nb\n--\n-c", "--help", "--deps\na"]):
        (folder / str(i)).write_text(text)


def runtime(path):
    code = b"".join(b"void greenify_%s(void) {}\n" % name for name in
                    (b"recv", b"send", b"poll", b"read"))
    subprocess.run(["gcc", "-shared", "-fPIC", "-nostdlib", "-s", "-Wl,-soname,libgreen.so.1",
                    *PAGES, "-xc", "-", "-o", path], input=code, check=True)


def main():
    root = pathlib.Path(sys.argv[1])
    shutil.rmtree(root, ignore_errors=True)
    folders = {}
    for name in ("elf", "patched", "pairs", "cache", "record", "wheel", "words"):
        folders[name] = root / name
        folders[name].mkdir(parents=True)
    libraries(folders["elf"])
    patched(folders["elf"], folders["patched"])
    pairs(folders["pairs"], folders["elf"], folders["patched"])
    cache(folders["cache"])
    records(folders["record"])
    wheels(folders["wheel"], folders["elf"] / "x86_64_extension")
    command_lines(folders["words"])
    runtime(root / "libgreen.so.1")
    if not any(folders["patched"].iterdir()):
        sys.exit("seeds.py: none of the small libraries could be patched")
    if len(sys.argv) > 2:
        pathlib.Path(sys.argv[2]).touch()


main()
