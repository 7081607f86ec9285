/* SPDX-License-Identifier: MIT */
#include "bridge.h"

#include "greenlets.h"
#include "local.h"
#include "parked.h"
#include "pending.h"

#include <errno.h>
#include <green.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* How long greenlets are resumed one after another before gevent's timers have their turn: as long
 * as gevent itself runs callbacks. */
#define TURN_SECONDS 0.005

struct bridge {
    PyObject *hub;
    PyObject *loop_name; /* "loop", interned */
    PyObject *timeout;
    PyObject *watcher; /* or NULL */
    PyObject *timer;   /* for another dispatch, in the next round of the loop; or NULL */
    struct parked_queue ready;
    struct parked_queue batch; /* those of `ready` that dispatches have not resumed yet */
    size_t parked;             /* calls that wait now */
    bool counts;               /* watcher.ref: gevent's loop lives on for us */
    bool dispatching;
    bool detached; /* during that: it is freed at its end */
    bool closed;   /* calls block for real */
};

static __thread struct bridge *bridge_of_thread;
static atomic_bool finished;

static const char thread_key[] = "greenify.bridge";

/* --- the watcher ------------------------------------------------------------------------------ */

/* gevent's loop ends when nothing counts any more, as it should when nobody is parked. */
static void count(struct bridge *bridge, bool counts)
{
    if (bridge->counts == counts || bridge->watcher == NULL)
        return;
    bridge->counts = counts;
    if (PyObject_SetAttrString(bridge->watcher, "ref", counts ? Py_True : Py_False) != 0)
        PyErr_WriteUnraisable(bridge->watcher);
}

static void stop(PyObject *watcher)
{
    static const char *const methods[] = {"stop", "close"};

    for (int i = 0; i < 2; i++) {
        PyObject *result = PyObject_CallMethod(watcher, methods[i], NULL);

        /* The loop may be gone already, and the watcher with it. */
        if (result == NULL)
            PyErr_Clear();
        Py_XDECREF(result);
    }
}

static void let_go(struct bridge *bridge)
{
    pending_clear();
    if (bridge->watcher != NULL)
        stop(bridge->watcher);
    if (bridge->timer != NULL)
        stop(bridge->timer);
    Py_CLEAR(bridge->watcher);
    Py_CLEAR(bridge->timer);
}

/* Without calls that could come back. A dispatch comes back: a greenlet that it resumed is the
 * caller. */
static void release(struct bridge *bridge)
{
    let_go(bridge);
    bridge->detached = bridge->closed = true;
    if (bridge->dispatching)
        return;
    Py_XDECREF(bridge->hub);
    Py_XDECREF(bridge->loop_name);
    Py_XDECREF(bridge->timeout);
    free(bridge);
}

/* --- what libgreen calls ---------------------------------------------------------------------- */

/* The hub can still run: it has not ended, nor was it destroyed, which takes its loop away. */
static bool usable(const struct bridge *bridge)
{
    PyObject *loop = PyObject_GetAttr(bridge->hub, bridge->loop_name);
    bool there = loop != NULL && loop != Py_None;

    if (loop == NULL)
        PyErr_Clear();
    Py_XDECREF(loop);
    return there && !greenlets_ended(bridge->hub);
}

/* A throw ended the wait: the errno value for the library. */
static int thrown(struct bridge *bridge, PyObject *current)
{
    int error = PyErr_ExceptionMatches(bridge->timeout) ? ETIMEDOUT : ECANCELED;

    pending_add(current);
    return error;
}

/* Runs the hub until p was woken. Others may switch here too, with nothing to say. */
static int wait(struct bridge *bridge, struct green_parked *p, PyObject *current)
{
    int error = 0;

    while (error == 0 && !parked_woken(p)) {
        PyObject *result = greenlets_switch(bridge->hub);

        if (result == NULL)
            error = thrown(bridge, current);
        else if (!parked_woken(p) && !usable(bridge))
            error = -1;
        Py_XDECREF(result);
    }
    return error;
}

static int suspend(struct bridge *bridge, struct green_parked *p, PyObject *current)
{
    int error;

    parked_init(p, current);
    pending_leave();
    bridge->parked++;
    count(bridge, true);
    error = wait(bridge, p, current);
    parked_remove(p);
    bridge->parked--;
    /* In steady use the next call parks before the dispatch ends. */
    if (bridge->parked == 0 && !bridge->dispatching)
        count(bridge, false);
    pending_enter(current);
    return error;
}

/* The GIL is held or not, as the module pleases that calls the library. An exception may be on its
 * way through that module: a destructor that says goodbye. */
static int park(void *data, struct green_parked *p)
{
    struct bridge *bridge = data;
    PyObject *current, *type, *value, *traceback;
    int error = -1, saved = errno;
    PyGILState_STATE gil;

    if (bridge->closed || atomic_load_explicit(&finished, memory_order_relaxed))
        return -1;
    gil = PyGILState_Ensure();
    PyErr_Fetch(&type, &value, &traceback);
    current = greenlets_current();
    if (current != NULL && current != bridge->hub && usable(bridge))
        error = suspend(bridge, p, current);
    Py_XDECREF(current);
    PyErr_Restore(type, value, traceback);
    PyGILState_Release(gil);
    errno = saved;
    return error;
}

static void unpark(void *data, struct green_parked *p)
{
    struct bridge *bridge = data;

    parked_append(&bridge->ready, p);
}

static void **local(void *data, void (*destroy)(void *))
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *current = greenlets_current();
    void **place = current == NULL ? NULL : local_of(current, destroy);

    (void)data;
    if (place == NULL)
        PyErr_Clear();
    Py_XDECREF(current);
    PyGILState_Release(gil);
    return place;
}

static void *current(void *data)
{
    PyGILState_STATE gil;
    PyObject *greenlet;

    if (atomic_load_explicit(&finished, memory_order_relaxed))
        return data;
    gil = PyGILState_Ensure();
    greenlet = greenlets_current();
    if (greenlet == NULL)
        PyErr_Clear();
    Py_XDECREF(greenlet); /* it runs, and so lives */
    PyGILState_Release(gil);
    return greenlet;
}

static const struct green_host host = {
    .size = sizeof host,
    .park = park,
    .unpark = unpark,
    .local = local,
    .current = current,
};

/* --- what gevent calls ------------------------------------------------------------------------ */

/* An exception came out of a greenlet. false: it is one that has to end the hub, and is set. */
static bool handle_error(const struct bridge *bridge, PyObject *greenlet)
{
    PyObject *type, *value, *traceback, *result;
    PyObject *raised = NULL;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    result = PyObject_CallMethod(bridge->hub, "handle_error", "OOOO", greenlet, type, value,
                                 traceback == NULL ? Py_None : traceback);
    if (result == NULL) {
        PyObject *raised_type, *raised_traceback;

        PyErr_Fetch(&raised_type, &raised, &raised_traceback);
        PyErr_NormalizeException(&raised_type, &raised, &raised_traceback);
        PyErr_Restore(raised_type, Py_NewRef(raised), raised_traceback);
        if (raised != value)
            PyErr_WriteUnraisable(bridge->hub);
    }
    Py_XDECREF(result);
    Py_DECREF(type);
    Py_DECREF(value);
    Py_XDECREF(traceback);
    Py_XDECREF(raised);
    return raised == NULL || raised != value;
}

static bool resume(struct bridge *bridge, PyObject *greenlet)
{
    PyObject *result;
    bool go_on = true;

    Py_INCREF(greenlet);
    result = greenlets_switch(greenlet);
    if (result == NULL)
        go_on = handle_error(bridge, greenlet);
    Py_XDECREF(result);
    Py_DECREF(greenlet);
    return go_on;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* An exception may be on its way out of the dispatch. */
static void come_again(const struct bridge *bridge)
{
    PyObject *callback, *result = NULL, *type, *value, *traceback;

    if (bridge->timer == NULL)
        return;
    PyErr_Fetch(&type, &value, &traceback);
    callback = PyObject_GetAttrString(bridge->watcher, "callback");
    if (callback != NULL)
        result = PyObject_CallMethod(bridge->timer, "start", "O", callback);
    if (result == NULL)
        PyErr_WriteUnraisable(bridge->timer);
    Py_XDECREF(result);
    Py_XDECREF(callback);
    PyErr_Restore(type, value, traceback);
}

/* Those that become ready meanwhile have their turn in the next round of the loop: libgreen makes
 * the descriptor readable for them. */
static bool resume_ready(struct bridge *bridge)
{
    double end = now() + TURN_SECONDS;
    bool go_on = true;

    parked_move(&bridge->batch, &bridge->ready);
    while (go_on && !parked_queue_empty(&bridge->batch)) {
        go_on = resume(bridge, parked_greenlet(parked_take(&bridge->batch)));
        if (now() >= end)
            break;
    }
    if (!parked_queue_empty(&bridge->batch))
        come_again(bridge);
    return go_on;
}

int bridge_dispatch(void)
{
    struct bridge *bridge = bridge_of_thread;
    PyObject *current = greenlets_current();
    bool go_on;

    if (current == NULL)
        return -1;
    Py_DECREF(current);
    /* Only the hub may be switched away from here. */
    if (bridge == NULL || bridge->closed || current != bridge->hub)
        return 0;
    green_host_dispatch();
    bridge->dispatching = true;
    go_on = resume_ready(bridge);
    bridge->dispatching = false;
    if (bridge->parked == 0)
        count(bridge, false);
    if (bridge->detached)
        release(bridge);
    return go_on ? 0 : -1;
}

/* --- its life --------------------------------------------------------------------------------- */

PyObject *bridge_hub(void)
{
    return bridge_of_thread == NULL ? NULL : bridge_of_thread->hub;
}

/* The thread ends, or its state is cleared by another one. Calls that are still parked will not
 * come back, but what they would look at stays. */
static void thread_ends(PyObject *capsule)
{
    struct bridge *bridge = PyCapsule_GetPointer(capsule, thread_key);

    if (bridge != bridge_of_thread)
        return;
    if (green_host_detach() == 0) {
        bridge_of_thread = NULL;
        release(bridge);
    } else {
        bridge->closed = true;
        let_go(bridge);
    }
}

static int set_capsule(struct bridge *bridge)
{
    PyObject *dictionary = PyThreadState_GetDict();
    PyObject *capsule = PyCapsule_New(bridge, thread_key, thread_ends);
    int status = -1;

    if (dictionary == NULL)
        PyErr_SetString(PyExc_RuntimeError, "the thread has no state");
    else if (capsule != NULL)
        status = PyDict_SetItemString(dictionary, thread_key, capsule);
    Py_XDECREF(capsule);
    return status;
}

int bridge_attach(PyObject *hub, PyObject *timeout)
{
    struct bridge *bridge;

    if (!greenlets_check(hub)) {
        PyErr_SetString(PyExc_TypeError, "the hub is not a greenlet");
        return -1;
    }
    bridge = calloc(1, sizeof *bridge);
    if (bridge == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    bridge->hub = Py_NewRef(hub);
    bridge->loop_name = PyUnicode_InternFromString("loop");
    bridge->timeout = Py_NewRef(timeout);
    parked_queue_init(&bridge->ready);
    parked_queue_init(&bridge->batch);
    if (bridge->loop_name == NULL || green_host_attach(&host, bridge) != 0) {
        if (!PyErr_Occurred())
            PyErr_SetFromErrno(PyExc_OSError);
        release(bridge);
        return -1;
    }
    bridge_of_thread = bridge;
    if (set_capsule(bridge) != 0) {
        PyObject *type, *value, *traceback;

        /* Where the dictionary took no capsule, its destructor has done this. */
        PyErr_Fetch(&type, &value, &traceback);
        if (bridge_of_thread != NULL)
            (void)bridge_detach();
        PyErr_Restore(type, value, traceback);
        return -1;
    }
    return green_host_fd();
}

int bridge_watch(PyObject *watcher, PyObject *timer)
{
    if (bridge_of_thread == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the thread is not attached");
        return -1;
    }
    Py_XSETREF(bridge_of_thread->watcher, Py_NewRef(watcher));
    Py_XSETREF(bridge_of_thread->timer, Py_NewRef(timer));
    return 0;
}

int bridge_detach(void)
{
    struct bridge *bridge = bridge_of_thread;
    PyObject *dictionary = PyThreadState_GetDict();

    if (bridge == NULL)
        return 0;
    if (green_host_detach() != 0) {
        PyErr_Format(PyExc_RuntimeError, "%zu calls of C libraries are still waiting",
                     bridge->parked);
        return -1;
    }
    bridge_of_thread = NULL;
    if (dictionary != NULL && PyDict_DelItemString(dictionary, thread_key) != 0)
        PyErr_Clear();
    release(bridge);
    return 0;
}

bool bridge_forget(void)
{
    struct bridge *bridge = bridge_of_thread;

    if (bridge == NULL)
        return false;
    /* Greenlets that wait in it would look at it, if they were killed. */
    bridge->closed = true;
    bridge_of_thread = NULL;
    let_go(bridge);
    return true;
}

void bridge_finish(void)
{
    atomic_store(&finished, true);
}
