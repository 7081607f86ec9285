/* SPDX-License-Identifier: MIT
 *
 * A loop of poll(2) in place of libev, for machines that we have no libev of: enough for sleeps, a
 * few descriptors, and the question whether anything can ever happen.
 */
#include "hub.h"
#include "loop.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>

enum { DESCRIPTORS_MOST = 64 };

struct loop_poll {
    struct loop base;
    short wanted[DESCRIPTORS_MOST];
    double deadline;
};

static struct loop_poll *self(struct loop *loop)
{
    return (struct loop_poll *)loop;
}

static void loop_destroy(struct loop *base)
{
    free(self(base));
}

static void loop_nothing(struct loop *base)
{
    (void)base;
}

static int loop_watch(struct loop *base, int fd, short events, bool anew)
{
    (void)anew;
    if (fd >= DESCRIPTORS_MOST)
        abort();
    self(base)->wanted[fd] = events;
    return 0;
}

static void loop_forget(struct loop *base, int fd)
{
    if (fd < DESCRIPTORS_MOST)
        self(base)->wanted[fd] = 0;
}

static void loop_set_deadline(struct loop *base, double at)
{
    self(base)->deadline = at;
}

static int milliseconds(double deadline, bool wait)
{
    double left = deadline - hub_now();

    if (!wait || left <= 0)
        return 0;
    return left < 60 ? (int)ceil(left * 1000) : 60000;
}

static bool loop_run(struct loop *base, bool wait, bool held)
{
    struct loop_poll *loop = self(base);
    struct pollfd fds[DESCRIPTORS_MOST];
    nfds_t count = 0;

    for (int fd = 0; fd < DESCRIPTORS_MOST; fd++)
        if (loop->wanted[fd] != 0)
            fds[count++] = (struct pollfd){.fd = fd, .events = loop->wanted[fd]};
    if (poll(fds, count, milliseconds(loop->deadline, wait && held)) > 0)
        for (nfds_t i = 0; i < count; i++)
            if (fds[i].revents != 0)
                loop->wanted[fds[i].fd] = hub_ready(base->hub, fds[i].fd, fds[i].revents).open;
    return held;
}

static const struct loop_ops ops = {
    .destroy = loop_destroy,
    .fork = loop_nothing,
    .watch = loop_watch,
    .forget = loop_forget,
    .set_deadline = loop_set_deadline,
    .wake = loop_nothing,
    .run = loop_run,
};

struct loop *loop_ev_create(struct hub *hub)
{
    struct loop_poll *loop = calloc(1, sizeof *loop);

    if (loop == NULL)
        return NULL;
    loop->base = (struct loop){.ops = &ops, .hub = hub};
    loop->deadline = (double)INFINITY;
    return &loop->base;
}

struct ev_loop *loop_ev_native(struct loop *loop)
{
    (void)loop;
    return NULL;
}
