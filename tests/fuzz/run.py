# SPDX-License-Identifier: MIT
"""Runs the fuzz program.

run.py short TARGET...              the findings of the past, then a fixed number of mutations
run.py long SECONDS FOLDER TARGET...  by turns, for so long in all; the corpora stay in FOLDER

Both end with status 1 at the first finding, which stays in the folder that the message names.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
FUZZ = os.environ["FUZZ"]
SEEDS = pathlib.Path(os.environ["SEEDS"])

ELF = ("elf", "patched")
# Target: folders of seeds, mutations in a short run (a few seconds), largest input.
TARGETS = {
    "image": (ELF, 5000, 16384),
    "patch": (ELF, 1500, 8192),
    "revert": (("patched",), 3000, 16384),
    "scan": (ELF, 2500, 16384),
    "verify": (ELF, 2000, 16384),
    "proof": (("pairs",), 1500, 16384),
    "closure": (ELF, 2500, 8192),
    "ldcache": (("cache",), 30000, 1024),
    "record": (("record",), 20000, 1024),
    "wheel": (("wheel",), 2500, 8192),
    "hooks": (("words",), 4000, 512),
}

# One input may take ten seconds, far more than any real one does: what needs longer is quadratic.
# libFuzzer counts that for the target alone; what hangs elsewhere, as in a mutation, is ended here.
PATIENCE = 900
LIMITS = ("-timeout=10", "-rss_limit_mb=512", "-print_final_stats=1", "-verbosity=1")


class Fuzz:
    """One target, with a folder in memory for the files it makes."""

    def __init__(self, name, artifacts):
        self.name = name
        self.folders, self.runs, self.largest = TARGETS[name]
        self.artifacts = artifacts

    def run(self, *arguments):
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="greenify-fuzz-", dir=memory) as folder:
            environment = dict(os.environ, FUZZ_FOLDER=folder,
                               FUZZ_RUNTIME=str(SEEDS / "libgreen.so.1"),
                               ASAN_OPTIONS="detect_leaks=1:quarantine_size_mb=64", LC_ALL="C")
            # Standard output is what the verbs print; standard error is the log.
            return subprocess.run(
                ["timeout", str(PATIENCE), FUZZ, f"--target={self.name}", *LIMITS,
                 f"-artifact_prefix={self.artifacts}/", *map(str, arguments)],
                env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, errors="replace", check=False)

    def seeds(self):
        return [SEEDS / folder for folder in self.folders]

    def regressions(self):
        folder = HERE / "regressions" / self.name
        return sorted(folder.iterdir()) if folder.is_dir() else []


def fail(fuzz, run, what):
    lines = [line for line in run.stderr.splitlines()
             if not re.match(r"^(#\d+\s|INFO|\"|#####)", line)]
    print("\n".join(lines[-60:]))
    print(f"fuzz {fuzz.name}: {what}, status {run.returncode}; inputs that matter: "
          f"{fuzz.artifacts}", flush=True)
    return False


def figures(run):
    """Executions, edges and inputs in the corpus, from the log."""
    last = re.findall(r"^#(\d+)\s.*?cov: (\d+).*?corp: (\d+)", run.stderr, re.M)
    return tuple(map(int, last[-1])) if last else (0, 0, 0)


def short(name):
    artifacts = pathlib.Path(tempfile.mkdtemp(prefix=f"greenify-fuzz-{name}-"))
    fuzz = Fuzz(name, artifacts)
    old = fuzz.regressions()
    if old:
        run = fuzz.run(*old)
        if run.returncode != 0:
            return fail(fuzz, run, "a finding of the past is back")
    corpus = artifacts / "corpus"
    corpus.mkdir()
    run = fuzz.run(f"-runs={fuzz.runs}", "-seed=1", f"-max_len={fuzz.largest}", corpus,
                   *fuzz.seeds())
    if run.returncode != 0:
        return fail(fuzz, run, "found something")
    count, edges, inputs = figures(run)
    shutil.rmtree(artifacts)
    print(f"{name}: {len(old)} earlier findings, {count} runs, {edges} edges, "
          f"{inputs} inputs that differ")
    # A target that refuses everything at once would find nothing, ever.
    return count >= fuzz.runs and inputs > 3 and edges > 30


def long(seconds, folder, names):
    """Slices of a minute, so that each target comes back with what it learned before."""
    totals = {name: [0, 0, 0, 0.0] for name in names}
    artifacts = folder / "findings"
    artifacts.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < end - 1:
        name = names[turn % len(names)]
        fuzz = Fuzz(name, artifacts)
        corpus = folder / "corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        slice_ = max(1, int(min(60, end - time.monotonic())))
        begin = time.monotonic()
        run = fuzz.run(f"-max_total_time={slice_}", f"-seed={turn + 1}",
                       f"-max_len={fuzz.largest}", corpus, *fuzz.seeds())
        if run.returncode != 0:
            return fail(fuzz, run, "found something")
        count, edges, inputs = figures(run)
        total = totals[name]
        total[:] = [total[0] + count, max(total[1], edges), inputs,
                    total[3] + time.monotonic() - begin]
        print(f"{time.strftime('%H:%M:%S')} {name}: {count} runs, {edges} edges, "
              f"{inputs} inputs", flush=True)
        turn += 1
    for name, (count, edges, inputs, spent) in totals.items():
        print(f"figure: fuzz {name}: {count} runs in {spent:.0f} s, {edges} edges, {inputs} inputs")
    print(f"figure: fuzz in all: {sum(total[0] for total in totals.values())} runs in "
          f"{sum(total[3] for total in totals.values()):.0f} s, no finding")
    return True


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "short":
        return all([short(name) for name in sys.argv[2:]])
    if len(sys.argv) > 3 and sys.argv[1] == "long":
        return long(float(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4:] or list(TARGETS))
    print(__doc__)
    return False


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
