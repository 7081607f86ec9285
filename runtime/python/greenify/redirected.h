/* SPDX-License-Identifier: MIT */
#ifndef GREENIFY_REDIRECTED_H
#define GREENIFY_REDIRECTED_H

#include <Python.h>

/* A dict of the libraries in this process that import hooks: path ("" for the program itself) to a
 * set of names, without their prefix. NULL with an exception. */
PyObject *redirected_libraries(void);

#endif
