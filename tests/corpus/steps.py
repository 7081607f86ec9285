# SPDX-License-Identifier: MIT
"""One file through every step: patched into a copy, proved, loaded, patched again, reverted."""

import difflib
import hashlib
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess

import elf

PATIENCE = 300  # seconds for one step
LOAD_PATIENCE = 30
DONE, FAULT, NOTHING = 0, 1, 3

# These are no property of the file, so they are no reason to refuse it.
NO_RULE = {"ok", "system", "memory"}

HOST = {"x86_64": "x86-64", "aarch64": "aarch64"}.get(platform.machine(), platform.machine())

# Who provides what a plugin leaves undefined, by the names in question.
PROVIDERS = [
    (re.compile(r"_?Py[A-Z_]\w*"), "libpython*.so.1.0"),
    (re.compile(r"(Perl|PL)_\w+"), "libperl.so.5.*"),
    (re.compile(r"rb_\w+"), "libruby*.so.*"),
]


class Failure(Exception):
    """A step did not do what it must: (step, what was seen)."""


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def run(words, patience=PATIENCE, **environment):
    """(status, standard output, standard error); what the child leaves behind is ended."""
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, start_new_session=True,
                             env={**os.environ, **environment})
    try:
        output, errors = child.communicate(timeout=patience)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        output, errors = child.communicate()
        return "too long", output.decode(errors="replace"), errors.decode(errors="replace")
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return child.returncode, output.decode(errors="replace"), errors.decode(errors="replace")


class Tools:
    """What the steps are done with."""

    def __init__(self, greenify, runtime, loader, hooks):
        self.greenify = greenify
        self.runtime = runtime  # folder with libgreen.so.1
        self.loader = loader    # load.c, compiled
        self.hooks = hooks
        self.readelf = shutil.which("readelf")
        self.elflint = shutil.which("eu-elflint")
        table = run([greenify, "verify", "--help"])[1]
        self.compares = "--original" in table

    def command(self, verb, *words):
        return run([self.greenify, verb, *map(str, words)])


class Subject:
    """One file on its way. `outcome` is "patched", "nothing" or the code of the refusal."""

    def __init__(self, tools, path, folder):
        self.tools = tools
        self.path = pathlib.Path(path)
        self.copy = pathlib.Path(folder) / self.path.name
        self.facts = elf.Elf(path)
        self.layout = "-"
        self.outcome = None
        self.done = []  # names of the steps that were done
        self.linker = self.facts.linker
        self.digest = sha256(path)

    def run(self):
        """Raises Failure at the first step that goes wrong."""
        self.patch()
        if self.outcome != "patched":
            return
        for step in (self.verify, self.verify_original, self.code, self.symbols, self.elflint,
                     self.load, self.patch_again, self.revert):
            if step() is not False:
                self.done.append(step.__name__)

    def patch(self):
        status, output, errors = self.tools.command(
            "patch", "--json", "--hooks", self.tools.hooks, "-o", self.copy, self.path)
        try:
            report = json.loads(output)["files"][0]
        except (ValueError, LookupError):
            raise Failure("patch", f"status {status}, no report: {errors}") from None
        if status == DONE:
            self.outcome = "patched"
            self.layout = report["layout"]
        elif status == NOTHING:
            self.outcome = "nothing"
        else:
            self.outcome = report.get("error", {}).get("code", "?")
            if status != FAULT or self.outcome in NO_RULE:
                raise Failure("patch", f"status {status}: {errors}")
        if self.outcome != "patched" and list(self.copy.parent.iterdir()):
            raise Failure("patch", "litter, though nothing was written")
        if sha256(self.path) != self.digest:
            raise Failure("patch", "the input changed")

    def verify(self):
        self._verify("verify")

    def verify_original(self):
        if not self.tools.compares:
            return False
        self._verify("verify --original", "--original", self.path)
        return True

    def _verify(self, step, *options):
        status, output, errors = self.tools.command("verify", "--hooks", self.tools.hooks,
                                                    *options, self.copy)
        if status != DONE:
            faults = [line.strip() for line in output.splitlines() if "fault" in line]
            raise Failure(step, f"status {status}: {errors}{'; '.join(faults)}")

    def code(self):
        """Not one instruction moved or changed."""
        patched = elf.Elf(self.copy)
        try:
            if patched.code() != self.facts.code():
                raise Failure("code", "instructions differ")
        finally:
            patched.close()

    def symbols(self):
        """Names, values, sizes, kinds and versions of what the file exports."""
        before, after = (self._exports(path) for path in (self.path, self.copy))
        if before != after:
            raise Failure("symbols", difference(before, after))

    def _exports(self, path):
        status, output, errors = run([self.tools.readelf, "-W", "--dyn-syms", str(path)])
        if status != 0:
            raise Failure("symbols", f"readelf: {errors}")
        return [line for line in output.splitlines() if " UND " not in line]

    def elflint(self):
        """No complaint that the original did not cause as well."""
        if self.tools.elflint is None:
            return False
        before, after = (self._complaints(path) for path in (self.path, self.copy))
        if not after <= before:
            raise Failure("elflint", "; ".join(sorted(after - before)[:3]))
        return True

    def _complaints(self, path):
        _, output, errors = run([self.tools.elflint, "--gnu-ld", str(path)])
        lines = (output + errors).replace(str(path), "FILE").splitlines()
        # Places move when the tables behind the segments do.
        return {re.sub(r"0x[0-9a-f]+|\d+", "N", line) for line in lines} - {"No errors"}

    def load(self):
        """The loader says of the copy what it says of the original, where that loads at all."""
        if self.facts.machine != HOST or not self.facts.dynamic:
            return False
        if self.facts.is_program:
            return self._trace()
        words = [self.tools.loader, str(self.path)]
        before = self._load(words)
        if before[0] != 0:
            words += self._providers(before[1])
            if len(words) == 2:
                return False
            before = self._load(words)
        if before[0] != 0:
            return False
        after = self._load([words[0], str(self.copy), *words[2:]])
        if after != before:
            raise Failure("load", f"{before} became {after}")
        return True

    def _environment(self):
        """Where the run path of the file leads to from its own place, also for the copy."""
        folders = [self.tools.runtime]
        folders += [re.sub(r"\$\{?ORIGIN\}?", str(self.path.parent), folder)
                    for folder in self.facts.run_path]
        return {"LD_LIBRARY_PATH": ":".join([*folders, str(self.path.parent)]),
                "HOME": str(self.copy.parent)}

    def _load(self, words):
        status, output, errors = run(words, LOAD_PATIENCE, **self._environment())
        said = (output.splitlines() or [""])[-1]
        return status, said.replace(words[1], "FILE"), "" if status == 0 else errors[-200:]

    @staticmethod
    def _providers(said):
        """Further libraries that might give what is missing."""
        symbol = re.search(r"undefined symbol: (\w+)", said)
        for names, pattern in PROVIDERS:
            if symbol and names.fullmatch(symbol[1]):
                return sorted(str(path) for path in
                              pathlib.Path(f"/usr/lib/{platform.machine()}-linux-gnu")
                              .glob(pattern))[:1]
        return []

    def _trace(self):
        """A program is not run, but bound as far as the loader does it for ldd -r."""
        interpreter = self.facts.interpreter
        if interpreter is None or not os.path.exists(interpreter) or "musl" in interpreter:
            return False
        before, after = (self._needs(interpreter, path) for path in (self.path, self.copy))
        if before[0] != 0:
            return False
        lost = before[1] - after[1]
        undefined = {line for line in after[1] - before[1] if "undefined" in line}
        if after[0] != 0 or lost or undefined:
            raise Failure("load", f"status {after[0]}; lost {sorted(lost)[:3]}, "
                                  f"undefined {sorted(undefined)[:3]}")
        return True

    def _needs(self, interpreter, path):
        status, output, errors = run([interpreter, str(path)], LOAD_PATIENCE,
                                     LD_TRACE_LOADED_OBJECTS="1", LD_WARN="yes",
                                     LD_BIND_NOW="1", **self._environment())
        lines = (output + errors).replace(str(path), "FILE").splitlines()
        return status, {re.sub(r"\(0x[0-9a-f]+\)", "", line).strip() for line in lines}

    def patch_again(self):
        """Twice is once."""
        before = sha256(self.copy)
        status, _, errors = self.tools.command("patch", "-q", "--hooks", self.tools.hooks,
                                               self.copy)
        if status != NOTHING or sha256(self.copy) != before:
            raise Failure("patch again", f"status {status}: {errors}")

    def revert(self):
        status, _, errors = self.tools.command("revert", "-q", self.copy)
        if status != DONE:
            raise Failure("revert", f"status {status}: {errors}")
        if sha256(self.copy) != self.digest:
            raise Failure("revert", "not the original bytes")
        was, now = os.stat(self.path), os.stat(self.copy)
        # Nobody else can make a program that runs as its owner.
        kept = 0o7777 if os.geteuid() == 0 else 0o777
        if (was.st_mode ^ now.st_mode) & kept or was.st_mtime_ns != now.st_mtime_ns:
            raise Failure("revert", "mode or time differ")
        left = [entry.name for entry in self.copy.parent.iterdir() if entry != self.copy]
        if left:
            raise Failure("revert", f"litter: {left}")


def difference(before, after):
    lines = [line for line in difflib.unified_diff(before, after, lineterm="", n=0)
             if line[0] in "+-" and line[:3] not in ("+++", "---")]
    return "; ".join(lines[:4])
