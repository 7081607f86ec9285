# SPDX-License-Identifier: MIT
"""What is said of each function of libc: hooks.def, left_out.def, the manual, and the lists here."""
import collections
import fnmatch
import functools
import os
import pathlib
import re

SOURCE = pathlib.Path(os.environ["SOURCE_ROOT"])
HERE = SOURCE / "tests/survey"


def hooks():
    table = (SOURCE / "runtime/hooks.def").read_text()
    return set(re.findall(r"^HOOK\(\w+, (\w+),", table, re.M))


def left_out():
    """Topic -> names, with * for families."""
    topics = collections.defaultdict(list)
    for topic, name in re.findall(r'^LEFT_OUT\("([^"]+)", ([\w*]+)\)$',
                                  (SOURCE / "runtime/left_out.def").read_text(), re.M):
        topics[topic].append(name)
    return topics


def manual():
    """The same from the manual."""
    page = (SOURCE / "man/greenify-hooks.1").read_text()
    section = page.split(".Ss Functions that are left out\n")[1].split("\n.S")[0]
    topics = {}
    for item in section.split("\n.It ")[1:]:
        topic, rest = item.split("\n", 1)
        names, reason = rest.split("\n.Pp\n")
        topics[topic] = re.findall(r"[\w*]+", names.replace(".Li ", ""))
        assert len(reason) > 20, topic
    return topics


def words(name):
    """The lines of a list here: their first word, and the others."""
    lines = (HERE / name).read_text().splitlines()
    return [line.split() for line in lines if not line.startswith("#")]


def may_wait():
    return {name for line in words("may_wait.txt") for name in line[1:]}


def never_waits():
    """Names, with * for families -> their kind."""
    return {name: line[0] for line in words("never_waits.txt") for name in line[1:]}


class Places:
    """Where a name stands: "table", a topic of left_out.def, or a kind of never_waits.txt, with the
    word there that it matched; the first of these that has it."""

    def __init__(self):
        named = [("table", name) for name in hooks()]
        named += [(topic, name) for topic, names in left_out().items() for name in names]
        named += [(kind, name) for name, kind in never_waits().items()]
        self.exact, self.families = {}, []
        for place, name in named:
            if re.search("[*?[]", name):
                self.families.append((re.compile(fnmatch.translate(name)), (place, name)))
            else:
                self.exact.setdefault(name, (place, name))

    @functools.lru_cache(None)
    def __call__(self, name):
        if name in self.exact:
            return self.exact[name]
        return next((found for pattern, found in self.families if pattern.match(name)), None)
