/* SPDX-License-Identifier: MIT
 *
 * Exceptions that were thrown into greenlets while these waited inside a C library. The library
 * only learns of an errno, and its Python module makes of that what it likes; the instance itself
 * has to arrive in the greenlet. So until the Python code that called goes on, a trace function is
 * set that raises the instance there, at the first event: in place of the exception that the module
 * raised, or behind the call, when the module swallowed the error. What the module itself calls
 * before, to decode a message of the library for example, runs as usual: the module might ignore
 * what was raised there.
 *
 *      thrown in -> pending_add ... C library fails ... module raises its own -> event -> instance
 *
 * The trace function is only set while a greenlet with a pending exception runs; one that was set
 * before hears of everything else, and is back afterwards. A greenlet that waits once more on its
 * way out of the C library waits as usual. A C function that is itself the body of a greenlet has
 * no Python code that could see the instance: it ends with the library's error.
 *
 * All of it belongs to the calling thread. The GIL is held.
 */
#ifndef GREENIFY_PENDING_H
#define GREENIFY_PENDING_H

#include <Python.h>

/* Takes the exception that is set now for `greenlet`, the running one. */
void pending_add(PyObject *greenlet);

/* The running greenlet stops; `greenlet` runs again. */
void pending_leave(void);
void pending_enter(PyObject *greenlet);

/* Drops all of the thread. */
void pending_clear(void);

#endif
