# SPDX-License-Identifier: MIT
"""Blocking C libraries under gevent.

A library that the command `greenify` has redirected, or patch_lib(), suspends the greenlet that calls
it, instead of the thread:

    import greenify
    greenify.greenify()     # in each thread whose greenlets call such a library

An exception that is thrown into a waiting greenlet (kill, gevent.Timeout) makes the library's call
fail with ECANCELED or ETIMEDOUT, and then arrives in the greenlet's Python code itself, in place of
the error that the library's module makes of it.
"""
from . import _bridge, _gevent, _libraries

__all__ = ["activate", "deactivate", "greenify", "patch_lib", "status"]

_ACTIVATE = {"gevent": _gevent.activate}
_PLANNED = ("asyncio", "eventlet")


def greenify():
    """Suspends greenlets of this thread from now on, under its gevent hub.

    Calling it again does nothing, unless the thread has another hub by now.
    """
    activate("gevent")


def activate(host):
    """Suspends what `host` runs in this thread: "gevent" greenlets."""
    if host in _PLANNED:
        raise NotImplementedError(f"there is no bridge to {host} yet; there is one to gevent")
    if host not in _ACTIVATE:
        raise ValueError(f"unknown host {host!r}; known are {', '.join(_ACTIVATE)}")
    _ACTIVATE[host]()


def deactivate():
    """Lets the libraries block again in this thread. RuntimeError: calls are still waiting."""
    _bridge.detach()


def patch_lib(path, patch_sleep=False):
    """Redirects the library at `path` in memory, for this process; loads it, as the loader would.

    True when it is redirected now, by this call, an earlier one, or its file. False, and a
    RuntimeWarning that tells why, when it is not: there is no such library, it imports nothing that
    waits, or it is libc. Libraries that it needs in turn are not touched. `patch_sleep` is accepted
    for old callers: sleeps are redirected anyway.
    """
    del patch_sleep
    return _libraries.redirect(path)


def status():
    """A dict about this process and thread.

    host        "gevent", or None when this thread's libraries block
    libraries   path of each loaded library whose file is redirected -> sorted names of the functions
    in_memory   paths of those that patch_lib() redirected, a sorted list
    optimistic  calls in this thread that were done at once
    parked      calls that suspended their greenlet
    blocked     calls that blocked for real, as they came from the hub itself
    offloaded   calls that a worker thread ran
    waiting     calls that are suspended now
    """
    return {
        "host": "gevent" if _bridge.hub() is not None else None,
        "libraries": _libraries.loaded(),
        "in_memory": _libraries.patched(),
        **_bridge.statistics(),
    }
