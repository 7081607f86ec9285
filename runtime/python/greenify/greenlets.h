/* SPDX-License-Identifier: MIT
 *
 * The few things that are asked of greenlets; the only user of greenlet.h, which keeps a private
 * table in each file that includes it. The GIL is held in all of them.
 */
#ifndef GREENIFY_GREENLETS_H
#define GREENIFY_GREENLETS_H

#include <Python.h>
#include <stdbool.h>

/* -1 with an exception. */
int greenlets_import(void);

/* The running greenlet; a new reference. */
PyObject *greenlets_current(void);

/* Lets `greenlet` run; returns once somebody switches back. NULL with an exception when one was
 * thrown in, or came out of it. */
PyObject *greenlets_switch(PyObject *greenlet);

/* It has run and will not run again. */
bool greenlets_ended(PyObject *greenlet);

bool greenlets_check(PyObject *object);

#endif
