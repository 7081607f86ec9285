/* SPDX-License-Identifier: MIT
 *
 * The loop of our own hub: it waits in the epoll set, with the deadline and the signal mask that
 * the kernel takes along.
 */
#include "hub.h"
#include "loop.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>

struct loop_native {
    struct loop base;
    double deadline;
};

static struct loop_native *self(struct loop *loop)
{
    return (struct loop_native *)loop;
}

static void loop_destroy(struct loop *base)
{
    free(self(base));
}

/* The set is the hub's. */
static void loop_fork(struct loop *base)
{
    (void)base;
}

static void loop_set_deadline(struct loop *base, double at)
{
    self(base)->deadline = at;
}

/* How long to wait, as epollset_collect() takes it. */
static double patience(const struct loop_native *loop, bool wait)
{
    double left;

    if (!wait)
        return 0;
    if (loop->deadline >= (double)INFINITY)
        return -1;
    left = loop->deadline - hub_now();
    return left > 0 ? left : 0;
}

/* The kernel lets a signal in that only `mask` does where it waits; it had no need to where there
 * were reports. */
static void let_in(struct hub *hub, const sigset_t *mask)
{
    const struct timespec at_once = {0, 0};
    int saved = errno;

    if (ppoll(NULL, 0, &at_once, mask) < 0)
        hub_interrupted(hub);
    errno = saved;
}

static bool loop_run(struct loop *base, bool wait, bool held)
{
    sigset_t mask;
    bool masked = hub_wait_mask(base->hub, &mask);

    hub_collect(base->hub, patience(self(base), wait && held), masked ? &mask : NULL);
    if (masked)
        let_in(base->hub, &mask);
    return held;
}

static const struct loop_ops ops = {
    .destroy = loop_destroy,
    .fork = loop_fork,
    .set_deadline = loop_set_deadline,
    .run = loop_run,
};

struct loop *loop_native_create(struct hub *hub)
{
    struct loop_native *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    *loop = (struct loop_native){.base = {.ops = &ops, .hub = hub}, .deadline = (double)INFINITY};
    return &loop->base;
}
