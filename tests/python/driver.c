/* SPDX-License-Identifier: MIT
 *
 * A Python module over a C library, as database drivers are: calls that block, errors that it
 * raises in its own type, or swallows. What a redirected library would import by name is called
 * here by that name.
 */
#include <Python.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

extern __typeof__(read) greenify_read;
extern __typeof__(poll) greenify_poll;
extern __typeof__(pthread_mutex_lock) greenify_pthread_mutex_lock;
extern __typeof__(pthread_mutex_unlock) greenify_pthread_mutex_unlock;

static PyObject *error_type;

static ssize_t read_released(int fd, char *buffer, size_t size)
{
    ssize_t count;

    Py_BEGIN_ALLOW_THREADS;
    count = greenify_read(fd, buffer, size);
    Py_END_ALLOW_THREADS;
    return count;
}

static PyObject *bytes_or_error(ssize_t count, const char *buffer)
{
    if (count < 0)
        return PyErr_SetFromErrno(error_type);
    return PyBytes_FromStringAndSize(buffer, count);
}

static PyObject *driver_read(PyObject *module, PyObject *argument)
{
    char buffer[64];
    long fd = PyLong_AsLong(argument);

    (void)module;
    return bytes_or_error(read_released((int)fd, buffer, sizeof buffer), buffer);
}

static PyObject *driver_read_with_gil(PyObject *module, PyObject *argument)
{
    char buffer[64];
    long fd = PyLong_AsLong(argument);

    (void)module;
    return bytes_or_error(greenify_read((int)fd, buffer, sizeof buffer), buffer);
}

static PyObject *driver_read_or_none(PyObject *module, PyObject *argument)
{
    char buffer[64];
    ssize_t count = read_released((int)PyLong_AsLong(argument), buffer, sizeof buffer);

    (void)module;
    if (count < 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(buffer, count);
}

/* After an error waits for a word from another descriptor, as a library that says goodbye. */
static PyObject *driver_read_and_part(PyObject *module, PyObject *arguments)
{
    char buffer[64], word[64];
    int fd, other, saved;
    ssize_t count;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "ii", &fd, &other))
        return NULL;
    count = read_released(fd, buffer, sizeof buffer);
    saved = errno;
    if (count < 0)
        (void)read_released(other, word, sizeof word);
    errno = saved;
    return bytes_or_error(count, buffer);
}

/* After an error calls back into Python. */
static PyObject *driver_read_and_call(PyObject *module, PyObject *arguments)
{
    char buffer[64];
    PyObject *callback, *result;
    ssize_t count;
    int fd;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "iO", &fd, &callback))
        return NULL;
    count = read_released(fd, buffer, sizeof buffer);
    if (count >= 0)
        return PyBytes_FromStringAndSize(buffer, count);
    result = PyObject_CallNoArgs(callback);
    if (result == NULL)
        return NULL;
    Py_DECREF(result);
    errno = EIO;
    return PyErr_SetFromErrno(error_type);
}

/* After an error calls Python to describe it, whatever comes of that. */
static PyObject *driver_read_and_describe(PyObject *module, PyObject *arguments)
{
    char buffer[64];
    PyObject *describe, *result;
    ssize_t count;
    int fd;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "iO", &fd, &describe))
        return NULL;
    count = read_released(fd, buffer, sizeof buffer);
    if (count >= 0)
        return PyBytes_FromStringAndSize(buffer, count);
    result = PyObject_CallNoArgs(describe);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    errno = EIO;
    return PyErr_SetFromErrno(error_type);
}

/* The array is on the stack of the greenlet, at addresses that other greenlets use meanwhile. */
static PyObject *driver_poll(PyObject *module, PyObject *arguments)
{
    struct pollfd fds[2] = {{.events = POLLIN}, {.events = POLLIN}};
    uint64_t canary[32];
    int timeout, count;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "iii", &fds[0].fd, &fds[1].fd, &timeout))
        return NULL;
    for (uint64_t i = 0; i < 32; i++)
        canary[i] = i * (uint64_t)(fds[0].fd + 1);
    Py_BEGIN_ALLOW_THREADS;
    count = greenify_poll(fds, 2, timeout);
    Py_END_ALLOW_THREADS;
    for (uint64_t i = 0; i < 32; i++)
        if (canary[i] != i * (uint64_t)(fds[0].fd + 1))
            return PyErr_Format(error_type, "the stack was overwritten");
    return Py_BuildValue("iii", count, (int)fds[0].revents, (int)fds[1].revents);
}

/* --- one recursive mutex ---------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static PyObject *driver_lock(PyObject *module, PyObject *unused)
{
    int status;

    (void)module;
    (void)unused;
    Py_BEGIN_ALLOW_THREADS;
    status = greenify_pthread_mutex_lock(&mutex);
    Py_END_ALLOW_THREADS;
    return PyLong_FromLong(status);
}

static PyObject *driver_unlock(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromLong(greenify_pthread_mutex_unlock(&mutex));
}

/* --- an iterator that ends where its read fails ----------------------------------------------- */

struct reader {
    PyObject_HEAD int fd;
};

static PyObject *reader_next(PyObject *self)
{
    char buffer[64];
    ssize_t count = read_released(((struct reader *)(void *)self)->fd, buffer, sizeof buffer);

    if (count > 0)
        return PyBytes_FromStringAndSize(buffer, count);
    PyErr_SetNone(PyExc_StopIteration);
    return NULL;
}

static PyTypeObject reader_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "driver.Reader",
    .tp_basicsize = sizeof(struct reader),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = reader_next,
};

static PyObject *driver_reader(PyObject *module, PyObject *argument)
{
    struct reader *reader = PyObject_New(struct reader, &reader_type);

    (void)module;
    if (reader != NULL)
        reader->fd = (int)PyLong_AsLong(argument);
    return (PyObject *)reader;
}

/* --- an object that waits for a word when it dies ----------------------------------------------
 */

static void farewell_dealloc(PyObject *self)
{
    char word[64];

    (void)read_released(((struct reader *)(void *)self)->fd, word, sizeof word);
    PyObject_Free(self);
}

static PyTypeObject farewell_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "driver.Farewell",
    .tp_basicsize = sizeof(struct reader),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_dealloc = farewell_dealloc,
};

static PyObject *driver_farewell(PyObject *module, PyObject *argument)
{
    struct reader *farewell = PyObject_New(struct reader, &farewell_type);

    (void)module;
    if (farewell != NULL)
        farewell->fd = (int)PyLong_AsLong(argument);
    return (PyObject *)farewell;
}

/* --- the module ------------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"read", driver_read, METH_O, "at most 64 bytes"},
    {"read_with_gil", driver_read_with_gil, METH_O, "without releasing the GIL"},
    {"read_or_none", driver_read_or_none, METH_O, "None where it fails"},
    {"read_and_part", driver_read_and_part, METH_VARARGS, "reads another descriptor on failure"},
    {"read_and_call", driver_read_and_call, METH_VARARGS, "calls back on failure"},
    {"read_and_describe", driver_read_and_describe, METH_VARARGS, "calls on failure, ignores it"},
    {"poll", driver_poll, METH_VARARGS, "(count, revents, revents) for two descriptors"},
    {"reader", driver_reader, METH_O, "an iterator over what can be read"},
    {"lock", driver_lock, METH_NOARGS, "locks the recursive mutex; its status"},
    {"unlock", driver_unlock, METH_NOARGS, "unlocks it; its status"},
    {"farewell", driver_farewell, METH_O, "an object that reads when it dies"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "driver",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_driver(void); /* the interpreter looks it up by name */

PyMODINIT_FUNC PyInit_driver(void)
{
    PyObject *module = PyModule_Create(&definition);

    error_type = PyErr_NewException("driver.Error", NULL, NULL);
    if (module == NULL || error_type == NULL || PyType_Ready(&reader_type) != 0 ||
        PyType_Ready(&farewell_type) != 0 ||
        PyModule_AddObjectRef(module, "Error", error_type) != 0)
        Py_CLEAR(module);
    return module;
}
