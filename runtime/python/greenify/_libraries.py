# SPDX-License-Identifier: MIT
"""The loaded libraries: which are redirected, and redirecting one in memory."""
import ctypes
import os
import sys
import warnings

from . import _bridge

_RTLD_DI_LINKMAP = 2

# Paths of those that were redirected in memory. They stay loaded: a handle is never closed.
_patched = set()


class _LinkMap(ctypes.Structure):
    """The part of the loader's record of a library that <link.h> makes public."""
    _fields_ = [("l_addr", ctypes.c_void_p), ("l_name", ctypes.c_char_p)]


def loaded():
    return {path or sys.executable: sorted(names) for path, names in _bridge.libraries().items()}


def patched():
    return sorted(_patched)


def _loaded_as(path):
    """What the loader calls it. OSError: it cannot be loaded."""
    library = ctypes.CDLL(path)
    record = ctypes.POINTER(_LinkMap)()
    ctypes.CDLL(None).dlinfo(ctypes.c_void_p(library._handle), _RTLD_DI_LINKMAP,
                             ctypes.byref(record))
    return os.fsdecode(record.contents.l_name)


def _obstacle(path):
    """Redirects the library in memory. Why that was not possible; None if it is redirected."""
    try:
        name = _loaded_as(path)
    except OSError as error:
        return str(error)
    if name in _bridge.libraries() or name in _patched:
        return None
    try:
        slots = _bridge.patch(name)
    except PermissionError:
        return f"{name} is what the redirection itself stands on"
    except OSError as error:
        return f"{name} cannot be redirected in memory: {error.strerror}"
    if slots == 0:
        return f"{name} imports nothing that could be redirected"
    _patched.add(name)
    return None


def redirect(path):
    obstacle = _obstacle(os.fspath(path))
    if obstacle is not None:
        warnings.warn(obstacle, RuntimeWarning, stacklevel=3)
    return obstacle is None
