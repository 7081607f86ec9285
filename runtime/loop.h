/* SPDX-License-Identifier: MIT
 *
 * How a hub waits for what its epoll set reports, and for deadlines. There are three ways: in the
 * set itself (loop_native), in libev once a program has asked for its loop (loop_ev), or not at all
 * where somebody else's hub waits (loop_host).
 */
#ifndef GREEN_LOOP_H
#define GREEN_LOOP_H

#include <stdbool.h>

struct hub;
struct loop;

struct loop_ops {
    void (*destroy)(struct loop *loop);

    /* In the child of a fork, where run() may still come back to the loop: lets go of everything
     * that is shared with the parent. */
    void (*fork)(struct loop *loop);

    /* The next run() waits no longer than until `at` (CLOCK_MONOTONIC, seconds; INFINITY: no
     * limit). */
    void (*set_deadline)(struct loop *loop, double at);

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
struct loop *loop_native_create(struct hub *hub);
struct loop *loop_ev_create(struct hub *hub);
struct loop *loop_host_create(struct hub *hub);

#endif
