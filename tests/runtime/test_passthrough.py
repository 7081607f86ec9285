# SPDX-License-Identifier: MIT
"""Without a hub a hooked program makes the same system calls as the plain one (strace)."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = os.environ["CONFORMANCE"]
SKIPPED = 77

# Each makes its system calls in one thread, in one order.
SCENARIOS = ["recv at_once", "recv dontwait", "recv nonblocking", "recv timeout", "recv bad_arguments",
             "recv out_of_band", "recv waitall_timeout", "recvfrom address", "recvfrom timeout",
             "recvmsg bad_arguments", "send small", "send timeout", "send broken",
             "sendmsg bad_arguments", "connect success", "connect refused",
             "connect bad_arguments", "connect unix_full_timeout", "accept nonblocking",
             "accept timeout", "accept bad_arguments", "poll zero", "poll times_out", "poll closed",
             "poll of_nothing", "select times_out", "select zero", "select bad_arguments",
             "pselect times_out", "epoll_wait times_out", "epoll_wait bad_arguments",
             "read nonblocking_pipe", "read bad_arguments", "read regular_file", "read timerfd",
             "write nonblocking_pipe", "close bad", "shutdown states", "usleep whole",
             "nanosleep whole", "nanosleep bad_arguments", "clock_nanosleep relative"]


def normalise(line):
    line = re.sub(r"0x[0-9a-f]+", "ADDRESS", line)
    line = re.sub(r"si_pid=\d+", "PID", line)
    line = re.sub(r"parent_tid=.*", "TID", line)
    line = re.sub(r"\b(tv_n?u?sec)=-?\d+", r"\1=N", line)
    line = re.sub(r"htons\(\d+\)", "PORT", line)
    line = re.sub(r'sun_path=@"[0-9a-f]+"', "NAME", line)
    return re.sub(r"\bst_\w+=[^,}]+", "STAT", line)


def calls(program, stage, scenario):
    """What the scenario's own process did, from its alarm() on."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["strace", "-ff", "-e", "raw=recvmsg,sendmsg,readv,writev", "-o",
                        os.path.join(folder, "log"), os.path.join(PROGRAMS, program), stage,
                        scenario], check=True, stdout=subprocess.DEVNULL,
                       env=dict(os.environ, LD_LIBRARY_PATH=os.environ["RUNTIME_DIR"]))
        for name in os.listdir(folder):
            with open(os.path.join(folder, name)) as log:
                lines = [normalise(line) for line in log]
            begins = [i for i, line in enumerate(lines) if line.startswith("alarm(20)")]
            if begins:
                return lines[begins[0]:]
    raise AssertionError("%s was not run" % scenario)


def interesting(lines):
    return [line for line in lines
            if not re.match(r"(write\(1,|brk|mmap|munmap|newfstatat\(1,|getrandom)", line)]


class Passthrough(unittest.TestCase):
    maxDiff = None

    def test_the_system_calls_are_the_same(self):
        for scenario in SCENARIOS:
            with self.subTest(scenario=scenario):
                plain = interesting(calls("conformance_plain", "plain", scenario))
                hooked = interesting(calls("conformance_hooked", "bare", scenario))
                self.assertGreater(len(plain), 1)
                self.assertEqual(hooked, plain)


def can_trace():
    return shutil.which("strace") is not None and subprocess.run(
        ["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    if not can_trace():
        sys.exit(SKIPPED)
    unittest.main()
