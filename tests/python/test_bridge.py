# SPDX-License-Identifier: MIT
"""Greenlets wait inside C functions, and nobody else does."""
import ctypes
import errno
import os
import select
import socket
import sys
import time

import driver
import gevent
import gevent.hub
import gevent.threadpool
import greenlet
import greenify
import unittest
from support import BridgeTest, call, hooks_with_gil, read, sleep, until, waiting, write


def recurse(depth):
    """Fills the stack, and lets others run at the bottom of it."""
    if depth == 0:
        gevent.sleep(0)
        return 0
    return 1 + sum(map(recurse, [depth - 1]))


class Waiting(BridgeTest):
    def test_ping_pong(self):
        here, there = socket.socketpair()
        with here, there:
            def echo():
                while data := read(there.fileno()):
                    write(there.fileno(), data)

            greenlet_ = gevent.spawn(echo)
            for i in range(100):
                write(here.fileno(), b"%d" % i)
                self.assertEqual(read(here.fileno()), b"%d" % i)
            here.shutdown(socket.SHUT_WR)
            greenlet_.join()
            self.assertIsNone(greenlet_.exception)

    def test_a_thousand_parked(self):
        pipes = [self.pipe() for _ in range(400)]
        greenlets = [gevent.spawn(driver.read, pipes[i % 400][0]) for i in range(400)]
        for seconds in 0.2, 1, 5, 20:  # that it takes for all to wait, on a busy machine
            sleepers = [gevent.spawn(sleep, seconds) for _ in range(600)]
            until(lambda: waiting() == 1000 or sleepers[0].dead)
            if waiting() == 1000:
                break
            gevent.joinall(sleepers)
        self.assertEqual(waiting(), 1000)
        for i, (_, end) in enumerate(pipes):
            os.write(end, b"%d" % i)
        gevent.joinall(greenlets + sleepers)
        self.assertEqual([g.value for g in greenlets], [b"%d" % i for i in range(400)])
        self.assertEqual([g.value for g in sleepers], [0] * 600)

    def test_timers_in_order(self):
        for _ in range(50):
            order = []
            start = time.monotonic()
            greenlets = [gevent.spawn(lambda s: (sleep(s), order.append(s)), s / 100)
                         for s in (9, 3, 7, 1, 5)]
            gevent.sleep(0)
            until(lambda: waiting() + len(order) == 5)
            begun = time.monotonic() - start
            gevent.joinall(greenlets)
            self.assertGreaterEqual(time.monotonic() - start, 0.09)
            if begun < 0.01:  # none was held up so long that another's time was over sooner
                break
        self.assertEqual(order, [0.01, 0.03, 0.05, 0.07, 0.09])

    def ticks_during(self, wait):
        """How often a greenlet that ticks every millisecond runs meanwhile."""
        ticks = [0]

        def tick():
            while True:
                gevent.sleep(0.001)
                ticks[0] += 1

        ticker = gevent.spawn(tick)
        gevent.sleep(0)
        wait()
        ticker.kill()
        return ticks[0]

    def test_a_ticker_goes_on(self):
        self.assertGreater(self.ticks_during(lambda: sleep(0.3)), 0)
        greenify.deactivate()
        self.assertEqual(self.ticks_during(lambda: sleep(0.3)), 0)

    def test_a_timer_of_gevent_does_not_wait_for_all_who_were_woken(self):
        """A turn is long against what a dispatch takes at most; one begins before the ticker is
        due, and one before the dispatch sees how long that took."""
        out, into = self.pipe()
        turns = 0
        most = 0

        def work():
            nonlocal turns
            driver.read(out)
            turns += 1
            end = time.monotonic() + 0.02
            while time.monotonic() < end:
                pass

        def tick():
            nonlocal most
            while waiting():
                before = turns
                gevent.sleep(0.001)
                most = max(most, turns - before)

        workers = [gevent.spawn(work) for _ in range(20)]
        until(lambda: waiting() == 20)
        ticker = gevent.spawn(tick)
        os.write(into, b"x" * 64 * 20)
        gevent.joinall([*workers, ticker])
        self.assertEqual(turns, 20)
        self.assertLessEqual(most, 3)

    def test_with_the_gil_held(self):
        out, into = self.pipe()
        greenlets = [gevent.spawn(driver.read_with_gil, out),
                     gevent.spawn(read, out, 1, hooks_with_gil)]
        until(lambda: waiting() == 2)
        os.write(into, b"x")
        until(lambda: waiting() == 1)
        os.write(into, b"y")
        gevent.joinall(greenlets)
        self.assertEqual({g.value for g in greenlets}, {b"x", b"y"})

    def test_connect_and_accept(self):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
            accepting = gevent.spawn(call, "accept", server.fileno(), None, None)
            until(lambda: waiting() == 1)
            address = (socket.AF_INET.to_bytes(2, sys.byteorder) +
                       server.getsockname()[1].to_bytes(2, "big") + bytes([127, 0, 0, 1]) +
                       bytes(8))
            self.assertEqual(call("connect", client.fileno(), address, len(address)), 0)
            with socket.socket(fileno=accepting.get()) as accepted:
                reading = gevent.spawn(read, accepted.fileno())
                call("send", client.fileno(), b"hello", 5, 0)
                self.assertEqual(reading.get(), b"hello")

    def test_poll_timeout(self):
        out, _ = self.pipe()
        start = time.monotonic()
        self.assertEqual(driver.poll(out, -1, 50), (0, 0, 0))
        self.assertGreaterEqual(time.monotonic() - start, 0.049)

    def test_stacks_are_shared(self):
        pipes = [self.pipe() for _ in range(50)]
        greenlets = []

        def poll_deep(depth, out):
            return poll_deep(depth - 1, out) if depth else driver.poll(-1, out, -1)

        for i, (out, _) in enumerate(pipes):
            greenlets += [gevent.spawn(poll_deep, i % 7, out), gevent.spawn(recurse, 60 + i)]
        until(lambda: waiting() == 50)
        gevent.joinall([gevent.spawn(recurse, 100) for _ in range(10)])
        for _, into in pipes[::-1]:
            os.write(into, b"x")
            gevent.spawn(recurse, 80).join()
        gevent.joinall(greenlets)
        self.assertEqual([g.value for g in greenlets[::2]], [(1, 0, select.POLLIN)] * 50)

    def test_close_by_another_greenlet(self):
        out, _ = self.pipe()

        def body():
            with self.assertRaises(OSError) as caught:
                read(out)
            return caught.exception.errno

        reading = gevent.spawn(body)
        until(lambda: waiting() == 1)
        call("close", out)
        self.assertEqual(reading.get(), errno.EBADF)

    def test_others_may_switch_here(self):
        """A switch is not a wake-up: nothing ends before its time."""
        out, into = self.pipe()
        start = time.monotonic()
        reading = gevent.spawn(read, out)
        sleeping = gevent.spawn(lambda: (sleep(0.05), time.monotonic() - start)[1])
        until(lambda: waiting() == 2)
        for _ in range(3):
            for greenlet_ in reading, sleeping:
                gevent.get_hub().loop.run_callback(greenlet_.switch, "nothing")
            gevent.sleep(0)
            self.assertFalse(reading.dead)
        os.write(into, b"x")
        self.assertEqual(reading.get(), b"x")
        self.assertGreaterEqual(sleeping.get(), 0.05)

    def test_raw_greenlets(self):
        out, into = self.pipe()
        seen = []
        raw = greenlet.greenlet(lambda: seen.append(driver.read(out)), parent=gevent.get_hub())
        gevent.get_hub().loop.run_callback(raw.switch)
        until(lambda: waiting() == 1)
        os.write(into, b"raw")
        until(lambda: raw.dead)
        self.assertEqual(seen, [b"raw"])

    def test_exception_of_one_of_many(self):
        """What comes out of a raw greenlet goes to the hub, and the others go on."""
        hub = gevent.get_hub()
        errors, pipes = [], [self.pipe() for _ in range(9)]

        def body(number, out):
            driver.read(out)
            if number == 4:
                raise ValueError("number four")

        raws = [greenlet.greenlet(body, parent=hub) for _ in pipes]
        for i, (raw, (out, _)) in enumerate(zip(raws, pipes)):
            hub.loop.run_callback(raw.switch, i, out)
        until(lambda: waiting() == 9)
        hub.handle_error = lambda context, kind, value, traceback: errors.append((kind, value))
        self.addCleanup(hub.__dict__.pop, "handle_error", None)
        for _, into in pipes:
            os.write(into, b"x")
        until(lambda: all(raw.dead for raw in raws))
        self.assertEqual([(k, str(v)) for k, v in errors], [(ValueError, "number four")])

    def test_broken_error_handler(self):
        hub = gevent.get_hub()
        pipes = [self.pipe() for _ in range(5)]
        unraisable = []

        def body(out):
            driver.read(out)
            raise ValueError

        def broken(*_):
            raise KeyError("the handler")

        raws = [greenlet.greenlet(body, parent=hub) for _ in pipes]
        for raw, (out, _) in zip(raws, pipes):
            hub.loop.run_callback(raw.switch, out)
        until(lambda: waiting() == 5)
        hub.handle_error = broken
        self.addCleanup(hub.__dict__.pop, "handle_error", None)
        self.addCleanup(setattr, sys, "unraisablehook", sys.unraisablehook)
        sys.unraisablehook = lambda seen: unraisable.append(seen.exc_type)
        for _, into in pipes:
            os.write(into, b"x")
        until(lambda: all(raw.dead for raw in raws))
        self.assertEqual(unraisable, [KeyError] * 5)

    def test_in_the_hub_it_blocks_for_real(self):
        blocked = greenify.status()["blocked"]
        seen = []

        def callback():
            start = time.monotonic()
            seen.append((sleep(0.02), time.monotonic() - start >= 0.02))

        gevent.get_hub().loop.run_callback(callback)
        gevent.sleep(0)
        self.assertEqual(seen, [(0, True)])
        self.assertEqual(greenify.status()["blocked"], blocked + 1)

    def test_threadpool(self):
        """A worker thread has no hub of its own: it blocks, and nobody else does."""
        pool = gevent.threadpool.ThreadPool(2)
        self.addCleanup(pool.kill)
        out, into = self.pipe()
        reading = pool.spawn(driver.read, out)
        self.assertGreater(self.ticks_during(lambda: pool.spawn(sleep, 0.2).get()), 0)
        os.write(into, b"x")
        self.assertEqual(reading.get(), b"x")

    def test_names(self):
        """Names are looked up by a worker thread, and static results belong to the greenlet."""
        offloaded = greenify.status()["offloaded"]
        result = ctypes.c_void_p()
        self.assertEqual(call("getaddrinfo", b"localhost", None, None, ctypes.byref(result)), 0)
        self.assertTrue(result.value)
        ctypes.CDLL(None).freeaddrinfo(result)
        addresses = set()

        def look_up():
            hooks_with_gil.greenify_gethostbyname.restype = ctypes.c_void_p
            first = hooks_with_gil.greenify_gethostbyname(b"127.0.0.1")
            gevent.sleep(0.01)
            addresses.add(first)
            return ctypes.string_at(ctypes.cast(first, ctypes.POINTER(ctypes.c_char_p))[0])

        greenlets = [gevent.spawn(look_up) for _ in range(3)]
        gevent.joinall(greenlets)
        self.assertEqual([g.value for g in greenlets], [b"127.0.0.1"] * 3)
        self.assertEqual(len(addresses), 3)
        self.assertGreaterEqual(greenify.status()["offloaded"], offloaded + 4)

    def test_killed_during_a_look_up(self):
        """The worker thread finishes for nobody."""
        def look_up():
            result = ctypes.c_void_p()
            try:
                return call("getaddrinfo", b"localhost", None, None, ctypes.byref(result))
            finally:
                if result.value:
                    ctypes.CDLL(None).freeaddrinfo(result)

        victims = [gevent.spawn(look_up) for _ in range(50)]
        gevent.sleep(0)
        gevent.killall(victims)
        self.assertTrue(all(v.value == 0 or isinstance(v.value, gevent.GreenletExit)
                            for v in victims))
        self.assertEqual(gevent.spawn(look_up).get(), 0)

    def test_a_lock_belongs_to_a_greenlet(self):
        """A recursive mutex lets its greenlet in again, and no other one."""
        order = []

        def body(name):
            status = [driver.lock(), driver.lock()]
            order.append(name)
            sleep(0.01)
            order.append(name)
            return status + [driver.unlock(), driver.unlock()]

        greenlets = [gevent.spawn(body, name) for name in "abc"]
        gevent.joinall(greenlets)
        self.assertEqual([g.value for g in greenlets], [[0] * 4] * 3)
        self.assertEqual("".join(order), "aabbcc")
        self.assertEqual(driver.unlock(), errno.EPERM)

    def test_destructor_during_an_exception(self):
        """A module that says goodbye while an exception is on its way leaves that alone."""
        out, into = self.pipe()
        writer = gevent.spawn_later(0.01, os.write, into, b"x")
        with self.assertRaises(ZeroDivisionError):
            [driver.farewell(out), 1 / 0]
        self.assertTrue(writer.dead)


class Liveness(BridgeTest):
    """gevent's loop lives on while somebody is parked, and no longer."""

    def test_loop_exit(self):
        self._limit.close()
        self.assertEqual(sleep(0.001), 0)
        with self.assertRaises(gevent.hub.LoopExit):
            gevent.get_hub().switch()

    def test_join_waits_for_parked(self):
        self._limit.close()
        gevent.spawn(sleep, 0.05)
        start = time.monotonic()
        self.assertTrue(gevent.get_hub().join())
        self.assertGreaterEqual(time.monotonic() - start, 0.045)
        self.assertTrue(gevent.wait(timeout=10))

    def test_join_after_a_kill(self):
        """The last parked call ends outside of a dispatch."""
        self._limit.close()
        out, _ = self.pipe()
        victim = gevent.spawn(lambda: driver.read(out))
        until(lambda: waiting() == 1)
        victim.kill()
        self.assertTrue(gevent.get_hub().join(10))

    def test_main_greenlet_waits(self):
        out, into = self.pipe()
        gevent.spawn_later(0.01, os.write, into, b"x")
        self.assertEqual(read(out), b"x")


if __name__ == "__main__":
    unittest.main(verbosity=2)
