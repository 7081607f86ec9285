# SPDX-License-Identifier: MIT
"""greenify run: what is redirected, when, and what the program and its children see of it."""
import http.server
import os
import shutil
import signal
import subprocess
import threading
import unittest

GREENIFY = os.environ["GREENIFY"]
RUNTIME = os.environ["RUNTIME_DIR"]
FOLDER = os.environ["RUN_DIR"]
PROGRAM = os.path.join(FOLDER, "run_program")


def plugin(name):
    return os.path.join(FOLDER, f"lib{name}.so")


def run(*arguments, **options):
    """Runs greenify run; the arguments after its own."""
    environment = dict(os.environ, LD_LIBRARY_PATH=RUNTIME, **options.pop("env", {}))
    return subprocess.run([GREENIFY, "run", *arguments], env=environment, capture_output=True,
                          text=True, timeout=60, **options)


class Redirection(unittest.TestCase):
    def check(self, expected, *arguments):
        done = run(*arguments)
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout.splitlines(), expected)

    def test_a_library_loaded_later_before_its_constructor(self):
        expected = ["constructor: others ran", "wait_by_linkage returned 0",
                    "wait_by_linkage: others ran", "wait_by_table returned 0",
                    "wait_by_table: others ran"]
        for name in ("lazy", "no_plt", "old_hash"):
            with self.subTest(name):
                self.check(expected, "--", PROGRAM, "load", plugin(name))

    def test_without_the_command_all_of_that_blocks(self):
        done = subprocess.run([PROGRAM, "load", plugin("no_plt")], capture_output=True, text=True,
                              env=dict(os.environ, LD_LIBRARY_PATH=RUNTIME))
        self.assertEqual(done.stdout.count("blocked"), 3)
        self.assertEqual(done.stdout.count("others ran"), 0)

    def test_only_the_chosen_libraries(self):
        expected = ["constructor: blocked", "wait_by_linkage returned 0",
                    "wait_by_linkage: blocked", "wait_by_table returned 0",
                    "wait_by_table: blocked"]
        self.check(expected, "--library", "libelse.so", PROGRAM, "load", plugin("lazy"))
        for name in ("liblazy.so", plugin("lazy")):
            done = run("--library", "libelse.so", "--library", name, PROGRAM, "load", plugin("lazy"))
            self.assertEqual(done.stdout.count("others ran"), 3)

    def test_only_the_chosen_hooks(self):
        done = run("--hooks", "net", PROGRAM, "load", plugin("lazy"))
        self.assertEqual(done.stdout.count("blocked"), 3)
        done = run("--hooks", "usleep", PROGRAM, "load", plugin("lazy"))
        self.assertEqual(done.stdout.count("others ran"), 3)

    def test_a_function_versioned_for_another_library_is_left_alone(self):
        self.check(["constructor: blocked", "wait_after_all returned 42",
                    "wait_after_all: blocked"], "--", PROGRAM, "load", plugin("foreign"))

    def test_a_function_versioned_for_another_library_is_left_alone_once_loaded(self):
        done = subprocess.run([PROGRAM, "load", plugin("foreign")], capture_output=True, text=True,
                              env=dict(os.environ, LD_LIBRARY_PATH=RUNTIME))
        self.assertIn("wait_after_all returned 42\n", done.stdout)

    def test_a_library_that_comes_and_goes(self):
        self.check(["loaded often"], "--", PROGRAM, "often", plugin("quick"))

    def test_a_namespace_of_its_own_is_left_alone(self):
        self.check(["apart: loaded"], "--", PROGRAM, "apart", plugin("quick"))

    def test_the_file_stays_as_it_is(self):
        with open(plugin("lazy"), "rb") as file:
            before = file.read()
        run(PROGRAM, "load", plugin("lazy"))
        with open(plugin("lazy"), "rb") as file:
            self.assertEqual(file.read(), before)

    def test_verbose_names_what_was_redirected(self):
        done = run("-v", "--", PROGRAM, "load", plugin("lazy"))
        self.assertIn(f"greenify: {plugin('lazy')}: 1 function redirected\n", done.stderr)
        self.assertIn(f"greenify: {PROGRAM}: 2 functions redirected\n", done.stderr)
        self.assertNotIn("libc.so", done.stderr)
        self.assertNotIn("libev.so", done.stderr)


class Command(unittest.TestCase):
    def test_the_exit_status_is_that_of_the_command(self):
        self.assertEqual(run("sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(run("sh", "-c", "kill -TERM $$").returncode, -signal.SIGTERM)

    def test_what_cannot_be_run(self):
        done = run("--", "no-such-command")
        self.assertEqual(done.returncode, 127)
        self.assertEqual(done.stderr, "greenify: no-such-command: cannot be run: "
                                      "No such file or directory\n")
        done = run("/")
        self.assertEqual(done.returncode, 126)
        self.assertIn("greenify: /: cannot be run: ", done.stderr)

    def test_what_is_not_ready(self):
        done = run("--runtime-file", "/nowhere/libgreen.so.1", "true")
        self.assertEqual(done.returncode, 125)
        self.assertIn("greenify: /nowhere/libgreen.so.1: No such file", done.stderr)
        self.assertEqual(run("--runtime-file", "/bin/true", "true").returncode, 125)

    def test_a_wrong_command_line(self):
        for arguments in ((), ("--hooks", "nothing", "true"), ("--library", "a:b", "true"),
                          ("--library", "", "true"), ("--no-such-option", "true")):
            self.assertEqual(run(*arguments).returncode, 2, arguments)

    def test_options_of_the_command_are_its_own(self):
        self.assertEqual(run("printf", "%s", "--json").stdout, "--json")

    def test_lists_of_the_loader_are_kept(self):
        library = os.path.join(RUNTIME, "libgreen.so.1")
        done = run("printenv", "LD_PRELOAD", env={"LD_PRELOAD": library})
        self.assertRegex(done.stdout, rf"/libgreen\.so\S*:{library}\n")

    def test_tunables_are_kept(self):
        done = run("printenv", "GLIBC_TUNABLES", env={"GLIBC_TUNABLES": "glibc.malloc.check=0"})
        self.assertEqual(done.stdout, "glibc.malloc.check=0:glibc.rtld.optional_static_tls=8192\n")
        given = "glibc.rtld.optional_static_tls=600"
        done = run("printenv", "GLIBC_TUNABLES", env={"GLIBC_TUNABLES": given})
        self.assertEqual(done.stdout, given + "\n")

    def test_a_library_with_much_static_storage(self):
        done = run(PROGRAM, "hub", env={"LD_PRELOAD": plugin("storage")})
        self.assertEqual((done.stdout, done.stderr), ("hub 0, waits 0, next descriptor 3\n", ""))

    def test_signals_and_descriptors_are_those_of_the_caller(self):
        status = run("cat", "/proc/self/status", restore_signals=False).stdout
        with open("/proc/self/status", encoding="ascii") as file:
            expected = [line for line in file if line.startswith("SigIgn")]
        self.assertEqual([line + "\n" for line in status.splitlines() if "SigIgn" in line],
                         expected)
        done = subprocess.run(["sh", "-c", '"$0" run sh -c "printf x >&1" >&-', GREENIFY],
                              capture_output=True, text=True)
        self.assertNotEqual(done.returncode, 0)

    def test_children_inherit_it_unless_told_otherwise(self):
        shell = 'exec "$0" hub'
        inherits = run("--hub", "sh", "-c", shell, PROGRAM)
        self.assertEqual(inherits.stdout, "hub 1, waits 1, next descriptor 3\n")
        alone = run("--hub", "--no-children", "sh", "-c", shell, PROGRAM)
        self.assertEqual(alone.stdout, "hub 0, waits 0, next descriptor 3\n")

    def test_no_children_leaves_no_trace(self):
        done = run("--no-children", "--hub", "sh", "-c", "env", env={"LD_PRELOAD": "libm.so.6"})
        self.assertNotIn("GREEN_", done.stdout)
        self.assertNotIn("LD_AUDIT", done.stdout)
        self.assertNotIn("GLIBC_TUNABLES", done.stdout)
        self.assertIn("LD_PRELOAD=libm.so.6\n", done.stdout)

    def test_no_children_holds_for_what_is_loaded_later(self):
        for options in ([], ["--library", plugin("lazy")]):
            done = run("--no-children", *options, PROGRAM, "load", plugin("lazy"))
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.count("others ran"), 3)

    def test_a_child_that_lost_the_runtime_works_as_ever(self):
        done = run("env", "-u", "LD_PRELOAD", "sleep", "0.01")
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Hub(unittest.TestCase):
    """Programs that nobody here wrote, under a hub from the start."""

    def test_the_program_has_a_hub_and_the_same_descriptors(self):
        done = run("--hub", PROGRAM, "hub")
        self.assertEqual(done.stdout, "hub 1, waits 1, next descriptor 3\n")

    def test_what_a_program_closes_is_not_the_hubs(self):
        done = run("--hub", "/usr/bin/python3", "-c", """
import os, select, socket, time
def refused(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno == 9
def waits():
    a, b = socket.socketpair()
    if os.fork() == 0:
        time.sleep(0.05)
        b.send(b"x")
        os._exit(0)
    return a.recv(1) == b"x"
waits()
numbers = [fd for fd in range(200, 1000) if os.path.exists(f"/proc/self/fd/{fd}")]
print(len(numbers) > 1, all(refused(os.close, fd) for fd in numbers),
      all(refused(os.dup2, 0, fd) for fd in numbers))
fd = os.dup(0)
os.closerange(3, 1000)
print(refused(os.fstat, fd), waits())
""")
        self.assertEqual((done.stdout, done.stderr), ("True True True\nTrue True\n", ""))

    def test_the_child_of_a_fork_has_one_of_its_own(self):
        done = run("--hub", "/usr/bin/python3", "-c", """
import os, select, socket, time
a, b = socket.socketpair()
child = os.fork()
if child == 0:
    time.sleep(0.05)
    b.send(b"x")
    os._exit(len(select.select([a], [], [], 5)[0]) + 5)
print(select.select([a], [], [], 5)[0] == [a], os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""")
        self.assertEqual((done.stdout, done.stderr), ("True 6\n", ""))

    def test_no_wait_for_a_condition_ends_by_itself(self):
        for hooks in ("sync,time", "sync,time,thread"):
            done = run("--hub", "--hooks", hooks, PROGRAM, "condition")
            self.assertEqual(done.stdout, "0 ends without a signal\nsignalled\n")

    def test_a_wait_that_nothing_ends_is_ended_by_a_signal(self):
        program = subprocess.Popen([GREENIFY, "run", "--hub", "/usr/bin/python3", "-c",
                                    "import select; print(flush=True); select.select([],[],[])"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.readline()
        with self.assertRaises(subprocess.TimeoutExpired):
            program.wait(timeout=0.5)
        program.terminate()
        self.assertEqual(program.communicate(timeout=20)[1], b"")
        self.assertEqual(program.returncode, -signal.SIGTERM)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * 1000000)

            def log_message(self, *_):
                pass
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            done = run("--hub", "curl", "-sS", f"http://localhost:{server.server_port}/")
            server.shutdown()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, "x" * 1000000)


if __name__ == "__main__":
    unittest.main()
