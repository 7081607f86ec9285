# SPDX-License-Identifier: MIT
"""The options of the matrix, and a small set of combinations that has every `strength` of them
together at least once."""

import itertools
import random

# How each linker is told.
SEPARATE = {"bfd": ["-z", "separate-code"], "gold": ["--rosegment"], "lld": ["-z", "separate-code"],
            "mold": ["-z", "separate-code"]}
TOGETHER = {"bfd": ["-z", "noseparate-code"], "gold": ["--no-rosegment"],
            "lld": ["-z", "noseparate-code", "--no-rosegment"], "mold": ["-z", "noseparate-code"]}
PACKED = {"bfd": ["-z", "pack-relative-relocs"], "lld": ["--pack-dyn-relocs=relr"],
          "mold": ["-z", "pack-relative-relocs"]}

AXES = {
    "linker": ["bfd", "gold", "lld", "mold"],
    "kind": ["c", "c++", "program", "c++ program"],
    "calls": ["plt", "no-plt", "ibt"],
    # how recv, read and poll are reached, in this order
    "ways": ["named loaded listed", "loaded listed named", "listed named loaded"],
    "binding": ["lazy no-relro", "now no-relro", "lazy partial-relro", "now full-relro"],
    "hash": ["gnu", "sysv", "both"],
    "relr": ["no-relr", "relr"],
    "page": ["4K", "64K", "2M"],
    "code": ["separate", "together"],
    # no-sections: the file ends with its last segment, as sstrip would leave it
    "sections": ["sections", "no-sections"],
    "bss": ["small-bss", "large-bss"],
}
PAGES = {"4K": "4096", "64K": "65536", "2M": "2097152"}


def possible(row):
    """Whether the tools of this machine can make such a file (a row may be a part of one)."""
    if row.get("relr") == "relr":
        if row.get("linker") == "gold":
            return False
        # They do not write the version GLIBC_ABI_DT_RELR that the loader asks for, so the file
        # may need no version of libc at all.
        if row.get("linker") in ("lld", "mold") and row.get("kind", "c") != "c":
            return False
    return True


def linker_options(row):
    """What the linker is given for a combination, each word behind a -Xlinker."""
    linker = row["linker"]
    binding, relro = row["binding"].split()
    words = ["-z", binding, "-z", "norelro" if relro == "no-relro" else "relro"]
    words += ["-z", "max-page-size=" + PAGES[row["page"]], "--hash-style=" + row["hash"]]
    words += (SEPARATE if row["code"] == "separate" else TOGETHER)[linker]
    if row["relr"] == "relr":
        words += PACKED[linker]
    if row["calls"] == "ibt" and linker == "bfd":
        words += ["-z", "ibtplt"]
    return words


def name(row):
    return " ".join(row.values())


def _parts(row, strength):
    return itertools.combinations(sorted(row.items()), strength)


def covering(strength, linkers):
    """Combinations, the same on every machine, among which every possible choice of `strength`
    options occurs. Each is the best of some random ones around a choice that was still missing."""
    axes = dict(AXES, linker=[linker for linker in AXES["linker"] if linker in linkers])
    chance = random.Random(1)
    missing = {}
    for chosen in itertools.combinations(sorted(axes), strength):
        for values in itertools.product(*(axes[axis] for axis in chosen)):
            part = tuple(zip(chosen, values))
            if possible(dict(part)):
                missing[part] = None
    rows = []
    while missing:
        wanted = dict(next(iter(missing)))
        candidates = []
        while len(candidates) < 20:
            row = {axis: wanted.get(axis) or chance.choice(values) for axis, values in axes.items()}
            if possible(row):
                candidates.append(row)
        best = max(candidates, key=lambda row: sum(part in missing for part in _parts(row, strength)))
        rows.append(best)
        for part in _parts(best, strength):
            missing.pop(part, None)
    return rows
