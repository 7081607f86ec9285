# SPDX-License-Identifier: MIT
"""A steady exchange: no fcntl, no getsockopt, no epoll_ctl, and no EAGAIN either."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.environ["CONFORMANCE"], "steady")
SKIPPED = 77
FEW, MANY = 100, 600


def count(rounds):
    """System call -> how often, and how often it failed."""
    with tempfile.NamedTemporaryFile("r") as log:
        subprocess.run(["strace", "-f", "-c", "-U", "name,calls,errors", "-o", log.name, PROGRAM,
                        str(rounds)], check=True,
                       env=dict(os.environ, LD_LIBRARY_PATH=os.environ["RUNTIME_DIR"]))
        rows = [line.split() for line in log if line.strip() and not line.startswith(("-", "sys"))]
    return {row[0]: (int(row[1]), int(row[2]) if len(row) > 2 else 0) for row in rows}


class Steady(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        few, many = count(FEW), count(MANY)
        cls.each = {name: tuple((many.get(name, (0, 0))[i] - few.get(name, (0, 0))[i])
                                / (MANY - FEW) for i in (0, 1))
                    for name in set(few) | set(many)}
        print({name: each for name, each in cls.each.items() if each != (0.0, 0.0)})

    def test_the_descriptors_are_asked_nothing(self):
        for name in ["fcntl", "getsockopt", "setsockopt", "epoll_ctl", "poll", "ioctl"]:
            self.assertLess(self.each.get(name, (0, 0))[0], 0.05, name)

    def test_a_message_costs_no_refusal(self):
        calls, errors = self.each["recvfrom"]
        self.assertLessEqual(errors, 0.05)
        self.assertAlmostEqual(calls, 2, delta=0.05)
        self.assertAlmostEqual(self.each["sendto"][0], 2, delta=0.05)

    def test_nothing_else_is_called_but_the_wait(self):
        for name, (calls, _) in self.each.items():
            if name not in ("recvfrom", "sendto", "epoll_pwait2", "epoll_pwait", "total"):
                self.assertLess(calls, 0.05, name)


if __name__ == "__main__":
    if shutil.which("strace") is None or subprocess.run(
            ["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        sys.exit(SKIPPED)
    unittest.main()
