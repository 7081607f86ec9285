# SPDX-License-Identifier: MIT
"""The bridge from its beginning to its end: activation, threads, forks, exits, and nothing left."""
import ctypes
import gc
import os
import socket
import sys
import threading
import time
import unittest

import driver
import gevent
import gevent.hub
import greenify
from support import BridgeTest, hooks, read, sleep, until, waiting, write

DRIVER = driver.__file__


class Activation(BridgeTest):
    def test_twice(self):
        self.assertIsNone(greenify.greenify())
        self.assertIsNone(greenify.activate("gevent"))
        self.assertEqual(greenify.status()["host"], "gevent")

    def test_other_hosts(self):
        for host in "eventlet", "asyncio":
            with self.assertRaisesRegex(NotImplementedError, f"no bridge to {host} yet"):
                greenify.activate(host)
        with self.assertRaisesRegex(ValueError, "twisted.*gevent"):
            greenify.activate("twisted")

    def test_deactivate(self):
        out, into = self.pipe()
        reading = gevent.spawn(driver.read, out)
        until(lambda: waiting() == 1)
        with self.assertRaisesRegex(RuntimeError, "1 call.* waiting"):
            greenify.deactivate()
        os.write(into, b"x")
        self.assertEqual(reading.get(), b"x")
        greenify.deactivate()
        greenify.deactivate()
        self.assertIsNone(greenify.status()["host"])
        os.write(into, b"y")
        self.assertEqual(driver.read(out), b"y")
        self.assertEqual(greenify.status()["optimistic"], 0)

    def test_deactivate_where_a_dispatch_resumed(self):
        """The dispatch, which is still on the stack of the hub, has something to come back to."""
        out, into = self.pipe()
        for _ in range(3):
            gevent.spawn_later(0.005, os.write, into, b"x")
            self.assertEqual(driver.read(out), b"x")
            greenify.deactivate()
            gevent.sleep(0.001)
            greenify.greenify()

    def test_status(self):
        out, into = self.pipe()
        greenify.deactivate()
        greenify.greenify()
        os.write(into, b"x")
        driver.read(out)
        reading = gevent.spawn(driver.read, out)
        until(lambda: waiting() == 1)
        status = greenify.status()
        self.assertEqual(status["libraries"],
                         {DRIVER: ["poll", "pthread_mutex_lock", "pthread_mutex_unlock", "read"]})
        self.assertEqual((status["optimistic"], status["parked"], status["blocked"]), (1, 1, 0))
        os.write(into, b"x")
        reading.join()

    def test_patch_lib(self):
        self.assertIs(greenify.patch_lib(DRIVER), True)
        self.assertIs(greenify.patch_lib(DRIVER, patch_sleep=True), True)
        for path, reason in (("libc.so.6", "what the redirection itself stands on"),
                             ("libm.so.6", "nothing that could be redirected"),
                             ("/no/such.so", "no/such.so")):
            with self.assertWarnsRegex(RuntimeWarning, reason):
                self.assertIs(greenify.patch_lib(path), False)

    def test_patch_lib_redirects_in_memory(self):
        try:
            crypto = ctypes.CDLL("libcrypto.so.3")
        except OSError:
            self.skipTest("no libcrypto.so.3")
        greenify.greenify()
        self.assertIs(greenify.patch_lib("libcrypto.so.3"), True)
        self.assertIs(greenify.patch_lib("libcrypto.so.3"), True)
        self.assertTrue(any("libcrypto.so.3" in path for path in greenify.status()["in_memory"]))
        ours, theirs = socket.socketpair()
        with ours, theirs:
            # int BIO_socket_wait(int fd, int for_read, time_t max_time)
            waits = [gevent.spawn(crypto.BIO_socket_wait, ours.fileno(), 1,
                                  ctypes.c_long(int(time.time()) + 60)) for _ in range(2)]
            until(lambda: waiting() == 2)
            theirs.send(b"x")
            gevent.joinall(waits)
            self.assertEqual([wait.value for wait in waits], [1, 1])


class Threads(BridgeTest):
    def in_threads(self, count, body):
        """What each thread returned, or raised."""
        results = [None] * count

        def run(i):
            try:
                results[i] = body(i)
            except BaseException as exception:
                results[i] = exception

        threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        until(lambda: not any(thread.is_alive() for thread in threads))
        for thread in threads:
            thread.join()
        return results

    def test_each_with_its_hub(self):
        def body(number):
            greenify.greenify()
            out, into = os.pipe()
            readers = [gevent.spawn(read, out, 1) for _ in range(20)]
            gevent.spawn_later(0.02, write, into, bytes([number]) * 20)
            gevent.joinall(readers)
            sleepers = [gevent.spawn(sleep, 0.01) for _ in range(20)]
            gevent.joinall(sleepers)
            status = greenify.status()
            os.close(out)
            os.close(into)
            gevent.get_hub().destroy()
            return [g.value for g in readers + sleepers], status["waiting"], status["parked"] >= 40

        here = gevent.spawn(sleep, 0.03)
        for i, result in enumerate(self.in_threads(2, body)):
            self.assertEqual(result, ([bytes([i])] * 20 + [0] * 20, 0, True))
        self.assertEqual(here.get(), 0)

    def test_without_a_hub(self):
        """Blocks, with libc's own call."""
        def body(_):
            out, into = os.pipe()
            os.write(into, b"x")
            try:
                return driver.read(out), sleep(0.01), greenify.status()["host"]
            finally:
                os.close(out)
                os.close(into)

        self.assertEqual(self.in_threads(1, body), [(b"x", 0, None)])

    def test_ends_with_parked_calls(self):
        kept = []

        def body(_):
            greenify.greenify()
            out, into = os.pipe()
            kept.extend((gevent.spawn(driver.read, out), into))
            until(lambda: waiting() == 1)

        before = len(os.listdir("/proc/self/fd"))
        self.assertEqual(self.in_threads(1, body), [None])
        kept.clear()
        gc.collect()
        self.assertLess(len(os.listdir("/proc/self/fd")), before + 8)

    def test_destroyed_hub(self):
        """Without its hub the thread blocks; a new hub can be greenified again."""
        def body(_):
            greenify.greenify()
            sleeping = gevent.spawn(sleep, 0.01)
            sleeping.join()
            gevent.get_hub().destroy()
            result = [sleep(0.01)]
            greenify.greenify()
            sleeping = gevent.spawn(sleep, 0.01)
            sleeping.join()
            gevent.get_hub().destroy()
            return result + [sleeping.value]

        self.assertEqual(self.in_threads(1, body), [[0, 0]])

    def test_destroyed_before_it_ran(self):
        def body(_):
            greenify.greenify()
            gevent.get_hub().destroy()
            return sleep(0.01)

        self.assertEqual(self.in_threads(1, body), [0])


class Nothing(BridgeTest):
    """is left behind."""

    def grows(self, body):
        """Objects and descriptors that a second round of `body` leaves."""
        body()
        gc.collect()
        before = len(gc.get_objects()), len(os.listdir("/proc/self/fd")), sys.getrefcount(None)
        body()
        gc.collect()
        after = len(gc.get_objects()), len(os.listdir("/proc/self/fd")), sys.getrefcount(None)
        return [b - a for a, b in zip(before, after)]

    def test_after_many_parks(self):
        here, there = socket.socketpair()

        def echo():
            for _ in range(5000):
                write(there.fileno(), read(there.fileno(), 1))

        def body():
            greenlet = gevent.spawn(echo)
            for _ in range(5000):
                write(here.fileno(), b"x")
                read(here.fileno(), 1)
            greenlet.join()

        with here, there:
            objects, descriptors, nones = self.grows(body)
        self.assertLess(objects, 100)
        self.assertEqual(descriptors, 0)
        self.assertLess(nones, 100)

    def test_after_many_exceptions(self):
        out, _ = self.pipe()

        def wait(i):
            with gevent.Timeout(0.001, False):
                (driver.read, driver.read_or_none, read)[i % 3](out)

        def body():
            gevent.joinall([gevent.spawn(wait, i) for i in range(1000)])

        objects, descriptors, nones = self.grows(body)
        self.assertLess(objects, 100)
        self.assertEqual(descriptors, 0)
        self.assertLess(nones, 100)

    def test_after_many_activations(self):
        def body():
            for _ in range(1000):
                greenify.deactivate()
                greenify.greenify()

        objects, descriptors, _ = self.grows(body)
        self.assertLess(objects, 100)
        self.assertEqual(descriptors, 0)

    def test_of_a_greenlet_with_storage(self):
        hooks.greenify_gethostbyname.restype = None

        def body():
            gevent.joinall([gevent.spawn(hooks.greenify_gethostbyname, b"127.0.0.1")
                            for _ in range(200)])

        self.assertLess(self.grows(body)[0], 100)


class Forks(BridgeTest):
    CHILD = """
import driver
greenify.greenify()
out, into = os.pipe()
parked = gevent.spawn(lambda: driver.read(out))
until(lambda: waiting() == 1)
{before}
child = {fork}()
if child == 0:
    {child}
    reading = gevent.spawn(driver.read, out2)
    gevent.sleep(0.01)
    os.write(into2, b"child")
    print(reading.get(), sleep(0.01), greenify.status()["host"], flush=True)
    {exit}
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
os.write(into, b"parent")
print(parked.get(), waiting(), flush=True)
"""
    OUTPUT = "b'child' 0 gevent\n0\nb'parent' 0\n"

    def assert_fork(self, output=OUTPUT, before="", child="out2, into2 = os.pipe()",
                    fork="os.fork", leave="os._exit(0)"):
        self.assert_program(self.CHILD.format(before=before, child=child, fork=fork, exit=leave),
                            output)

    def test_fork(self):
        self.assert_fork()

    def test_fork_of_gevent(self):
        self.assert_fork(before="import gevent.os", fork="gevent.os.fork")

    def test_child_ends_as_a_program(self):
        self.assert_fork(leave="sys.exit(0)", before="import sys")

    def test_child_kills_what_it_inherited(self):
        self.assert_fork(child="out2, into2 = os.pipe(); parked.kill(block=False);"
                               " gevent.sleep(0.01); print(parked.dead, flush=True)",
                         output="True\n" + self.OUTPUT)

    def test_fork_in_a_greenlet(self):
        self.assert_program("""
import driver
greenify.greenify()
out, into = os.pipe()
def fork():
    child = os.fork()
    if child == 0:
        print(read(out), sleep(0.01), flush=True)
        os._exit(0)
    return child
forking = gevent.spawn(fork)
def answer(own=os.getpid()):  # the child has inherited this greenlet, too
    sleep(0.05)
    return os.getpid() == own and write(into, b"late")
gevent.spawn(answer)
print(os.waitstatus_to_exitcode(os.waitpid(forking.get(), os.WNOHANG)[1]), flush=True)
sleep(0.1)
print(os.waitstatus_to_exitcode(os.waitpid(forking.get(), 0)[1]), flush=True)
""", "0\nb'late' 0\n0\n")


class Exits(BridgeTest):
    def test_with_parked_calls(self):
        self.assert_program("""
import driver
greenify.greenify()
out, into = os.pipe()
kept = [gevent.spawn(driver.read, out) for _ in range(10)]
kept += [gevent.spawn(lambda: driver.read(out)) for _ in range(10)]
until(lambda: waiting() == 20)
print("end")
""", "end\n")

    def test_by_an_exception_of_a_greenlet(self):
        self.assert_program("""
import driver, sys
greenify.greenify()
out, into = os.pipe()
def body():
    os.write(into, b"x")
    sleep(0.01)
    sys.exit(0)
gevent.spawn(body)
driver.read(out), driver.read(out)
print("not reached")
""", "")

    def test_with_threads(self):
        self.assert_program("""
import driver, threading
out, into = os.pipe()
def body():
    greenify.greenify()
    gevent.joinall([gevent.spawn(lambda: driver.read(out)) for _ in range(10)])
for _ in range(3):
    threading.Thread(target=body, daemon=True).start()
greenify.greenify()
sleep(0.05)
print("end")
""", "end\n")

    def test_calls_at_the_end(self):
        """In exit handlers that run later, and when modules are taken apart, calls block."""
        self.assert_program("""
import atexit, driver
out, into = os.pipe()
class Connection:
    def __del__(self, read=driver.read, write=os.write, print=print):
        write(into, b"goodbye")
        print(read(out))
connection = Connection()
greenify.greenify()
atexit.register(lambda: print("handler", sleep(0.01)))
sleep(0.01)
""", "handler 0\nb'goodbye'\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
