/* SPDX-License-Identifier: MIT */
#ifndef GREENIFY_LOCAL_H
#define GREENIFY_LOCAL_H

#include <Python.h>

/* The address of one pointer that belongs to `greenlet`; what is there when the greenlet dies is
 * given to `destroy`. NULL with an exception. The GIL is held. */
void **local_of(PyObject *greenlet, void (*destroy)(void *));

#endif
