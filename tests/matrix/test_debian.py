# SPDX-License-Identifier: MIT
"""Debian's own libraries with every hook group: patched, sound, as good as before to eu-elflint and nm,
loaded with each slot bound to the runtime, and reverted."""

import json
import os
import pathlib
import re
import unittest

from support import GREENIFY, RUNTIME, Case, build, installed, run, sha256

LIBRARIES = ["libmariadb.so.3", "libpq.so.5", "libcurl.so.4", "libcrypto.so.3", "libssl.so.3",
             "libpython3.11.so.1.0", "libstdc++.so.6", "libLLVM-14.so.1"]


def find(soname):
    """Where the loader finds it; None where it is not installed."""
    listing = run(["/sbin/ldconfig", "-p"]).stdout
    match = re.search(rf"^\s*{re.escape(soname)} \(libc6,.*?\) => (\S+)$", listing, re.M)
    return pathlib.Path(match[1]).resolve() if match else None


def every_group():
    """For --hooks."""
    table = json.loads(run([GREENIFY, "hooks", "--json"]).stdout)
    return ",".join(sorted({hook["group"] for hook in table["hooks"]}))


class Debian(Case):
    def findings(self, command, path):
        return set(run([*command, path]).stdout.replace("greenify_", "").splitlines())

    def test_every_library_with_every_group(self):
        environment = dict(os.environ, LD_LIBRARY_PATH=str(RUNTIME))
        hooks = every_group()
        tried = 0
        for soname in LIBRARIES:
            original = find(soname)
            if original is None:
                print(f"left out: {soname} is not installed")
                continue
            path = self.folder / soname
            with self.subTest(soname):
                result = run([GREENIFY, "--hooks", hooks, "-o", path, original])
                if result.returncode == 3:
                    print(f"figure: Debian's {soname}: nothing to redirect")
                    continue
                self.assertEqual(result.returncode, 0, result.stderr)
                tried += 1
                print(f"figure: Debian's {result.stdout.strip().split('/')[-1]}")
                build([GREENIFY, "verify", "--hooks", hooks, "--load", path],
                      env=environment)
                if installed("eu-elflint"):
                    new = self.findings(["eu-elflint", "--gnu-ld"], path) - \
                        self.findings(["eu-elflint", "--gnu-ld"], original) - {"No errors"}
                    self.assertEqual(new, set())
                self.assertEqual(self.findings(["nm", "-D", "--defined-only"], path),
                                 self.findings(["nm", "-D", "--defined-only"], original))
                build([GREENIFY, "revert", path])
                self.assertEqual(sha256(path), sha256(original))
            path.unlink(missing_ok=True)
        self.assertGreater(tried, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
