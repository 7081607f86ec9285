# SPDX-License-Identifier: MIT
"""Without a hub a hooked program makes the same system calls as the plain one (strace)."""
import concurrent.futures
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAMS = os.environ["CONFORMANCE"]
SKIPPED = 77

# What is another each time: addresses, ports, numbers of processes, sizes that TCP decides, what a
# question to a name server is told from others by.
NORMAL = [(re.compile(pattern), by) for pattern, by in [
    (r" /\*.*?\*/", ""),
    (r"0x[0-9a-f]{5,}", "ADDRESS"),
    (r'(sun_path|sa_data)=@?"(?:[^"\\]|\\.)*"', "NAME"),
    (r"/tmp/[\w.-]+", "FILE"),
    (r"\b(tv_n?u?sec)=-?\d+", r"\1=N"),
    (r"\bst_\w+=[^,}]+", "STAT"),
    (r"\bru_\w+=(\{[^}]*\}|\d+)", "USAGE"),
    (r"\b(si_[us]time|TIOCGPTN, \[)=?\d+", r"\1=N"),
    (r'"(?:[^"\\]|\\.)*?(\\\d(first|no|in-addr)\b)', r'"ID\1'),
    (r"\s+= ", " = "),
    (r"rt_sigreturn.*", "rt_sigreturn"),
    (r"\d{3,}", "N"),
]]

# What memory and other threads need; printing; what fill() finds room for and await_arrival() looks
# at; and what comes whenever it comes.
BESIDES = re.compile(r"brk|mmap|munmap|mprotect|madvise|getrandom|futex|clone3|set_robust|rseq|"
                     r"rt_sigprocmask\(SIG_BLOCK, ~|write\(1,|newfstatat\(1,|"
                     r'write\(\d+, "\\0|clock_nanosleep\(CLOCK_REALTIME, 0|ioctl\(\d+, TIOCOUTQ|'
                     r"--- (SIGCHLD|SIGCONT|SIGSTOP|stopped)|restart_syscall")

# A child ends, which this thread hears of or another one: the call begins anew.
BEGUN_ANEW = re.compile(r"^.* = \? ERESTART(SYS|NOHAND) .*\n--- SIGCHLD .*\n", re.M)

# Shown as numbers: the kernel looks behind these pointers, or does not.
RAW = "raw=recvmsg,sendmsg,recvmmsg,sendmmsg,readv,writev,preadv,pwritev,preadv2,pwritev2"


def normal(line):
    for pattern, by in NORMAL:
        line = pattern.sub(by, line)
    return line


def read_log(path):
    """Title of a scenario -> what its first thread did. Each number of a process has a log; a number
    that came back during the run has several lives in its log, most of them other threads and
    processes."""
    with open(path, errors="replace") as log:
        lives = re.split(r"^\+\+\+ .*\n", BEGUN_ANEW.sub("", log.read()), flags=re.M)
    found = {}
    for lines in map(str.splitlines, lives):
        for i, line in enumerate(lines):
            mark = re.match(r'access\("(.*)", F_OK\)', line)
            if mark:
                found[mark[1]] = [normal(call) for call in lines[i + 1:]
                                  if not BESIDES.match(call)]
                break
    return found


def trace(program, stage):
    """Title -> system calls. Where two flows make them the numbers of descriptors are a matter of
    chance; what comes before the end of a time is, too, where strace sees it."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["strace", "-ff", "-A", "-e", RAW, "-o", os.path.join(folder, "log"),
                        os.path.join(PROGRAMS, program), stage, "-two", "-timed"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       env=dict(os.environ, LD_LIBRARY_PATH=os.environ["RUNTIME_DIR"]))
        found = {}
        for name in os.listdir(folder):
            found.update(read_log(os.path.join(folder, name)))
    return found


class Passthrough(unittest.TestCase):
    maxDiff = None

    def test_the_system_calls_are_the_same(self):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            plain = pool.submit(trace, "conformance_plain", "plain")
            hooked = pool.submit(trace, "conformance_hooked", "bare")
            plain, hooked = plain.result(), hooked.result()
        self.assertGreater(len(plain), 1000)
        self.assertEqual(sorted(plain), sorted(hooked))
        for title, calls in plain.items():
            with self.subTest(scenario=title):
                self.assertTrue(calls)
                difference = "\n".join(difflib.unified_diff(calls, hooked[title], "plain", "hooked",
                                                            lineterm="", n=1))
                self.assertEqual(difference, "")
        print("figure: %d scenarios without a hub: the same %d system calls, plain and hooked"
              % (len(plain), sum(map(len, plain.values()))))


def can_trace():
    return shutil.which("strace") is not None and subprocess.run(
        ["strace", "-o", os.devnull, "true"], stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    if not can_trace():
        sys.exit(SKIPPED)
    unittest.main()
