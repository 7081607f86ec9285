/* SPDX-License-Identifier: MIT
 *
 * Where readiness and time come from. A hub has one loop: loop_ev (libev, for our own hub) or
 * loop_host (one pollable descriptor, for a hub that belongs to somebody else). A loop reports to
 * its hub by the functions at the end of hub.h.
 */
#ifndef GREEN_LOOP_H
#define GREEN_LOOP_H

#include <stdbool.h>

struct hub;
struct loop;

struct loop_ops {
    void (*destroy)(struct loop *loop);

    /* In the child of a fork, where run(), or a call that was parked, may still come back to the
     * loop: lets go of everything that is shared with the parent. */
    void (*fork)(struct loop *loop);

    /* Reports each of `events` (POLLIN, POLLOUT) of fd, and errors, at least once from now on. With
     * `anew` the kernel is asked even where a watch stands already: fd may have been closed and
     * opened again by code that we do not see. -1 with errno. */
    int (*watch)(struct loop *loop, int fd, short events, bool anew);

    /* fd is about to be closed, or no longer means what it meant. */
    void (*forget)(struct loop *loop, int fd);

    /* The next run() waits no longer than until `at` (CLOCK_MONOTONIC, seconds; INFINITY: no
     * limit). */
    void (*set_deadline)(struct loop *loop, double at);

    /* Ends the wait of a run(), or the next one at once; from any thread. */
    void (*wake)(struct loop *loop);

    /* One round, waiting for an event if `wait`. `held`: something is awaited that it, or another
     * thread, can bring about. false: not held, and nothing else is watched, so that a wait would
     * never end (it did not wait). */
    bool (*run)(struct loop *loop, bool wait, bool held);
};

/* The common head of every loop. */
struct loop {
    const struct loop_ops *ops;
    struct hub *hub;
};

/* NULL with errno. */
struct loop *loop_ev_create(struct hub *hub);
struct loop *loop_host_create(struct hub *hub);

struct ev_loop;
struct ev_loop *loop_ev_native(struct loop *loop);

/* The one descriptor of a loop_host. */
int loop_host_descriptor(struct loop *loop);

#endif
