# SPDX-License-Identifier: MIT
"""Files that few machines have ready-made: other languages, and each linker with each of them."""

import os
import pathlib
import shutil
import subprocess

LIBRARY = ["-shared", "-fPIC", "-O2"]
PROGRAM = ["-fPIE", "-pie", "-O2"]
CRATE = ["--crate-type", "cdylib", "-O"]
LINKERS = ["bfd", "gold", "lld", "mold"]

# (name, compiler, source below fixtures/, options)
BUILDS = [
    *((f"c-{linker}.so", "gcc", "languages/fetch.c", [*LIBRARY, f"-fuse-ld={linker}"])
      for linker in LINKERS),
    *((f"c-{linker}", "gcc", "libraries/program.c", [*PROGRAM, f"-fuse-ld={linker}"])
      for linker in LINKERS),
    *((f"c-{linker}-relr.so", "gcc", "languages/fetch.c",
       [*LIBRARY, f"-fuse-ld={linker}", "-Wl,-z,now", "-Wl,-z,pack-relative-relocs"])
      for linker in LINKERS if linker != "gold"),
    ("c++.so", "g++", "languages/fetch.cc", LIBRARY),
    ("fortran.so", "gfortran", "languages/fetch.f90", LIBRARY),
    *((f"rust-{linker}.so", "rustc", "languages/fetch.rs",
       [*CRATE, "-C", f"link-arg=-fuse-ld={linker}"]) for linker in LINKERS),
    ("go.so", "go", "languages/fetch.go", ["build", "-buildmode=c-shared"]),
    ("go-pie", "go", "languages/fetch.go", ["build", "-buildmode=pie"]),
    ("musl.so", "musl-gcc", "languages/fetch.c", LIBRARY),
    ("musl", "musl-gcc", "libraries/program.c", PROGRAM),
]


def compiler(name):
    """Debian's, even where the user has another one first in the path."""
    debian = os.path.join("/usr/bin", name)
    return debian if os.access(debian, os.X_OK) else shutil.which(name)


def make(fixtures, folder):
    """Builds what can be built into `folder`; prints what cannot. A Go cache that outlives the run
    saves half a minute."""
    cache = os.environ.get("COMPILER_CACHE", str(pathlib.Path(folder) / "cache")) + "/go"
    environment = {**os.environ, "GO111MODULE": "off", "GOCACHE": cache, "GOFLAGS": "",
                   "GOTOOLCHAIN": "local", "HOME": str(folder)}
    missing = []
    for name, program, source, options in BUILDS:
        path = compiler(program)
        words = [path, *options, "-o", os.path.join(folder, name), os.path.join(fixtures, source)]
        if path is None or subprocess.run(words, env=environment, cwd=folder, check=False,
                                          stdout=subprocess.DEVNULL,
                                          stderr=subprocess.DEVNULL).returncode != 0:
            missing.append(name)
    if missing:
        print("figure: corpus, not built for want of a compiler or linker:", ", ".join(missing))
