#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What a switch costs, in processor time.

    switch.py [-n ROUNDS]

A bare switch knows where it goes; a yield asks a scheduler; in a wake each of a pair makes the other
ready and waits, with whatever the contender has for that.
"""

import argparse

from contenders import compare, print_missing


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", "--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    print_missing()
    for flows in (2, 100, 10000):
        compare(f"bare switch in a ring of {flows}", "bare", flows, rounds)
    for flows in (2, 100, 10000):
        compare(f"yield among {flows}", "yield", flows, rounds)
    compare("wake the other and wait", "wake", 2, rounds)


if __name__ == "__main__":
    main()
