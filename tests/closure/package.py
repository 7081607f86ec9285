# SPDX-License-Identifier: MIT
"""A small Python package with a C extension, as a wheel and as it is installed."""

import base64
import csv
import hashlib
import io
import os
import pathlib
import signal
import subprocess
import sysconfig
import zipfile

NAME = "sleepy"
INFO = f"{NAME}-1.0.dist-info"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
EXTENSION = f"{NAME}/_native{SUFFIX}"

SOURCE = r"""
#include <Python.h>
#include <poll.h>

static PyObject *wait(PyObject *self, PyObject *arguments)
{
    (void)self, (void)arguments;
    return PyLong_FromLong(poll(NULL, 0, 1));
}

static PyMethodDef methods[] = {{"wait", wait, METH_NOARGS, ""}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods};

PyMODINIT_FUNC PyInit__native(void)
{
    return PyModule_Create(&module);
}
"""

WHEEL = f"""Wheel-Version: 1.0
Generator: test
Root-Is-Purelib: false
Tag: cp3-none-{{tag}}
"""

METADATA = f"""Metadata-Version: 2.1
Name: {NAME}
Version: 1.0
"""


def arrive_interrupted():
    """For a child before it starts: a signal that should end it waits already."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    os.kill(os.getpid(), signal.SIGTERM)


def build_extension(path, *flags):
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", f"-I{sysconfig.get_path('include')}", "-xc",
                    "-", "-o", path, *flags], input=SOURCE.encode(), check=True)


def row_sum(data):
    digest = hashlib.sha256(data).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def record_of(files, own=f"{INFO}/RECORD"):
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name, data in files.items():
        rows.writerow([name, row_sum(data), len(data)])
    rows.writerow([own, "", ""])
    return text.getvalue().encode()


def package_files(extension, tag="linux_x86_64"):
    return {
        f"{NAME}/__init__.py": b"from ._native import wait\n",
        EXTENSION: extension,
        f"{NAME}/a, \"b\" \u00e9.txt": b"a name that needs quotes\n",
        f"{INFO}/METADATA": METADATA.encode(),
        f"{INFO}/WHEEL": WHEEL.format(tag=tag).encode(),
    }


def write_wheel(path, files, record=None):
    """A wheel of these files, with their RECORD or another one."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        if record is not False:
            archive.writestr(f"{INFO}/RECORD", record_of(files) if record is None else record)
    return pathlib.Path(path)


def install(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / INFO).mkdir(exist_ok=True)
    (folder / INFO / "RECORD").write_bytes(record_of(files))


def untrue_rows(folder, record):
    """The rows of an installed RECORD that do not hold."""
    wrong = []
    for name, digest, size in csv.reader(io.StringIO(record.read_text())):
        data = (folder / name).read_bytes()
        if digest and (digest != row_sum(data) or int(size) != len(data)):
            wrong.append(name)
    return wrong
