# SPDX-License-Identifier: MIT
"""Exceptions that are thrown into greenlets which wait inside C functions: the very instance
arrives, whatever the C module made of the error, and nothing else changes.
"""
import errno
import os
import select
import signal
import sys
import traceback

import driver
import gevent
import gevent.event
import greenlet
import unittest
from support import BridgeTest, call, read, sleep, until, waiting


class Mine(Exception):
    pass


def throw_into(victim, exception):
    """From the hub, as kill() does."""
    gevent.get_hub().loop.run_callback(victim.throw, exception)
    gevent.sleep(0)


class Thrown(BridgeTest):
    def caught(self, body, *arguments, throw=None):
        """What `body` raised in a greenlet, into which `throw` was thrown while it waited."""
        seen = []

        def run():
            try:
                seen.append(body(*arguments))
            except BaseException as exception:
                seen.append(exception)

        before = waiting()
        victim = gevent.spawn(run)
        until(lambda: waiting() == before + 1)
        throw_into(victim, throw)
        self.assertEqual(len(seen), 1)
        return seen[0]

    def test_the_instance_arrives(self):
        out, _ = self.pipe()
        thrown = Mine("this one")
        for body in (driver.read, driver.read_with_gil, driver.read_or_none, read,
                     lambda fd: driver.poll(fd, -1, -1), lambda fd: list(driver.reader(fd)),
                     lambda fd: next(driver.reader(fd), None),
                     lambda fd: [word for word in driver.reader(fd)]):
            self.assertIs(self.caught(body, out, throw=thrown), thrown)
            self.assertIsNone(sys.gettrace())

    def test_a_class_becomes_an_instance(self):
        out, _ = self.pipe()
        self.assertIs(type(self.caught(driver.read, out, throw=Mine)), Mine)

    def test_context_and_traceback(self):
        """The module's own error is the context, and the traceback leads to the call."""
        out, _ = self.pipe()

        def calls_the_driver():
            return driver.read(out)

        exception = self.caught(calls_the_driver, throw=Mine("x"))
        self.assertEqual(type(exception.__context__), driver.Error)
        self.assertEqual(exception.__context__.args[0], errno.ECANCELED)
        names = [frame.name for frame in traceback.extract_tb(exception.__traceback__)]
        self.assertEqual(names[-2:], ["run", "calls_the_driver"])

    def test_context_of_a_handled_exception(self):
        out, _ = self.pipe()

        def body():
            try:
                raise KeyError("handled")
            except KeyError:
                driver.read_or_none(out)

        exception = self.caught(body, throw=Mine("x"))
        self.assertEqual(type(exception), Mine)
        self.assertEqual(type(exception.__context__), KeyError)

    def test_handlers_of_the_module_do_not_run(self):
        out, _ = self.pipe()
        handled = []

        def body():
            try:
                driver.read(out)
            except driver.Error:
                handled.append("as an error of the driver")

        self.assertEqual(type(self.caught(body, throw=Mine)), Mine)
        self.assertEqual(handled, [])

    def test_behind_a_callback(self):
        """What the C function calls first is none of its caller's code."""
        out, _ = self.pipe()
        thrown, lines = Mine(), []

        def callback():
            lines.append("ran")

        self.assertIs(self.caught(driver.read_and_call, out, callback, throw=thrown), thrown)
        self.assertEqual(lines, ["ran"])

    def test_behind_python_code_whose_exceptions_are_ignored(self):
        """As when psycopg2 has Python decode the message of libpq."""
        out, _ = self.pipe()
        thrown = Mine()

        def describe():
            return "description"

        self.assertIs(self.caught(driver.read_and_describe, out, describe, throw=thrown), thrown)

    def test_in_a_generator(self):
        out, _ = self.pipe()
        thrown = Mine()

        def words():
            yield from driver.reader(out)

        self.assertIs(self.caught(lambda: list(words()), throw=thrown), thrown)

    def test_the_next_call_works(self):
        out, into = self.pipe()

        def body():
            try:
                driver.read(out)
            except Mine:
                return driver.read(out)

        victim = gevent.spawn(body)
        until(lambda: waiting() == 1)
        throw_into(victim, Mine)
        self.assertEqual(waiting(), 1)
        os.write(into, b"x")
        self.assertEqual(victim.get(), b"x")

    def test_waits_again_on_its_way_out(self):
        """The exception is kept while the library waits for something else before it returns."""
        out, _ = self.pipe()
        others = [self.pipe() for _ in range(3)]
        seen, thrown = [], Mine()

        def body(other):
            try:
                driver.read_and_part(out, other)
            except BaseException as exception:
                seen.append(exception)

        victims = [gevent.spawn(body, other) for other, _ in others]
        until(lambda: waiting() == 3)
        for victim in victims:
            throw_into(victim, thrown)
        self.assertEqual((seen, waiting(), sys.gettrace()), ([], 3, None))
        self.assertIs(self.caught(driver.read, out, throw=thrown), thrown)
        for _, into in others:
            os.write(into, b"x")
        gevent.joinall(victims)
        self.assertEqual(seen, [thrown] * 3)

    def test_thrown_again_on_its_way_out(self):
        (out, _), (other, _) = self.pipe(), self.pipe()
        seen, first, second = [], Mine("first"), Mine("second")

        def body():
            try:
                driver.read_and_part(out, other)
            except BaseException as exception:
                seen.append(exception)

        victim = gevent.spawn(body)
        until(lambda: waiting() == 1)
        throw_into(victim, first)
        throw_into(victim, second)
        self.assertEqual(seen, [second])
        chain = []
        link = second
        while link is not None:
            chain.append(link)
            link = link.__context__
        self.assertIn(first, chain)

    def test_ready_and_thrown(self):
        """An exception comes after the descriptor was ready, and before the greenlet ran; the next
        wait has nothing to do with that wake-up."""
        pipes, (later, into_later) = [self.pipe() for _ in range(3)], self.pipe()
        victims, seen = [], []

        def body(out):
            try:
                driver.read(out)
            except Mine:
                seen.append("thrown")
                seen.append(driver.poll(later, -1, -1))
                return
            if not seen:
                gevent.get_hub().loop.run_callback(gevent.getcurrent().switch)
                next(v for v in victims if v is not gevent.getcurrent()).throw(Mine)
            seen.append("read")

        victims += [gevent.spawn(body, out) for out, _ in pipes]
        until(lambda: waiting() == 3)
        for _, into in pipes:
            os.write(into, b"x")
        until(lambda: len(seen) == 3)
        self.assertEqual((seen, waiting()), (["thrown", "read", "read"], 1))
        os.write(into_later, b"x")
        gevent.joinall(victims)
        self.assertEqual(seen[3:], [(1, select.POLLIN, 0)])

    def test_into_the_main_greenlet(self):
        out, _ = self.pipe()
        thrown = Mine()
        main = greenlet.getcurrent()
        gevent.get_hub().loop.timer(0.01).start(lambda: main.throw(thrown))
        with self.assertRaises(Mine) as caught:
            driver.read(out)
        self.assertIs(caught.exception, thrown)

    def test_signal_handler(self):
        """What a signal handler raises goes the same way as in any greenlet."""
        out, _ = self.pipe()
        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGUSR1, before)
        self.addCleanup(setattr, gevent.get_hub(), "exception_stream", sys.stderr)
        gevent.get_hub().exception_stream = None
        gevent.spawn_later(0.01, os.kill, os.getpid(), signal.SIGUSR1)
        with self.assertRaises(KeyboardInterrupt):
            driver.read(out)

    def test_errno(self):
        out, _ = self.pipe()
        error = self.caught(driver.read, out, throw=gevent.Timeout(1)).__context__
        self.assertEqual(error.args[0], errno.ETIMEDOUT)

    def test_without_python_code(self):
        """A C function that is the whole greenlet ends with the library's error, and the trace
        function does not stay."""
        out, _ = self.pipe()
        victim = gevent.spawn(driver.read_or_none, out)
        until(lambda: waiting() == 1)
        victim.kill()
        self.assertTrue(victim.dead)
        self.assertIsNone(sys.gettrace())


class Killed(BridgeTest):
    def test_kill(self):
        out, _ = self.pipe()
        cleaned = []

        def body():
            try:
                driver.read(out)
            finally:
                cleaned.append(type(sys.exc_info()[1]))

        victim = gevent.spawn(body)
        until(lambda: waiting() == 1)
        victim.kill()
        self.assertTrue(victim.dead)
        self.assertIsInstance(victim.value, gevent.GreenletExit)
        self.assertEqual(cleaned, [gevent.GreenletExit])

    def test_killall(self):
        out, _ = self.pipe()
        victims = [gevent.spawn(lambda: driver.read(out)) for _ in range(100)]
        victims += [gevent.spawn(lambda: sleep(100)) for _ in range(100)]
        until(lambda: waiting() == 200)
        gevent.killall(victims)
        self.assertTrue(all(isinstance(v.value, gevent.GreenletExit) for v in victims))


class TimedOut(BridgeTest):
    def test_the_instance_arrives(self):
        out, _ = self.pipe()
        for wait in (lambda: driver.read(out), lambda: driver.read_or_none(out), lambda: sleep(50)):
            with self.assertRaises(gevent.Timeout) as caught:
                with gevent.Timeout(0.02) as timeout:
                    wait()
            self.assertIs(caught.exception, timeout)

    def test_silent(self):
        out, _ = self.pipe()
        behind = []
        for wait in (driver.read, driver.read_or_none, read):
            with gevent.Timeout(0.02, False):
                wait(out)
                behind.append(wait)
        self.assertEqual(behind, [])

    def test_silent_on_one_line(self):
        """The next line is behind the block: that would be too late."""
        out, _ = self.pipe()
        with gevent.Timeout(0.02, False): driver.read_or_none(out)
        with gevent.Timeout(0.02, False): driver.read(out)
        self.assertIsNone(sys.gettrace())

    def test_own_exception(self):
        out, _ = self.pipe()
        with self.assertRaises(Mine):
            with gevent.Timeout(0.02, Mine):
                driver.read(out)

    def test_nested(self):
        out, _ = self.pipe()
        with gevent.Timeout(10) as outer:
            with self.assertRaises(gevent.Timeout) as caught:
                with gevent.Timeout(0.02) as inner:
                    driver.read(out)
        self.assertIs(caught.exception, inner)
        self.assertIsNot(caught.exception, outer)

    def test_with_timeout(self):
        out, _ = self.pipe()
        self.assertEqual(
            gevent.with_timeout(0.02, lambda: driver.read(out), timeout_value="late"), "late")

    def test_many_at_once(self):
        out, _ = self.pipe()

        def body(i):
            try:
                with gevent.Timeout(0.02 + i % 3 / 100) as timeout:
                    (driver.read, driver.read_or_none, read)[i % 3](out)
            except gevent.Timeout as caught:
                return caught is timeout

        greenlets = [gevent.spawn(body, i) for i in range(150)]
        gevent.joinall(greenlets)
        self.assertEqual([g.value for g in greenlets], [True] * 150)


class Tracing(BridgeTest):
    """sys.settrace() has a user already."""

    def test_the_tracer_stays(self):
        out, _ = self.pipe()
        events = []

        def tracer(frame, event, arg):
            if frame.f_code.co_filename == __file__:
                events.append((frame.f_code.co_name, event))
            return tracer

        def traced():
            with gevent.Timeout(0.02, False):
                driver.read(out)
                raise AssertionError
            with gevent.Timeout(0.02, False):
                driver.read_or_none(out)
                raise AssertionError
            return "done"

        self.addCleanup(sys.settrace, sys.gettrace())
        sys.settrace(tracer)
        result = traced()
        left = sys.gettrace()
        (lambda: None)()
        sys.settrace(None)
        self.assertEqual(result, "done")
        self.assertIs(left, tracer)
        self.assertEqual(events[0], ("traced", "call"))
        self.assertIn(("traced", "return"), events)
        self.assertEqual(events[-1], ("<lambda>", "return"))
        self.assertNotIn("opcode", {event for _, event in events})

    def test_the_tracer_of_others(self):
        """Other greenlets are traced as before while one has an exception pending."""
        (out, _), (other, into) = self.pipe(), self.pipe()
        names = set()

        def tracer(frame, event, arg):
            names.add(frame.f_code.co_name)

        def body():
            with gevent.Timeout(0.01, False):
                driver.read_and_part(out, other)

        def another():
            return 1

        self.addCleanup(sys.settrace, sys.gettrace())
        victim = gevent.spawn(body)
        until(lambda: waiting() == 1)
        sys.settrace(tracer)
        gevent.sleep(0.03)
        gevent.spawn(another).join()
        os.write(into, b"x")
        victim.join()
        self.assertIs(sys.gettrace(), tracer)
        sys.settrace(None)
        self.assertIn("another", names)
        self.assertIsNone(victim.exception)


if __name__ == "__main__":
    unittest.main(verbosity=2)
