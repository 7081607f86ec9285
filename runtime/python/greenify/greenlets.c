/* SPDX-License-Identifier: MIT */
#include "greenlets.h"

#include <greenlet/greenlet.h>

int greenlets_import(void)
{
    PyGreenlet_Import();
    return _PyGreenlet_API == NULL ? -1 : 0;
}

PyObject *greenlets_current(void)
{
    return (PyObject *)PyGreenlet_GetCurrent();
}

PyObject *greenlets_switch(PyObject *greenlet)
{
    return PyGreenlet_Switch((PyGreenlet *)greenlet, NULL, NULL);
}

bool greenlets_ended(PyObject *greenlet)
{
    return PyGreenlet_STARTED((PyGreenlet *)greenlet) && !PyGreenlet_ACTIVE((PyGreenlet *)greenlet);
}

bool greenlets_check(PyObject *object)
{
    return PyGreenlet_Check(object);
}
