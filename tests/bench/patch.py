#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a patch costs, against copying the file and against patchelf.

    patch.py [-n ROUNDS] [FILE...]

Each file is patched on a file system in memory and on the disk. All commands take turns, so that
what else the machine does hits all of them. A time is the median, a ratio the median of the ratios
of each round. greenify syncs the file and its folder; on the disk it is compared with a plain cp,
which syncs nothing, and with one after which the same two are synced without a further process. The
locale is C: with another one cp reads tables that greenify has no use for.
"""

import argparse
import glob
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

GREENIFY = os.environ.get("GREENIFY", "greenify")
RUSAGE = os.environ.get("RUSAGE", "rusage")
LIBRARIES = ["/usr/lib/*/libmariadb.so.3", "/usr/lib/*/libcrypto.so.3", "/usr/lib/*/libLLVM-*.so.1"]
LARGE = [os.path.expanduser("~/.rustup/toolchains/*/lib/*.so*")]
SMALL = 8 << 20  # bytes; such files are measured more often
MORE_OFTEN = 15


def default_files():
    """The first of each, and the largest library of a Rust toolchain."""
    files = [path for pattern in LIBRARIES for path in sorted(glob.glob(pattern))[:1]]
    large = [path for pattern in LARGE for path in glob.glob(pattern) if os.path.isfile(path)]
    return files + sorted(large, key=os.path.getsize)[-1:]


def patchelf_commands():
    if shutil.which("patchelf") is None:
        print("patchelf is not installed: not compared")
        return {}
    help_text = subprocess.run(["patchelf", "--help"], capture_output=True, text=True, check=False)
    commands = {"patchelf --add-needed":
                lambda source, target: ["patchelf", "--add-needed", "libgreen.so.1", "--output",
                                        target, source]}
    if "--rename-dynamic-symbols" in help_text.stdout + help_text.stderr:
        names = pathlib.Path(tempfile.gettempdir()) / f"names.{os.getpid()}"
        names.write_text("".join(f"{name} greenify_{name}\n" for name in ("recv", "send", "poll")))
        commands["patchelf with renaming"] = lambda source, target: [
            "patchelf", "--rename-dynamic-symbols", names, "--add-needed", "libgreen.so.1",
            "--output", target, source]
    else:
        print("this patchelf has no --rename-dynamic-symbols: it only adds the DT_NEEDED")
    return commands


def commands(on_disk):
    table = {"cp": lambda source, target: ["cp", source, target]}
    if on_disk:
        table["cp, synced"] = lambda source, target: ["--sync", target, "cp", source, target]
    table["greenify"] = lambda source, target: [GREENIFY, "--quiet", "-o", target, source]
    return {**table, **patchelf_commands()}


def measure(command):
    """Peak memory in KiB, processor and elapsed time in milliseconds."""
    result = subprocess.run([RUSAGE, *map(str, command)], capture_output=True, text=True,
                            check=False, env={**os.environ, "LC_ALL": "C"})
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]}: {result.stderr.strip()}")
    peak, _, cpu, elapsed = map(int, result.stderr.split("rusage ")[1].split())
    return peak, cpu / 1000, elapsed / 1000


def compare(library, folder, bases, table, rounds):
    source = pathlib.Path(folder) / "source.so"
    target = pathlib.Path(folder) / "target.so"
    shutil.copyfile(library, source)
    results = {name: [] for name in table}
    for _ in range(rounds):
        for name, command in table.items():
            target.unlink(missing_ok=True)
            results[name].append(measure(command(source, target)))
    for name, runs in results.items():
        ratios = [f"{statistics.median(run[2] / base[2] for run, base in zip(runs, results[other])):6.2f}"
                  f" x {other}" for other in bases]
        print(f"  {name:24}{statistics.median(run[2] for run in runs):9.2f} ms {','.join(ratios)}"
              f"{statistics.median(run[1] for run in runs):9.2f} ms processor"
              f"{max(run[0] for run in runs):9d} KiB peak", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--rounds", type=int, default=7)
    parser.add_argument("files", nargs="*", default=default_files())
    arguments = parser.parse_args()
    places = [("on disk", None, ["cp", "cp, synced"])]
    if os.access("/dev/shm", os.W_OK):
        places.insert(0, ("in memory", "/dev/shm", ["cp"]))
    for place, parent, bases in places:
        table = commands(place == "on disk")
        for library in arguments.files:
            size = os.path.getsize(library)
            rounds = arguments.rounds * (MORE_OFTEN if size < SMALL else 1)
            print(f"{os.path.basename(library)}, {size / 1e6:.1f} MB, {place}, {rounds} rounds:")
            with tempfile.TemporaryDirectory(dir=parent) as folder:
                compare(library, folder, bases, table, rounds)


if __name__ == "__main__":
    main()
