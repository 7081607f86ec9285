# SPDX-License-Identifier: MIT
"""How long a round trip between two greenlets takes: a C module whose reads block, over the bridge,
against gevent's own sockets, in turns in one process.

    PYTHONPATH=build/runtime/python:build/tests/python /usr/bin/python3 tests/bench/pingpong_gevent.py

Each side reads one byte and writes one byte. The sockets of the module were made and accepted by
hooks, as those of a redirected library are. Prints the best and the median of the rounds.
"""
import ctypes
import socket
import statistics
import sys
import time

import driver
import gevent
import gevent.socket
import greenify

ROUNDS = 15
TRIPS = 2000


def trips(read_here, write_here, read_there, write_there):
    """Seconds of one round trip."""
    def echo():
        for _ in range(TRIPS):
            read_there()
            write_there(b"x")

    other = gevent.spawn(echo)
    gevent.sleep(0)
    start = time.perf_counter()
    for _ in range(TRIPS):
        write_here(b"x")
        read_here()
    seconds = time.perf_counter() - start
    other.join()
    return seconds / TRIPS


def connected_pair():
    """Two Unix sockets; Python only owns them."""
    hooks = ctypes.CDLL("libgreen.so.1")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("")
        server.listen()
        address = socket.AF_UNIX.to_bytes(2, sys.byteorder) + server.getsockname()
        here = socket.socket(fileno=hooks.greenify_socket(socket.AF_UNIX, socket.SOCK_STREAM, 0))
        if hooks.greenify_connect(here.fileno(), address, len(address)) != 0:
            raise OSError("connect")
        return here, socket.socket(fileno=hooks.greenify_accept(server.fileno(), None, None))


def over_the_bridge():
    """Writes go through Python's own blocking sockets: there is always room for a byte."""
    here, there = connected_pair()
    with here, there:
        return trips(lambda: driver.read(here.fileno()), here.send,
                     lambda: driver.read(there.fileno()), there.send)


def over_gevent():
    here, there = gevent.socket.socketpair()
    with here, there:
        return trips(lambda: here.recv(64), here.send, lambda: there.recv(64), there.send)


def main():
    greenify.greenify()
    kinds = {"bridge": over_the_bridge, "gevent.socket": over_gevent}
    seen = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, kind in kinds.items():
            seen[name].append(kind() * 1e6)
    for name, times in seen.items():
        print(f"{name:14} best {min(times):6.2f} us, median {statistics.median(times):6.2f} us")
    ratio = statistics.median(seen["gevent.socket"]) / statistics.median(seen["bridge"])
    print(f"gevent.socket takes {ratio:.2f} times as long as the bridge")
    return 0


if __name__ == "__main__":
    sys.exit(main())
