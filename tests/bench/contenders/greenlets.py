#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Greenlets: bare, as the package greenlet has them, and through gevent."""

import pathlib
import sys
import time

import gevent
import gevent.event
import greenlet


def run_bare(flows, count):
    ring = [greenlet.getcurrent()]
    rounds = range(count // flows)

    def pass_on(place):
        following = (place + 1) % flows
        switch = ring[following].switch
        for _ in rounds:
            switch(following)

    ring += [greenlet.greenlet(pass_on) for _ in range(1, flows)]
    pass_on(0)


def run_yield(flows, count):
    rounds = range(count // flows)

    def yield_rounds():
        for _ in rounds:
            gevent.sleep(0)

    gevent.joinall([gevent.spawn(yield_rounds) for _ in range(flows)])


def run_wake(flows, count):
    turned = [gevent.event.Event(), gevent.event.Event()]
    rounds = range(count // flows)

    def wake_and_wait(side):
        for _ in rounds:
            turned[side].wait()
            turned[side].clear()
            turned[1 - side].set()

    turned[0].set()
    gevent.joinall([gevent.spawn(wake_and_wait, side) for side in range(2)])


def run_spawn(flows, count):
    for _ in range(0, count, flows):
        gevent.joinall([gevent.spawn(int) for _ in range(flows)])


def stage(name):
    memory = 0
    for line in pathlib.Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(("VmRSS:", "VmPTE:")):
            memory += int(line.split()[1]) * 1024
    print(name, memory, time.process_time(), time.monotonic())


def run_idle(flows, _count):
    over = gevent.event.Event()
    gevent.spawn(int).join()
    stage("before")
    everybody = [gevent.spawn(over.wait) for _ in range(flows)]
    gevent.sleep(0)
    stage("waiting")
    over.set()
    gevent.joinall(everybody)
    stage("ended")


MEASURES = {"bare": run_bare, "yield": run_yield, "wake": run_wake, "spawn": run_spawn,
            "idle": run_idle}


def main():
    if len(sys.argv) < 4:
        print("\n".join(MEASURES))
        return
    name, flows, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    cpu, wall = time.process_time(), time.monotonic()
    MEASURES[name](flows, count)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    if name != "idle":
        print(f"{cpu / count * 1e9:.3f} {wall / count * 1e9:.3f}")


if __name__ == "__main__":
    main()
