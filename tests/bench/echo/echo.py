#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What an echo server costs its processor for each request, by what it is built on.

    echo.py [-n ROUNDS] [-r REQUESTS] [-c CONNECTIONS]... [SERVER...]

The blocking server is one library: with threads as it is, with libgreen patched by greenify. All
servers take turns, each round a fresh process that has one processor to itself (the load has another),
so that what else the machine does hits all of them; medians are compared with raw epoll's.
"""
import argparse
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
FOLDER = pathlib.Path(os.environ.get("ECHO_FOLDER", "build/tests/bench/echo"))
GREENIFY = os.environ.get("GREENIFY", "build/src/greenify")
PYTHON = "/usr/bin/python3"
FLOOR = "epoll"
COMPILED = ["epoll", "libev", "libgreen", "state_threads", "threads"]


def processors():
    """One for the server, one for the load; the same where there is but one."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1], allowed[0]


def has_gevent():
    return subprocess.run([PYTHON, "-c", "import gevent"], capture_output=True,
                          check=False).returncode == 0


def commands(scratch):
    """By name; what cannot be built here is told and left out."""
    table = {name: [FOLDER / f"echo_{name}"] for name in COMPILED}
    if shutil.which("go"):
        program = scratch / "echo_go"
        subprocess.run(["go", "build", "-o", program, HERE / "echo.go"], check=True,
                       env={**os.environ, "GOCACHE": str(scratch / "cache"), "GOFLAGS": ""})
        table["go"] = [program]
    if has_gevent():
        table["gevent"] = [PYTHON, HERE / "echo_gevent.py"]
    for name in [*COMPILED, "go", "gevent"]:
        if name not in table or not os.access(table[name][0], os.X_OK):
            print(f"{name}: not here, not compared")
            table.pop(name, None)
    return table


def environment(name, patched):
    """Of a server: one processor for Go's scheduler too."""
    extra = {"libgreen": {"LD_LIBRARY_PATH": str(patched)}, "go": {"GOMAXPROCS": "1"}}
    return {**os.environ, **extra.get(name, {})}


def run_once(command, env, connections, requests):
    """Nanoseconds of the server's processor time for a request, and requests a second."""
    for_server, for_load = processors()
    server = subprocess.Popen(["taskset", "-c", str(for_server), *map(str, command)], env=env,
                              stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip()
        load = subprocess.run(["taskset", "-c", str(for_load), FOLDER / "echo_load", port,
                               str(server.pid), str(connections), str(requests)],
                              capture_output=True, text=True, check=False)
        if load.returncode != 0:
            raise RuntimeError(f"{command[-1]}: {load.stderr.strip()}")
        return tuple(map(float, load.stdout.split()))
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def compare(table, patched, connections, arguments):
    seen = {name: [] for name in table}
    for _ in range(arguments.rounds):
        for name, command in table.items():
            seen[name].append(run_once(command, environment(name, patched), connections,
                                       arguments.requests))
    used = {name: statistics.median(run[0] for run in runs) for name, runs in seen.items()}
    print(f"{connections} connections, {arguments.requests} requests, median of {arguments.rounds}:")
    for name in sorted(used, key=used.get):
        rate = statistics.median(run[1] for run in seen[name])
        ratios = sorted(run[0] / floor[0] for run, floor in zip(seen[name], seen[FLOOR]))
        print(f"  {name:14}{used[name]:9.0f} ns{used[name] / used[FLOOR]:8.3f} x {FLOOR}"
              f"  (by rounds {ratios[0]:.3f} to {ratios[-1]:.3f}, median"
              f" {statistics.median(ratios):.3f}){rate:10.0f} requests/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--rounds", type=int, default=11)
    parser.add_argument("-r", "--requests", type=int, default=200000)
    parser.add_argument("-c", "--connections", type=int, action="append")
    parser.add_argument("servers", nargs="*", help="the default: all, and always epoll")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        patched = scratch / "patched"
        patched.mkdir()
        subprocess.run([GREENIFY, "--quiet", "-d", patched, FOLDER / "libecho_blocking.so"],
                       check=True)
        table = commands(scratch)
        if arguments.servers:
            table = {name: table[name] for name in dict.fromkeys([FLOOR, *arguments.servers])}
        for connections in arguments.connections or [100, 1000]:
            compare(table, patched, connections, arguments)


if __name__ == "__main__":
    main()
