# SPDX-License-Identifier: MIT
"""The two headers that are installed, each in one piece, from what the parts of this tree include.

    generate.py greenify PATCHER.H ERRORS.DEF OUTPUT
    generate.py hooks HOOKS.DEF HOOK_GROUPS.H OUTPUT
"""

import pathlib
import re
import sys

ROW = re.compile(r'^PATCH_ERROR\((\w+), "([^"]+)"\)\s*(?:/\* (.*) \*/)?$', re.M)
INCLUDED = re.compile(r"^#define PATCH_ERROR\(.*\n#include \"errors\.def\"\n#undef PATCH_ERROR\n",
                      re.M)
HOOK = re.compile(r"^HOOK\((\w+), (\w+), ", re.M)
WIDTH = 100


def greenify(header, table):
    """patcher.h with the rows of the error table in the place of its inclusion."""
    rows = "".join(f'    PATCH_{code}, /* "{name}"{comment and ": " + comment} */\n'
                   for code, name, comment in ROW.findall(table))
    whole, count = INCLUDED.subn(rows, header)
    if count != 1 or re.search(r'^#include "', whole, re.M):
        sys.exit("generate.py: patcher.h does not include errors.def as expected")
    return whole.replace("GREENIFY_PATCHER_H", "GREENIFY_H")


def list_macro(name, words):
    """#define NAME followed by the words, separated by commas and broken into lines."""
    lines = [f"#define {name}"]
    for i, word in enumerate(words):
        word += "," if i + 1 < len(words) else ""
        if len(lines[-1]) + 1 + len(word) > WIDTH - 2:
            lines.append("   ")
        lines[-1] += " " + word
    return " \\\n".join(lines) + "\n"


def hooks(table, groups):
    """The names of the hook table as macros, one a group."""
    names = {}
    for group, name in HOOK.findall(table):
        names.setdefault(group, []).append(f'"{name}"')
    default = re.search(r'^#define HOOK_GROUPS_DEFAULT "(.*)"$', groups, re.M)[1].split(",")
    macros = {group: f"GREENIFY_HOOKS_{group.upper()}" for group in names}
    text = """/* SPDX-License-Identifier: MIT
 *
 * The functions that libgreen.so.1 can take over, as data for patch_options: comma separated string
 * literals, a macro for each group of greenify-hooks(1).
 */
#ifndef GREENIFY_HOOKS_H
#define GREENIFY_HOOKS_H

/* For patch_options.prefix and .runtime. */
#define GREENIFY_PREFIX "greenify_"
#define GREENIFY_RUNTIME "libgreen.so.1"

"""
    text += "\n".join(list_macro(macros[group], words) for group, words in names.items())
    text += "\n/* What the command takes where nobody chooses. */\n"
    text += list_macro("GREENIFY_HOOKS_DEFAULT", [macros[group] for group in default])
    text += "\n" + list_macro("GREENIFY_HOOKS_ALL", list(macros.values()))
    return text + "\n#endif\n"


def main():
    kind, first, second, output = sys.argv[1:]
    make = {"greenify": greenify, "hooks": hooks}[kind]
    text = make(*(pathlib.Path(name).read_text(encoding="utf-8") for name in (first, second)))
    pathlib.Path(output).write_text(text, encoding="utf-8")


main()
