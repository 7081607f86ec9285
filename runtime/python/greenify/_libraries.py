# SPDX-License-Identifier: MIT
"""Which of the loaded libraries are redirected."""
import ctypes
import os
import sys
import warnings

from . import _bridge

_RTLD_DI_LINKMAP = 2


class _LinkMap(ctypes.Structure):
    """The part of the loader's record of a library that <link.h> makes public."""
    _fields_ = [("l_addr", ctypes.c_void_p), ("l_name", ctypes.c_char_p)]


def loaded():
    return {path or sys.executable: sorted(names) for path, names in _bridge.libraries().items()}


def _loaded_as(path):
    """What the loader calls it. OSError: it cannot be loaded."""
    library = ctypes.CDLL(path)
    record = ctypes.POINTER(_LinkMap)()
    ctypes.CDLL(None).dlinfo(ctypes.c_void_p(library._handle), _RTLD_DI_LINKMAP,
                             ctypes.byref(record))
    return os.fsdecode(record.contents.l_name)


def _obstacle(path):
    """Why the library is not redirected; None if it is."""
    try:
        name = _loaded_as(path)
    except OSError as error:
        return str(error)
    if name in _bridge.libraries():
        return None
    return f"{name} is not redirected; the command `greenify {name}` does that"


def is_redirected(path):
    obstacle = _obstacle(os.fspath(path))
    if obstacle is not None:
        warnings.warn(obstacle, RuntimeWarning, stacklevel=3)
    return obstacle is None
