# SPDX-License-Identifier: MIT
"""Prints where the interpreter finds packages under a prefix; else the second argument.

    folder.py PREFIX FOLDER
"""
import site
import sys

prefix, default = sys.argv[1:]
print(next((folder for folder in site.getsitepackages() if folder.startswith(f"{prefix}/lib")),
           default))
