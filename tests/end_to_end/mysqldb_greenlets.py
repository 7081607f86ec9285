# SPDX-License-Identifier: MIT
"""Scenes for test_gevent_mysqldb.py, each in a process of its own: unmodified MySQLdb in greenlets.

    mysqldb_greenlets.py SCENE SOCKET

Prints one JSON object with what was seen; the test judges.
"""
import json
import sys
import time

import gevent
import MySQLdb

TICK = 0.01


def connect(socket):
    return MySQLdb.connect(unix_socket=socket, user="root", passwd="")


def ask(connection, query):
    cursor = connection.cursor()
    cursor.execute(query)
    row = cursor.fetchone()
    cursor.close()
    return row


def sleep_query(socket, seconds):
    """One connection, one query. True if the answer is right and came from that connection."""
    connection = connect(socket)
    try:
        slept = ask(connection, f"SELECT SLEEP({seconds})") == (0,)
        return slept and ask(connection, "SELECT CONNECTION_ID()") == (connection.thread_id(),)
    finally:
        connection.close()


class Ticker:
    """A greenlet that wants to run every 10 ms and keeps how late it was at worst."""

    def __init__(self):
        self.worst = 0.0
        self.ticks = 0
        self._greenlet = gevent.spawn(self._tick)

    def _tick(self):
        while True:
            due = time.monotonic() + TICK
            gevent.sleep(TICK)
            self.worst = max(self.worst, time.monotonic() - due)
            self.ticks += 1

    def stop(self):
        gevent.sleep(2 * TICK)
        self._greenlet.kill()
        return {"worst": self.worst, "ticks": self.ticks}


def measured(call, *arguments):
    start = time.monotonic()
    result = call(*arguments)
    return result, time.monotonic() - start


def hundred(socket):
    """100 greenlets with a query of one second each."""
    sleep_query(socket, 0)
    ticker = Ticker()
    gevent.sleep(0.05)
    start = time.monotonic()
    greenlets = [gevent.spawn(sleep_query, socket, 1) for _ in range(100)]
    gevent.joinall(greenlets)
    seconds = time.monotonic() - start
    return {"seconds": seconds, "right": sum(g.value is True for g in greenlets), **ticker.stop()}


def one_after_another(socket):
    """The same query in the main greenlet, three times."""
    right, seconds = measured(lambda: sum(sleep_query(socket, 1) for _ in range(3)))
    return {"right": right, "seconds": seconds}


def timeout(socket):
    """gevent.Timeout(0.2) around a query of five seconds, while others go on."""
    other = gevent.spawn(sleep_query, socket, 0.5)
    ticker = Ticker()
    gevent.sleep(0.05)
    connection = connect(socket)
    start = time.monotonic()
    raised = None
    try:
        with gevent.Timeout(0.2):
            ask(connection, "SELECT SLEEP(5)")
    except BaseException as exception:  # whatever it is, the test wants to see its name
        raised = type(exception).__qualname__
    seconds = time.monotonic() - start
    _, closing = measured(connection.close)
    other.join()
    later, later_seconds = measured(sleep_query, socket, 0.1)
    return {"raised": raised, "seconds": seconds, "closing": closing, "other": other.value,
            "later": later, "later_seconds": later_seconds, **ticker.stop()}


def silent_timeouts(socket):
    """Many timeouts at once, in greenlets: each ends its own query and nothing else."""
    def one(limit, length):
        connection = connect(socket)
        answer = "timeout"
        with gevent.Timeout(limit, False):
            answer = ask(connection, f"SELECT SLEEP({length})")[0]
        connection.close()
        return answer

    greenlets = [gevent.spawn(one, *((0.1, 30) if i % 2 else (60, 0.5))) for i in range(20)]
    gevent.joinall(greenlets)
    return {"answers": [g.value for g in greenlets]}


def kill(socket):
    """A greenlet is killed while its query waits."""
    def victim():
        connection = connect(socket)
        try:
            ask(connection, "SELECT SLEEP(5)")
        finally:
            seen.append(type(sys.exc_info()[1]).__qualname__)
            connection.close()

    seen = []
    other = gevent.spawn(sleep_query, socket, 0.5)
    greenlet = gevent.spawn(victim)
    gevent.sleep(0.2)
    _, seconds = measured(greenlet.kill)
    other.join()
    return {"seconds": seconds, "dead": greenlet.dead, "seen": seen, "other": other.value,
            "value": type(greenlet.value).__qualname__, "later": sleep_query(socket, 0.1)}


def read_timeouts(socket):
    """The library's own time limit, in ten greenlets at once."""
    def impatient():
        connection = MySQLdb.connect(unix_socket=socket, user="root", passwd="", read_timeout=1)
        try:
            return ask(connection, "SELECT SLEEP(20)")
        except MySQLdb.Error as error:
            return error.args[0]

    start = time.monotonic()
    greenlets = [gevent.spawn(impatient) for _ in range(10)]
    gevent.joinall(greenlets)
    return {"codes": [g.value for g in greenlets], "seconds": time.monotonic() - start}


def errors(socket):
    """What the library reports reaches Python as it does without greenlets."""
    def failing(query):
        connection = connect(socket)
        try:
            return ask(connection, query)
        except MySQLdb.Error as error:
            return error.args[0]
        finally:
            connection.close()

    greenlets = [gevent.spawn(failing, "SELECT nothing"), gevent.spawn(failing, "SELEC")]
    gevent.joinall(greenlets)
    try:
        connect("/no/socket")
        refused = None
    except MySQLdb.Error as error:
        refused = error.args[0]
    return {"codes": [g.value for g in greenlets], "refused": refused}


def status(socket):
    """What the package says about itself after a few calls."""
    import greenify
    sleep_query(socket, 0.1)
    return {"status": repr(greenify.status())}


SCENES = {scene.__name__: scene for scene in
          (hundred, one_after_another, timeout, silent_timeouts, kill, read_timeouts, errors,
           status)}


def main(scene, socket):
    plain = scene.startswith("plain-")
    if not plain:
        import greenify
        greenify.greenify()
    print(json.dumps(SCENES[scene.removeprefix("plain-")](socket)))


if __name__ == "__main__":
    main(*sys.argv[1:])
