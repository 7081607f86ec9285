/* SPDX-License-Identifier: MIT
 *
 * A pointer in a capsule in the greenlet's dictionary, which dies with it.
 */
#include "local.h"

#include <stdlib.h>

static const char name[] = "greenify.local";

struct cell {
    void *pointer;
    void (*destroy)(void *);
};

static void destroy_capsule(PyObject *capsule)
{
    struct cell *cell = PyCapsule_GetPointer(capsule, name);

    if (cell->pointer != NULL)
        cell->destroy(cell->pointer);
    free(cell);
}

static PyObject *create_capsule(void (*destroy)(void *))
{
    struct cell *cell = malloc(sizeof *cell);
    PyObject *capsule;

    if (cell == NULL)
        return PyErr_NoMemory();
    *cell = (struct cell){NULL, destroy};
    capsule = PyCapsule_New(cell, name, destroy_capsule);
    if (capsule == NULL)
        free(cell);
    return capsule;
}

void **local_of(PyObject *greenlet, void (*destroy)(void *))
{
    PyObject *dictionary = PyObject_GetAttrString(greenlet, "__dict__");
    PyObject *capsule;
    struct cell *cell = NULL;

    if (dictionary == NULL)
        return NULL;
    capsule = Py_XNewRef(PyDict_GetItemString(dictionary, name));
    if (capsule == NULL) {
        capsule = create_capsule(destroy);
        if (capsule != NULL && PyDict_SetItemString(dictionary, name, capsule) != 0)
            Py_CLEAR(capsule);
    }
    if (capsule != NULL)
        cell = PyCapsule_GetPointer(capsule, name);
    Py_XDECREF(capsule);
    Py_DECREF(dictionary);
    return cell == NULL ? NULL : &cell->pointer;
}
