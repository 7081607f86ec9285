/* SPDX-License-Identifier: MIT
 *
 * One thread whose greenlets are suspended inside C libraries: the host that libgreen calls, and
 * the callback that gevent's loop calls.
 *
 *      C library -> hook -> park ---- switch ----> hub greenlet: loop -> watcher on the one
 *      C library <- hook <- park <--- switch ----- bridge_dispatch <---- descriptor is ready
 *
 * All functions are called with the GIL held, and concern the calling thread.
 */
#ifndef GREENIFY_BRIDGE_H
#define GREENIFY_BRIDGE_H

#include <Python.h>
#include <stdbool.h>

/* Suspends this thread's greenlets from now on. `hub` is the greenlet that runs the loop; errors
 * that come out of greenlets go to its handle_error(); instances of `timeout` make a call fail with
 * ETIMEDOUT, other exceptions with ECANCELED. Returns the descriptor to watch for reading, or -1
 * with an exception. */
int bridge_attach(PyObject *hub, PyObject *timeout);

/* The watcher, started, that calls bridge_dispatch(): kept, told by its `ref` whether it counts,
 * and stopped when the bridge is detached. So is the timer, which is started with the watcher's
 * callback when a dispatch leaves something for the next round of the loop. -1 with an exception:
 * not attached. */
int bridge_watch(PyObject *watcher, PyObject *timer);

/* -1 with an exception: calls are still parked. Without a bridge: nothing. */
int bridge_detach(void);

/* The hub that the thread is attached to (borrowed), or NULL. */
PyObject *bridge_hub(void);

/* Lets those run that may go on. -1 with an exception when one came out that ends the hub. */
int bridge_dispatch(void);

/* In the child of a fork: libgreen has forgotten the thread's hub, and so does this. Returns
 * whether there was one. */
bool bridge_forget(void);

/* The interpreter ends: from now on calls block for real, in all threads. */
void bridge_finish(void);

#endif
