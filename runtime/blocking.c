/* SPDX-License-Identifier: MIT
 *
 * The slow half of blocking.h: what the descriptor's flags and options say of waiting, and the
 * wait.
 */
#include "blocking.h"

#include "descriptor.h"
#include "hub.h"
#include "incarnation.h"
#include "waiter.h"

#include <math.h>

struct blocking blocking_begin(struct hub *hub, const char *call, int fd, short events, int option)
{
    hub->stats.optimistic++;
    return (struct blocking){
        .hub = hub,
        .call = call,
        .fd = fd,
        .events = events,
        .option = option,
        .dontwait = MSG_DONTWAIT,
        .saved_errno = errno,
    };
}

/* -1 when the call does not wait. */
static int examine(struct blocking *b)
{
    struct traits traits;

    b->life = incarnation_life(b->fd);
    if (descriptor_traits(b->hub, b->fd, b->option, &traits) != 0)
        return -1;
    if (traits.nonblocking) {
        errno = EAGAIN;
        return -1;
    }
    b->deadline = (double)INFINITY;
    if (b->option != 0)
        b->deadline =
            hub_deadline(b->option == SO_RCVTIMEO ? traits.receive_timeout : traits.send_timeout);
    b->closings = b->hub->closings;
    b->examined = true;
    b->hub->stats.optimistic--;
    return 0;
}

/* A call with a timeout of its own is never restarted after a signal (signal(7)). */
static enum wake park(struct blocking *b, short events, double deadline)
{
    struct waiter *w = waiter_create(b->hub, b->call, 1);
    enum wake cause = WAKE_FAILED;

    if (w == NULL)
        return WAKE_FAILED;
    w->interruptible = b->deadline < (double)INFINITY;
    w->restartable = true;
    if (waiter_watch(w, b->fd, events) == 0)
        cause = w->fds->life == b->life ? waiter_park(w, deadline) : WAKE_CLOSED;
    waiter_destroy(w);
    return cause;
}

/* What each end of a wait makes of the call; 0: try again, -1: errno is set already. */
static const int errors[] = {
    [WAKE_READY] = 0,      [WAKE_DEADLINE] = EAGAIN, [WAKE_CLOSED] = EBADF,
    [WAKE_SIGNAL] = EINTR, [WAKE_FAILED] = -1,       [WAKE_REFUSED] = 0,
};

/* Another thread may close the descriptor at any moment, but not during a try. */
static int begin_try(struct blocking *b)
{
    closings_try_begin(b->closings);
    if (b->life == incarnation_life(b->fd))
        return 0;
    closings_try_end(b->closings);
    errno = EBADF;
    return -1;
}

/* 0: try again; -1 with errno: the call fails. */
static int conclude(struct blocking *b, enum wake cause)
{
    if (cause == WAKE_REFUSED)
        b->dontwait = 0;
    if (errors[cause] == 0)
        return cause == WAKE_READY ? begin_try(b) : 0;
    if (errors[cause] > 0)
        errno = errors[cause];
    return -1;
}

int blocking_wait(struct blocking *b)
{
    if (!b->examined && examine(b) != 0)
        return -1;
    return conclude(b, park(b, b->events, b->deadline));
}

int blocking_pause(struct blocking *b, double *pause)
{
    double until = hub_deadline(*pause);
    enum wake cause;

    if (!b->examined && examine(b) != 0)
        return -1;
    if (*pause < 0.016)
        *pause *= 2;
    cause = park(b, 0, until < b->deadline ? until : b->deadline);
    return conclude(b, cause == WAKE_DEADLINE && until < b->deadline ? WAKE_READY : cause);
}
