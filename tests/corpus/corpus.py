# SPDX-License-Identifier: MIT
"""Every shared object and position-independent program below some folders, through every step.

    corpus.py [--reduced] [--build] [--jobs N] [--list FILE] [--also FOLDER] [ROOT...]

Prints a table, lines that begin with "figure: ", and each failure with its file and step. The exit
status is 0 when every file went through, or was refused by a rule of the error table.
"""

import argparse
import collections
import concurrent.futures
import glob
import os
import pathlib
import re
import resource
import shutil
import stat
import sys
import tempfile
import time

import builds
import elf
import steps

HOME = os.path.expanduser("~")
ROOTS = ["/usr", "/lib", "/lib64", "/opt", "/srv", f"{HOME}/.rustup", f"{HOME}/.pyenv",
         f"{HOME}/.cargo", f"{HOME}/.local"]
REDUCED_ROOTS = ["/usr/lib", "/usr/bin", *glob.glob("/usr/*-linux-gnu*")]
REDUCED = 60              # files
REDUCED_SIZE = 2_000_000  # bytes a file, at most
COMMON = [b"read", b"write", b"close", b"poll", b"recv", b"send", b"pthread_mutex_lock"]
SMALLEST = 64             # bytes that an ELF header takes


# --- which files ----------------------------------------------------------------------------------

def walk(roots):
    """(path, size) of every regular file, each inode once; no symbolic links."""
    seen = set()
    for root in map(os.path.realpath, roots):
        tree = os.walk(root) if os.path.isdir(root) else [("/", [], [root])]
        for folder, names, files in tree:
            names.sort()
            for name in sorted(files):
                path = os.path.join(folder, name)
                try:
                    status = os.lstat(path)
                except OSError:
                    continue
                key = (status.st_dev, status.st_ino)
                if stat.S_ISREG(status.st_mode) and status.st_size >= SMALLEST and key not in seen:
                    seen.add(key)
                    yield path, status.st_size


def is_suitable(path):
    try:
        with open(path, "rb", buffering=0) as stream:
            return elf.is_dynamic_object(stream.read(20))
    except OSError:
        return False


def has_likely_name(path):
    """As libraries are called, or programs: good enough for a choice, and quick."""
    name = os.path.basename(path)
    return re.search(r"\.so(\.|$)", name) is not None or "." not in name


def distinct(files):
    """One of each content; the first by name stands for all."""
    by_size = collections.defaultdict(list)
    for path, size in files:
        by_size[size].append(path)
    chosen = []
    for size, paths in by_size.items():
        if len(paths) == 1:
            chosen.append((paths[0], size))
            continue
        contents = {}
        for path in paths:
            contents.setdefault(steps.sha256(path), path)
        chosen += [(path, size) for path in contents.values()]
    return chosen


def kind(path):
    """(machine, linker, whether it is a program), and whether it is likely to be patched."""
    facts = elf.Elf(path)
    try:
        return (facts.machine, facts.linker, facts.is_program), facts.mentions(COMMON)
    finally:
        facts.close()


def reduce_choice(files):
    """Of each kind the smallest, and the smallest and the largest that is likely to be patched;
    then as many more of these, evenly spread over the sizes, as there may be."""
    chosen = {}
    smallest = {}
    likely = collections.defaultdict(list)
    for size, path in sorted((size, path) for path, size in files if size <= REDUCED_SIZE):
        try:
            name, hooked = kind(path)
        except elf.NotSuitable:
            continue
        smallest.setdefault(name, (path, size))
        if hooked:
            likely[name].append((path, size))
    chosen.update(smallest.values())
    for members in likely.values():
        chosen.update([members[0], members[-1]])
    rest = sorted((item for members in likely.values() for item in members),
                  key=lambda item: item[1])
    missing = REDUCED - len(chosen)
    if missing > 0:
        chosen.update(rest[::max(1, len(rest) // missing)][:missing])
    return list(chosen.items())


def find(roots, reduced):
    files = [(path, size) for path, size in walk(roots)
             if (not reduced or has_likely_name(path)) and is_suitable(path)]
    return distinct(reduce_choice(files) if reduced else files)


# --- the run --------------------------------------------------------------------------------------

Result = collections.namedtuple("Result", "path machine linker outcome layout done step reason")


def scratch_folder(largest, jobs):
    """In memory where there is room for three copies at a time and a worker, else where TMPDIR is."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 6 * largest * jobs:
        return tempfile.mkdtemp(prefix="greenify-corpus-", dir=memory)
    return tempfile.mkdtemp(prefix="greenify-corpus-")


def examine(tools, path, folder):
    """One file, in a folder of its own that is gone afterwards."""
    place = tempfile.mkdtemp(dir=folder)
    try:
        subject = steps.Subject(tools, path, place)
    except elf.NotSuitable as error:
        os.rmdir(place)
        return Result(path, "-", "-", "not suitable", "-", [], None, str(error))
    step = reason = None
    try:
        subject.run()
    except steps.Failure as failure:
        step, reason = failure.args
    except elf.NotSuitable as error:
        step, reason = "read", str(error)
    finally:
        shutil.rmtree(place)
        facts = subject.facts
        facts.close()
    return Result(path, facts.machine, subject.linker, subject.outcome, subject.layout,
                  subject.done, step, reason)


def run_all(tools, files, jobs):
    """Largest first, so that no long one is left for the end."""
    files = sorted(files, key=lambda item: -item[1])
    folder = scratch_folder(files[0][1] if files else 0, jobs)
    results = []
    try:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(examine, tools, path, folder) for path, _ in files]
            for future in concurrent.futures.as_completed(futures):
                results.append(future.result())
                show_progress(len(results), len(files))
    finally:
        shutil.rmtree(folder)
    return results


def show_progress(done, total):
    """Often on a terminal, seldom in a log."""
    if sys.stderr.isatty() and (done % 10 == 0 or done == total):
        print(f"\r{done} of {total}", end="" if done < total else "\n", file=sys.stderr)
    elif not sys.stderr.isatty() and done % 500 == 0:
        print(f"{done} of {total}", file=sys.stderr, flush=True)


# --- the table ------------------------------------------------------------------------------------

def table(title, rows):
    """Counts as one line a value: figure: corpus, machine x86-64: 12 of 20 patched"""
    for name, results in sorted(rows.items()):
        outcomes = collections.Counter(result.outcome for result in results)
        parts = [f"{count} {outcome}" for outcome, count in
                 sorted(outcomes.items(), key=lambda item: (item[0] != "patched", item[0]))]
        print(f"figure: corpus, {title} {name}: {len(results)} files: {', '.join(parts)}")


def group(results, key):
    rows = collections.defaultdict(list)
    for result in results:
        rows[key(result)].append(result)
    return rows


def report(results, seconds):
    failures = [result for result in results if result.step]
    for result in sorted(failures):
        print(f"FAILED at {result.step}: {result.path}: {result.reason}")
    table("all", {"machines": results})
    table("machine", group(results, lambda result: result.machine))
    table("linker", group(results, lambda result: result.linker))
    patched = [result for result in results if result.outcome == "patched"]
    table("layout", group(patched, lambda result: result.layout))
    done = collections.Counter(step for result in patched for step in result.done)
    print("figure: corpus, steps passed:",
          ", ".join(f"{step} {count}" for step, count in done.items()))
    print(f"figure: corpus, {len(results)} files in {seconds:.0f} s, {len(failures)} failed")
    return failures


def write_list(path, results):
    with open(path, "w", encoding="utf-8") as stream:
        for result in sorted(results):
            print(*(result.outcome, result.layout, result.machine, result.linker,
                    result.step or "-", result.path), sep="\t", file=stream)


def arguments():
    parser = argparse.ArgumentParser(description="patch, prove and revert everything")
    parser.add_argument("--reduced", action="store_true", help="some files of each kind")
    parser.add_argument("--build", action="store_true",
                        help="also what other compilers and linkers make of small sources")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--list", metavar="FILE", help="write one line a file")
    parser.add_argument("--also", metavar="FOLDER", action="append", default=[],
                        help="a root besides those of the machine")
    parser.add_argument("roots", nargs="*", help="folders and files; the default is the machine")
    return parser.parse_args()


def hook_groups():
    """All of the table."""
    rows = (pathlib.Path(os.environ["SOURCE_ROOT"]) / "runtime/hooks.def").read_text()
    return ",".join(sorted(set(re.findall(r"^HOOK\((\w+),", rows, re.M))))


def main():
    options = arguments()
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # for what crashes as soon as it is loaded
    tools = steps.Tools(os.environ["GREENIFY"], os.environ["RUNTIME_DIR"], os.environ["LOAD"],
                        hook_groups())
    start = time.monotonic()
    roots = options.also + (options.roots or (REDUCED_ROOTS if options.reduced else ROOTS))
    with tempfile.TemporaryDirectory(prefix="greenify-builds-") as folder:
        if options.build:
            builds.make(pathlib.Path(os.environ["SOURCE_ROOT"]) / "fixtures", folder)
        files = find([folder, *roots], options.reduced)
        results = run_all(tools, files, options.jobs)
    if options.list:
        write_list(options.list, results)
    failures = report(results, time.monotonic() - start)
    if not results:
        print("no file was found")
    sys.exit(1 if failures or not results else 0)


if __name__ == "__main__":
    main()
