# SPDX-License-Identifier: MIT
"""Scenes for test_clients.py, each in a process of its own: a client in greenlets of gevent.

    client_greenlets.py SCENE MODULE BINDING TARGET QUERY EXPECT AUTHORITY CONNECTIONS SPREAD

MODULE is one of fixtures/clients as a shared object. Its jobs are called by ctypes, as any blocking
C function can be; or, where BINDING names one, the same work is done by Debian's Python module for
that library. Prints one JSON object with what was seen; the test judges.
"""
import ctypes
import functools
import io
import json
import os
import sys
import time

import gevent
import greenify

TICK = 0.01


# --- the C client ---------------------------------------------------------------------------------

class Job(ctypes.Structure):
    """struct many_job"""
    _fields_ = [("number", ctypes.c_uint), ("target", ctypes.c_char_p), ("query", ctypes.c_char_p),
                ("authority", ctypes.c_char_p)]


class Answer(ctypes.Structure):
    """struct many_answer"""
    _fields_ = [("text", ctypes.c_char * 256)]


class Client(ctypes.Structure):
    """struct many_client"""
    _fields_ = [("work", ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.POINTER(Job),
                                          ctypes.POINTER(Answer))),
                ("set_up", ctypes.CFUNCTYPE(ctypes.c_bool)),
                ("tear_down", ctypes.CFUNCTYPE(None))]


class Ticker(ctypes.Structure):
    """struct ticker"""
    _fields_ = [("ticks", ctypes.c_uint), ("worst", ctypes.c_double), ("own", ctypes.c_double),
                ("rest", ctypes.c_char * 64)]


class Failed(Exception):
    pass


def client_of(library):
    client = Client.in_dll(library, "many_client")
    if client.set_up and not client.set_up():
        sys.exit("the library cannot be set up")
    return functools.partial(by_c, client)


def by_c(client, number, target, query, authority):
    job = Job(number, target.encode(), query.encode(), authority.encode() or None)
    answer = Answer()
    if not client.work(job, answer):
        raise Failed(answer.text.decode())
    return answer.text.decode()


# --- Debian's Python modules ----------------------------------------------------------------------

def by_mysqldb(_, target, query, __):
    import MySQLdb
    return first_row(MySQLdb.connect(unix_socket=target, user="root", passwd=""), query)


def by_psycopg2(_, target, query, __):
    import psycopg2
    return first_row(psycopg2.connect(target), query)


def first_row(connection, query):
    """Both modules are of one make (PEP 249)."""
    try:
        cursor = connection.cursor()
        cursor.execute(query)
        return "|".join(map(str, cursor.fetchone()))
    finally:
        connection.close()


def by_pycurl(_, target, __, authority):
    import pycurl
    curl, body = pycurl.Curl(), io.BytesIO()
    try:
        curl.setopt(pycurl.URL, target)
        curl.setopt(pycurl.PROXY, "")
        curl.setopt(pycurl.FAILONERROR, True)
        curl.setopt(pycurl.CAINFO, authority)
        curl.unsetopt(pycurl.CAPATH)
        curl.setopt(pycurl.WRITEDATA, body)
        curl.perform()
        return body.getvalue().decode()
    finally:
        curl.close()


def by_pylibmc(number, target, query, _):
    import pylibmc
    cache, key = pylibmc.Client([target]), f"green:{number}"
    try:
        cache.set(key, query)
        return cache.get(key)
    finally:
        cache.delete(key)
        cache.disconnect_all()


def by_ldap(number, target, _, authority):
    import ldap
    connection, name = ldap.initialize(target), f"ou={number},dc=green"
    try:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, authority)
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        connection.simple_bind_s(name, f"secret {number}")
        ((_, entry),) = connection.search_s(name, ldap.SCOPE_BASE)
        return entry["description"][0].decode()
    finally:
        connection.unbind_s()


BINDINGS = {"MySQLdb": by_mysqldb, "psycopg2": by_psycopg2, "pycurl": by_pycurl,
            "pylibmc": by_pylibmc, "ldap": by_ldap}


# --- what is measured -----------------------------------------------------------------------------

def kept_waiting():
    """Seconds for which this thread could have run and another one did (proc(5))."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except OSError:
        return 0.0


class Tickers:
    """A greenlet that wants to run every 10 ms, and a thread that knows nothing of greenlets."""

    def __init__(self, library):
        self._library = library
        self._elsewhere = Ticker()
        self._seen = {"ticks": 0, "late": 0.0, "own": 0.0}

    def __enter__(self):
        if self._library.ticker_start(ctypes.byref(self._elsewhere)):
            sys.exit("there is no thread for a ticker")
        self._greenlet = gevent.spawn(self._tick)
        return self

    def _tick(self):
        seen = self._seen
        while True:
            kept = kept_waiting()
            due = time.monotonic() + TICK
            gevent.sleep(TICK)
            late = time.monotonic() - due
            seen["late"] = max(seen["late"], late)
            seen["own"] = max(seen["own"], late - (kept_waiting() - kept))
            seen["ticks"] += 1

    def __exit__(self, *_):
        self._greenlet.kill()
        self._library.ticker_stop(ctypes.byref(self._elsewhere))

    def seen(self):
        return {**self._seen, "elsewhere": self._elsewhere.worst}


# --- scenes ---------------------------------------------------------------------------------------

class Scene:
    def __init__(self, module, binding, target, query, expect, authority, connections, spread):
        self.library = ctypes.CDLL(module)
        self._work = BINDINGS[binding] if binding else client_of(self.library)
        self._texts = target, query, authority
        self._expect = expect
        self.connections = int(connections)
        self.spread = float(spread)

    def ask(self, number):
        return self._work(number, *(text.replace("%d", str(number)) for text in self._texts))

    def right(self, number):
        """Whether the answer is; what went wrong otherwise."""
        try:
            answer = self.ask(number)
        except Exception as error:  # whatever a module makes of it, the test wants to see
            return f"{type(error).__name__}: {error}"
        return answer == self._expect.replace("%d", str(number)) or answer


def at_once(scene):
    first = scene.right(0)
    with Tickers(scene.library) as tickers:
        start = time.monotonic()
        greenlets = [gevent.spawn(scene.right, number) for number in range(scene.connections)]
        gevent.joinall(greenlets)
        seconds = time.monotonic() - start
    wrong = [answer for answer in [first, *(g.value for g in greenlets)] if answer is not True]
    return {"seconds": seconds, "wrong": wrong, **tickers.seen()}


def killed(scene):
    """Every even job's greenlet is killed, every odd one's gevent.Timeout runs out, the last after
    `spread` seconds. What became of each, and how long it took from there to its end."""
    def victim(number):
        after = scene.spread * (number + 1) / scene.connections
        timeout = gevent.Timeout.start_new(after) if number % 2 else None
        killer = None if timeout else gevent.spawn_later(after, gevent.getcurrent().kill,
                                                         block=False)
        due = time.monotonic() + after
        try:
            return "right" if scene.ask(number) == scene._expect.replace("%d", str(number)) else \
                "WRONG"
        except gevent.Timeout as raised:
            return "timeout" if raised is timeout else "WRONG timeout", time.monotonic() - due
        except gevent.GreenletExit:
            return "killed", time.monotonic() - due
        finally:
            (timeout.close if timeout else killer.kill)()

    before = scene.right(0)
    descriptors = len(os.listdir("/proc/self/fd"))
    greenlets = [gevent.spawn(victim, number) for number in range(scene.connections)]
    gevent.joinall(greenlets)
    outcomes = [("raised " + repr(g.exception)) if g.exception else g.value for g in greenlets]
    after = scene.right(0)
    return {"outcomes": outcomes, "in_peace": [before, after],
            "descriptors": len(os.listdir("/proc/self/fd")) - descriptors,
            "waiting": greenify.status()["waiting"]}


SCENES = {"at_once": at_once, "killed": killed}


def main(scene, *arguments):
    greenify.greenify()
    print(json.dumps(SCENES[scene](Scene(*arguments))))


if __name__ == "__main__":
    main(*sys.argv[1:])
