/* SPDX-License-Identifier: MIT */
#include "pending.h"

#include "greenlets.h"

#include <frameobject.h>
#include <stdbool.h>
#include <stdlib.h>

struct pending {
    struct pending *next;
    PyObject *greenlet;
    PyObject *exception;
    PyObject *frame;   /* that of the code that called */
    PyObject *opcodes; /* its own f_trace_opcodes */
};

struct pending_list {
    struct pending *first;
    Py_tracefunc tracer; /* what was set before us */
};

static __thread struct pending_list list_of_thread;

static int trace(PyObject *argument, PyFrameObject *frame, int what, PyObject *arg);

/* --- the list --------------------------------------------------------------------------------- */

static struct pending **find(struct pending_list *list, const PyObject *greenlet)
{
    struct pending **place = &list->first;

    while (*place != NULL && (*place)->greenlet != greenlet)
        place = &(*place)->next;
    return place;
}

/* Asks for an event at the next instruction of the frame, not at its next line: that could be
 * behind the `with` block that the exception belongs to. */
static void trace_instructions(struct pending *pending)
{
    pending->opcodes = PyObject_GetAttrString(pending->frame, "f_trace_opcodes");
    if (pending->opcodes == NULL ||
        PyObject_SetAttrString(pending->frame, "f_trace_opcodes", Py_True) != 0)
        PyErr_Clear();
}

static void trace_instructions_as_before(struct pending *pending)
{
    if (pending->opcodes != NULL &&
        PyObject_SetAttrString(pending->frame, "f_trace_opcodes", pending->opcodes) != 0)
        PyErr_Clear();
}

/* Takes an entry out and hands its exception over. */
static PyObject *take(struct pending **place)
{
    struct pending *pending = *place;
    PyObject *exception = pending->exception;

    *place = pending->next;
    trace_instructions_as_before(pending);
    Py_XDECREF(pending->opcodes);
    Py_DECREF(pending->frame);
    Py_DECREF(pending->greenlet);
    free(pending);
    return exception;
}

static void drop_ended(struct pending_list *list)
{
    struct pending **place = &list->first;

    while (*place != NULL) {
        if (greenlets_ended((*place)->greenlet))
            Py_DECREF(take(place));
        else
            place = &(*place)->next;
    }
}

static void append(struct pending_list *list, PyObject *greenlet, PyObject *exception)
{
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    struct pending *pending = frame == NULL ? NULL : malloc(sizeof *pending);

    if (pending == NULL) {
        Py_DECREF(exception);
        return;
    }
    *pending = (struct pending){
        .next = list->first,
        .greenlet = Py_NewRef(greenlet),
        .exception = exception,
        .frame = Py_NewRef(frame),
    };
    list->first = pending;
    trace_instructions(pending);
}

/* Makes `earlier` the context of `exception`; takes the reference. */
static void set_context(PyObject *exception, PyObject *earlier)
{
    PyObject *link = Py_NewRef(earlier);

    /* A chain that led back to the exception would be a circle. */
    while (link != NULL && link != exception) {
        PyObject *next = PyException_GetContext(link);

        Py_DECREF(link);
        link = next;
    }
    if (link == NULL)
        PyException_SetContext(exception, earlier);
    else
        Py_DECREF(earlier);
    Py_XDECREF(link);
}

static PyObject *fetch_instance(void)
{
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

void pending_add(PyObject *greenlet)
{
    struct pending_list *list = &list_of_thread;
    PyObject *exception = fetch_instance();
    struct pending **place;

    drop_ended(list);
    place = find(list, greenlet);
    if (*place == NULL) {
        append(list, greenlet, exception);
    } else {
        set_context(exception, (*place)->exception);
        (*place)->exception = exception;
    }
}

/* --- the trace function ----------------------------------------------------------------------- */

static void uninstall(struct pending_list *list)
{
    PyThreadState *thread = PyThreadState_Get();

    /* Somebody else may have set another one meanwhile. */
    if (thread->c_tracefunc == trace)
        PyEval_SetTrace(list->tracer, thread->c_traceobj);
}

void pending_leave(void)
{
    struct pending_list *list = &list_of_thread;

    if (list->first != NULL)
        uninstall(list);
}

void pending_enter(PyObject *greenlet)
{
    struct pending_list *list = &list_of_thread;
    PyThreadState *thread;

    if (*find(list, greenlet) == NULL)
        return;
    thread = PyThreadState_Get();
    if (thread->c_tracefunc == trace)
        return;
    list->tracer = thread->c_tracefunc;
    /* The object stays, so that sys.gettrace() says what it said before. */
    PyEval_SetTrace(trace, thread->c_traceobj);
}

/* Leaves the pending exception as the one that is raised now. `raised`: the one that it replaces,
 * or NULL. A context that it brought along stays. */
static void raise_instead(PyObject *exception, PyObject *raised, PyFrameObject *frame)
{
    PyObject *type = (PyObject *)Py_TYPE(exception);
    PyObject *context = PyException_GetContext(exception);

    if (context != NULL) {
        PyErr_Restore(Py_NewRef(type), Py_NewRef(exception), PyException_GetTraceback(exception));
        Py_DECREF(context);
    } else {
        PyErr_SetObject(type, exception);
        if (raised != NULL && PyExceptionInstance_Check(raised))
            set_context(exception, Py_NewRef(raised));
    }
    /* The interpreter has noted this frame in the other one only. */
    if (raised != NULL)
        PyTraceBack_Here(frame);
    Py_DECREF(exception);
}

/* The end of an iteration is not seen by anybody: raised in its place, the exception would be lost.
 */
static bool ends_iteration(int what, PyObject *arg)
{
    return what == PyTrace_EXCEPTION &&
           PyErr_GivenExceptionMatches(PyTuple_GET_ITEM(arg, 0), PyExc_StopIteration);
}

static int forward(const struct pending_list *list, PyObject *argument, PyFrameObject *frame,
                   int what, PyObject *arg)
{
    if (list->tracer == NULL)
        return 0;
    return list->tracer(argument, frame, what, arg);
}

static int trace(PyObject *argument, PyFrameObject *frame, int what, PyObject *arg)
{
    struct pending_list *list = &list_of_thread;
    PyObject *current = greenlets_current();
    struct pending **place = find(list, current);

    Py_XDECREF(current);
    if (*place == NULL || (*place)->frame != (PyObject *)frame || ends_iteration(what, arg))
        return forward(list, argument, frame, what, arg);
    uninstall(list);
    raise_instead(take(place), what == PyTrace_EXCEPTION ? PyTuple_GET_ITEM(arg, 1) : NULL, frame);
    return -1;
}

void pending_clear(void)
{
    struct pending_list *list = &list_of_thread;

    uninstall(list);
    while (list->first != NULL)
        Py_DECREF(take(&list->first));
}
