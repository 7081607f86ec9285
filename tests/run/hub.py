# SPDX-License-Identifier: MIT
"""Runs a program as it is, and from its first instruction under a hub."""
import os
import re
import subprocess
import unittest

GREENIFY = os.environ["GREENIFY"]
WAITS = "net,poll,time,name,user,process,signal,ipc,file"
KINDS = {
    "plain": [],
    "hub": [GREENIFY, "run", "--hub", "--hooks", WAITS, "--"],
}
# Its threads are coroutines of the hub as well.
THREADS = [GREENIFY, "run", "--hub", "--hooks", WAITS + ",sync,thread", "--"]


class Comparison(unittest.TestCase):
    def run_as(self, kind, *command, stdin="", env=None):
        """Its status, output and errors."""
        done = subprocess.run([*KINDS[kind], *command], input=stdin, capture_output=True, text=True,
                              timeout=60, env=dict(os.environ, **(env or {})))
        return done.returncode, done.stdout, done.stderr

    def both(self, *command, **options):
        """The same under a hub, after it was compared with what the program does alone. How long
        curl took until it failed is a matter of the machine."""
        results = [self.run_as(kind, *command, **options) for kind in KINDS]
        plain, hub = ([re.sub(r" after \d+ ms:", " after some ms:", str(part)) for part in result]
                      for result in results)
        self.assertEqual(plain, hub)
        return results[1]
