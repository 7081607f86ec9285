/* SPDX-License-Identifier: MIT
 *
 * The loop of a hub that belongs to somebody else, who watches the epoll set as one descriptor: the
 * earliest deadline is a timerfd in it.
 */
#include "hub.h"
#include "loop.h"
#include "timespec.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct loop_host {
    struct loop base;
    int timer;
    double armed; /* when the timer fires; INFINITY: it does not */
};

static struct loop_host *self(struct loop *loop)
{
    return (struct loop_host *)loop;
}

/* A timer that is earlier than necessary may stay: it costs one empty dispatch. */
static void loop_set_deadline(struct loop *base, double at)
{
    struct loop_host *loop = self(base);
    struct itimerspec when = {.it_value = {0, 0}};

    if (at >= loop->armed || !(at < (double)INFINITY))
        return;
    when.it_value = timespec_from(at);
    if (when.it_value.tv_sec == 0 && when.it_value.tv_nsec == 0)
        when.it_value.tv_nsec = 1;
    if (timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0)
        loop->armed = at;
}

/* Nobody waits for the timer by the table, and it needs no reading: each expiry is an edge. */
static bool loop_run(struct loop *base, bool wait, bool held)
{
    struct loop_host *loop = self(base);

    (void)wait;
    (void)held;
    hub_collect(base->hub, 0, NULL);
    if (loop->armed <= hub_now())
        loop->armed = (double)INFINITY;
    return true;
}

static void loop_fork(struct loop *base)
{
    struct loop_host *loop = self(base);

    if (loop->timer >= 0)
        close(loop->timer);
    loop->timer = -1;
}

static void loop_destroy(struct loop *base)
{
    loop_fork(base);
    free(base);
}

static const struct loop_ops ops = {
    .destroy = loop_destroy,
    .fork = loop_fork,
    .set_deadline = loop_set_deadline,
    .run = loop_run,
};

struct loop *loop_host_create(struct hub *hub)
{
    struct loop_host *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->base = (struct loop){.ops = &ops, .hub = hub};
    loop->armed = (double)INFINITY;
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->timer < 0 || epollset_tell(&hub->set, loop->timer, POLLIN, 0, false) != 0) {
        int error = errno;

        loop_destroy(&loop->base);
        errno = error;
        return NULL;
    }
    return &loop->base;
}
