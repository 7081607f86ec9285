# SPDX-License-Identifier: MIT
"""Runs the programs of contenders/ in turns, so that what else the machine does hits all of them, and
prints the medians beside the best of the others. CONTENDERS names the programs that were built, as
NAME=COMMAND lines; MISSING those that were not, and for want of what."""

import os
import shlex
import statistics
import subprocess

OURS = "greenify"
PATIENCE = 120  # seconds, after which a contender has lost


def contenders():
    """The command of each, by name."""
    lines = os.environ["CONTENDERS"].splitlines()
    return {name: shlex.split(command)
            for name, command in (line.split("=", 1) for line in lines if line)}


def print_missing():
    for line in os.environ.get("MISSING", "").splitlines():
        print(f"not compared: {line}")


def run(command, *arguments):
    """Its standard output, or None where it fails."""
    try:
        result = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True,
                                check=False, env={**os.environ, "GOMAXPROCS": "1"},
                                timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        print(f"{command[-1]} {' '.join(map(str, arguments))}: not done in {PATIENCE} s")
        return None
    if result.returncode != 0:
        print(f"{command[-1]} {' '.join(map(str, arguments))}: status {result.returncode}: "
              f"{result.stderr.strip()[-200:]}")
        return None
    return result.stdout


def who_measures(measure):
    return {name: command for name, command in contenders().items()
            if measure in (run(command) or "").split()}


def nanoseconds(command, measure, flows, count):
    """Of the processor, for one step; None where it fails."""
    output = run(command, measure, flows, count)
    return None if output is None else float(output.split()[0])


def fitting_count(command, measure, flows, seconds, rounds_least):
    """How many steps take about so long; the first run also warms what is loaded from the disk."""
    count = flows * rounds_least
    each = nanoseconds(command, measure, flows, count)
    if each is None:
        return None
    rounds = int(seconds * 1e9 / max(each, 0.1) / flows)
    return flows * max(rounds, rounds_least)


def compare(title, measure, flows, rounds, seconds=0.15, rounds_least=50):
    """One table: the median of each contender, and how many times the best of the others it is."""
    counts = {}
    table = who_measures(measure)
    for name, command in table.items():
        counts[name] = fitting_count(command, measure, flows, seconds, rounds_least)
    results = {name: [] for name in table if counts[name] is not None}
    for _ in range(rounds):
        for name, figures in results.items():
            figures.append(nanoseconds(table[name], measure, flows, counts[name]))
    print_table(title, {name: statistics.median(figures) for name, figures in results.items()
                        if figures and None not in figures}, "ns")


def is_ours(name):
    return name.startswith(OURS)


def print_table(title, medians, unit):
    others = [value for name, value in medians.items() if not is_ours(name)]
    best = min(others, default=None)
    print(f"{title}:")
    for name, value in sorted(medians.items(), key=lambda item: item[1]):
        ratio = f"{value / best:8.2f} x the best other" if best else ""
        print(f"  {name:24}{value:12.1f} {unit}{ratio}")
