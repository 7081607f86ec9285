/* SPDX-License-Identifier: MIT
 *
 * greenify._bridge: what the Python half of the package needs from C. Everything concerns the
 * calling thread.
 */
#include "bridge.h"
#include "greenlets.h"
#include "redirected.h"

#include <green.h>

static PyObject *attach(PyObject *module, PyObject *arguments)
{
    PyObject *hub, *timeout;
    int fd;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO:attach", &hub, &timeout))
        return NULL;
    fd = bridge_attach(hub, timeout);
    return fd < 0 ? NULL : PyLong_FromLong(fd);
}

static PyObject *watch(PyObject *module, PyObject *arguments)
{
    PyObject *watcher, *timer;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO:watch", &watcher, &timer) ||
        bridge_watch(watcher, timer) != 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *detach(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (bridge_detach() != 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *hub(PyObject *module, PyObject *unused)
{
    PyObject *attached = bridge_hub();

    (void)module;
    (void)unused;
    return Py_NewRef(attached == NULL ? Py_None : attached);
}

static PyObject *dispatch(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (bridge_dispatch() != 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *forget(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyBool_FromLong(bridge_forget());
}

static PyObject *finish(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    bridge_finish();
    Py_RETURN_NONE;
}

static PyObject *statistics(PyObject *module, PyObject *unused)
{
    struct green_hub_stats stats = {0};

    (void)module;
    (void)unused;
    (void)green_hub_stats(&stats);
    return Py_BuildValue("{sksksksksn}", "optimistic", stats.optimistic, "parked", stats.parked,
                         "blocked", stats.blocked, "offloaded", stats.offloaded, "waiting",
                         (Py_ssize_t)stats.waiting);
}

static PyObject *libraries(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return redirected_libraries();
}

static PyObject *patch(PyObject *module, PyObject *arguments)
{
    const char *path;
    int slots;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "s:patch", &path))
        return NULL;
    slots = green_patch_loaded(path);
    return slots < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(slots);
}

static PyMethodDef methods[] = {
    {"attach", attach, METH_VARARGS,
     "attach(hub, timeout): suspend greenlets from now on; the descriptor to watch"},
    {"watch", watch, METH_VARARGS,
     "watch(watcher, timer): of that descriptor, and for what is left to the next round"},
    {"detach", detach, METH_NOARGS, "detach(): block from now on"},
    {"hub", hub, METH_NOARGS, "hub(): what the thread is attached to, or None"},
    {"dispatch", dispatch, METH_NOARGS, "dispatch(): the callback of the watcher"},
    {"forget", forget, METH_NOARGS, "forget(): in the child of a fork; whether it was attached"},
    {"finish", finish, METH_NOARGS, "finish(): the interpreter ends"},
    {"statistics", statistics, METH_NOARGS, "statistics(): how calls went, a dict"},
    {"libraries", libraries, METH_NOARGS, "libraries(): path -> names of the hooks it imports"},
    {"patch", patch, METH_VARARGS, "patch(path): redirect what is loaded; how many slots"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "greenify._bridge", .m_doc = "The C half of greenify.",
    .m_size = -1,          .m_methods = methods,
};

PyMODINIT_FUNC PyInit__bridge(void); /* the interpreter looks it up by name */

PyMODINIT_FUNC PyInit__bridge(void)
{
    if (greenlets_import() != 0)
        return NULL;
    return PyModule_Create(&definition);
}
