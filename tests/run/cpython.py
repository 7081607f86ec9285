# SPDX-License-Identifier: MIT
"""CPython's own tests, as it runs them and under a hub: the same pass, fail and are skipped, but for
those that are explained here. `cpython.py [--threads] MODULE...`, or all that have to do with
waiting; with --threads every thread is a coroutine of the hub, too."""
import collections
import importlib.util
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import hub

MODULES = """test_select test_poll test_epoll test_socket test_selectors test_socketserver test_threading
    test_thread test_queue test_concurrent_futures test_signal test_threadsignals test_eintr
    test_file_eintr test_faulthandler test_subprocess test_popen test_pipes test_os test_posix
    test_fork1 test_wait3 test_wait4 test_pty test_fcntl test_time test_sys test_io test_logging
    test_asyncio test_asyncore test_asynchat test_ssl test_httplib test_httpservers test_urllib
    test_urllib2_localnet test_robotparser test_ftplib test_smtplib test_poplib test_imaplib
    test_nntplib test_telnetlib test_xmlrpc test_docxmlrpc test_mailbox test_multiprocessing_fork
    test_multiprocessing_spawn test_multiprocessing_main_handling""".split()

# It connects to its own machine by AF_VSOCK, and where the kernel has no transport for that (ENODEV)
# its server waits for ever, under a hub or not.
HANGS = "*ThreadedVSOCK*"

# Those in which threads do most.
MODULES_OF_THREADS = """test_thread test_threading test_threadsignals test_threading_local test_queue
    test_fork1 test_select test_poll test_epoll test_selectors test_socket test_socketserver
    test_concurrent_futures""".split()

EXPLAINED = {
    "SiginterruptTest.test_siginterrupt_off":
        "Python's handler of SIGINT lacks SA_RESTART, and which handler has run is not known",
    "POSIXProcessTestCase.test_pass_fds_redirected":
        "the child lists its descriptors by fstat(), and those of its hub are among them",
}

NATIVE = "the kernel knows one thread, which runs all coroutines"
LOOKS = "a signal ends no wait for a lock when it comes while the hub looks at that lock by itself"
EXPLAINED_OF_THREADS = {
    "ThreadTests.test_various_ops": NATIVE,
    "ThreadTests.test_various_ops_large_stack": NATIVE,
    "ThreadTests.test_various_ops_small_stack": NATIVE,
    # Seldom, on a busy machine.
    "ThreadSignals.test_lock_acquire_interruption": LOOKS,
    "ThreadSignals.test_rlock_acquire_interruption": LOOKS,
    "InterruptMainTests.test_can_interrupt_tight_loops":
        "no coroutine is interrupted while it computes",
}


TRIES = 4


def explanation(name, reasons):
    return next((why for end, why in reasons.items() if name.endswith(end)), None)


def results(runner, module):
    """Test -> what became of it; and the output."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        report = f"{folder}/report.xml"
        done = subprocess.run([*runner, "/usr/bin/python3", "-m", "test", "-u", "network",
                               "--junit-xml", report, "-i", HANGS, module],
                              cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        try:
            cases = xml.etree.ElementTree.parse(report).iter("testcase")
        except (OSError, xml.etree.ElementTree.ParseError):
            cases = ()
        for case in cases:
            children = {child.tag for child in case}
            found[case.get("name", "(no name)")] = next(
                (kind for kind in ("skipped", "failure", "error") if kind in children), "passed")
    return found, done.stdout


def differing(module, runner):
    """What a run alone gave, (alone, hooked) where the other one differs, and its output."""
    (alone, _), (hooked, output) = results(hub.KINDS["plain"], module), results(runner, module)
    return alone, {name: (alone.get(name), hooked.get(name))
                   for name in alone.keys() | hooked.keys()
                   if alone.get(name) != hooked.get(name)}, output


def compare(module, runner, reasons):
    """Prints what differs; returns the counts of one run, and whether all that differs is explained.
    Some of these tests fail when the machine holds them up for 10 ms: only what differs each time
    counts."""
    alone, differences, output = differing(module, runner)
    for _ in range(TRIES - 1):
        if not any(explanation(name, reasons) is None for name in differences):
            break
        _, again, output = differing(module, runner)
        differences = {name: again[name] for name in differences.keys() & again.keys()}
    unexplained = False
    for name, (before, after) in sorted(differences.items()):
        why = explanation(name, reasons)
        unexplained |= why is None
        print(f"    {name}: {before}, under a hub {after}: {why or 'NOT EXPLAINED'}")
    counts = collections.Counter(alone.values())
    print(f"{module}: {len(alone)} tests, {dict(counts)}; {len(differences)} differ", flush=True)
    if unexplained:
        print(output[-4000:])
    return counts, not unexplained


def main():
    if importlib.util.find_spec("test.test_select") is None:
        print("libpython3.11-testsuite is not installed")
        return 77  # skipped
    arguments, runner, reasons, usual = sys.argv[1:], hub.KINDS["hub"], EXPLAINED, MODULES
    if arguments[:1] == ["--threads"]:
        del arguments[0]
        runner, usual = hub.THREADS, MODULES_OF_THREADS
        reasons = {**EXPLAINED, **EXPLAINED_OF_THREADS}
    total, sound = collections.Counter(), True
    for module in arguments or usual:
        counts, explained = compare(module, runner, reasons)
        total += counts
        sound &= explained
    print(f"{sum(total.values())} tests, {dict(total)}")
    return 0 if sound and total["passed"] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
