# SPDX-License-Identifier: MIT
"""gevent as the host: which hub, which watcher, and what happens at a fork and at the end."""
import atexit
import os

import gevent
import gevent.timeout

from . import _bridge

_READ = 1


def activate():
    hub = gevent.get_hub()
    if _bridge.hub() is hub:
        return
    _bridge.detach()
    fd = _bridge.attach(hub, gevent.timeout.Timeout)
    try:
        watcher = hub.loop.io(fd, _READ, ref=False)
        _bridge.watch(watcher, hub.loop.timer(0, ref=False))
        watcher.start(_bridge.dispatch)
    except BaseException:
        _bridge.detach()
        raise


def _after_fork_in_child():
    if _bridge.forget():
        activate()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_bridge.finish)
