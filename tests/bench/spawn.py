#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a coroutine costs: time from its spawn to its join, and memory while it waits.

    spawn.py [-n ROUNDS] [--idle COUNT...]

Memory is what the process has more than before: resident pages and page tables. Every contender
that makes so many at all is in the table; ours have their guard pages on.
"""

import argparse
import statistics

from contenders import compare, is_ours, print_missing, print_table, run, who_measures

DEFAULT_STACK, SMALL_STACK = 0, 65536


def stages(command, flows, option):
    """(memory, processor time, elapsed time) at each stage, or None."""
    output = run(command, "idle", flows, option)
    if output is None:
        return None
    lines = (line.split() for line in output.splitlines())
    return {name: (int(memory), float(cpu), float(elapsed)) for name, memory, cpu, elapsed in lines}


def idle_variants():
    for name, command in who_measures("idle").items():
        if is_ours(name):
            yield f"{name}, 64 KiB", command, SMALL_STACK
        yield name, command, DEFAULT_STACK


def print_idle(flows, results):
    def median(name, stage, index):
        return statistics.median(run[stage][index] - run["before"][index] for run in results[name])

    print_table(f"memory of each of {flows} that wait",
                {name: median(name, "waiting", 0) / flows for name in results}, "bytes")
    print("  processor time to begin, and to end, each; memory more than before, after the end and"
          " a while later")
    for name, runs in results.items():
        begin = median(name, "waiting", 1)
        end = median(name, "ended", 1) - begin
        later = f"{median(name, 'later', 0) / 1e6:9.1f} MB" if "later" in runs[0] else ""
        print(f"  {name:24}{begin / flows * 1e9:9.0f} ns {end / flows * 1e9:9.0f} ns"
              f"{median(name, 'ended', 0) / 1e6:9.1f} MB{later}")


def compare_idle(flows, rounds):
    variants = list(idle_variants())
    results = {name: [] for name, _, _ in variants}
    for _ in range(rounds):
        for name, command, option in variants:
            if None not in results[name]:
                results[name].append(stages(command, flows, option))
    print_idle(flows, {name: runs for name, runs in results.items() if None not in runs})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("--idle", type=int, nargs="*", default=[1000, 100000, 1000000])
    arguments = parser.parse_args()
    print_missing()
    for flows in (1, 1000):
        compare(f"spawn and join, {flows} at a time", "spawn", flows, arguments.rounds)
    for flows in arguments.idle:
        compare_idle(flows, 1 if flows >= 1000000 else arguments.rounds)


if __name__ == "__main__":
    main()
