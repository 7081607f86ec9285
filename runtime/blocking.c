/* SPDX-License-Identifier: MIT
 *
 * The slow half of blocking.h: what the descriptor's flags and options say of waiting, and the
 * wait.
 */
#include "blocking.h"

#include "at_once.h"
#include "descriptor.h"
#include "suspend.h"

#include <math.h>

/* Seconds; each pause is twice the one before. */
#define PAUSE_LEAST 0.0005
#define PAUSE_MOST  0.016

static inline double deadline(const struct traits *traits, int option)
{
    return hub_deadline(option == SO_RCVTIMEO   ? traits->receive_timeout
                        : option == SO_SNDTIMEO ? traits->send_timeout
                                                : -1.);
}

static int is_over(void)
{
    errno = EBADF;
    return -1;
}

/* -1 when the call does not wait. */
static int examine(struct blocking *b)
{
    struct fd_entry *entry = fdtable_entry(&b->hub->fds, b->fd);
    const struct traits *traits;
    struct traits room;
    unsigned life;

    if (entry == NULL)
        return -1;
    life = incarnation_lives(entry->number);
    if (b->life != 0 && b->life != life)
        return is_over();
    b->life = life;
    traits = entry->examined && fd_entry_is_trusted(entry)
                 ? &entry->traits
                 : descriptor_traits(entry, b->fd, b->option, &room);
    if (traits == NULL)
        return -1;
    if (traits->nonblocking) {
        errno = EAGAIN;
        return -1;
    }
    b->deadline = deadline(traits, b->option);
    b->entry = entry;
    b->hub->stats.optimistic--;
    return 0;
}

/* What each end of a wait makes of the call; 0: try again, -1: errno is set already. */
static const int errors[] = {
    [WAKE_READY] = 0,      [WAKE_DEADLINE] = EAGAIN, [WAKE_CLOSED] = EBADF,
    [WAKE_SIGNAL] = EINTR, [WAKE_FAILED] = -1,       [WAKE_REFUSED] = 0,
};

/* Another thread may close the descriptor at any moment, but not during a try that never waits. */
int blocking_try(struct blocking *b)
{
    const struct incarnation *number = blocking_number(b->hub, b->fd);

    if (b->dontwait != 0 ? closings_try(b->hub->fds.closings, number, b->life)
                         : b->life == incarnation_lives(number))
        return 0;
    return is_over();
}

int blocking_conclude(struct blocking *b, enum wake cause)
{
    if (cause == WAKE_REFUSED)
        b->dontwait = 0;
    if (errors[cause] == 0)
        return cause == WAKE_READY ? blocking_try(b) : 0;
    if (errors[cause] > 0)
        errno = errors[cause];
    return -1;
}

/* NULL with errno, or the descriptor is not the one any more that the call began with. */
static struct waiter *begin_wait(const struct blocking *b, short events)
{
    struct waiter *w = waiter_create(b->hub, b->call, 1);

    if (w == NULL)
        return NULL;
    /* Never restarted then (signal(7)). */
    w->interruptible = b->deadline < (double)INFINITY || b->progress;
    w->restartable = true;
    if (waiter_watch(w, b->fd, events) == 0 && w->single.life == b->life)
        return w;
    if (w->fd_count > 0)
        errno = EBADF;
    waiter_destroy(w);
    return NULL;
}

/* For events, or a pause that lasts until `until`. */
static int wait_until(struct blocking *b, short events, double until)
{
    struct waiter *w;
    enum wake cause;

    if (b->entry == NULL && examine(b) != 0)
        return -1;
    if (until >= (double)INFINITY && b->deadline >= (double)INFINITY && !b->progress)
        return blocking_conclude(b, waiter_await(b->hub, b->call, b->entry,
                                                 fd_entry_is_trusted(b->entry), b->fd, events,
                                                 b->life));
    w = begin_wait(b, events);
    if (w == NULL)
        return -1;
    cause = waiter_park(w, until < b->deadline ? until : b->deadline);
    waiter_destroy(w);
    return blocking_conclude(b, cause == WAKE_DEADLINE && until < b->deadline ? WAKE_READY : cause);
}

/* An event is there all the time, and no try can use it. */
static int wait_for_another(struct blocking *b)
{
    double pause = PAUSE_LEAST * (double)(1U << (b->waits - 1));

    if (pause < PAUSE_MOST)
        b->waits++;
    return wait_until(b, 0, hub_deadline(pause));
}

int blocking_wait(struct blocking *b)
{
    if (b->waits > 0 && at_once_ready(b->fd, b->events))
        return wait_for_another(b);
    b->waits = 1;
    return wait_until(b, b->events, (double)INFINITY);
}

void blocking_renew(struct blocking *b)
{
    const struct traits *traits;
    struct traits room;

    if (b->entry == NULL || b->deadline >= (double)INFINITY)
        return;
    traits = descriptor_traits(b->entry, b->fd, b->option, &room);
    if (traits != NULL)
        b->deadline = deadline(traits, b->option);
}

bool blocking_is_unix(const struct blocking *b)
{
    int domain = 0;
    socklen_t size = sizeof domain;

    return getsockopt(b->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

int blocking_progress(struct blocking *b)
{
    b->progress = true;
    b->waits = 0;
    if (b->entry != NULL && b->deadline < (double)INFINITY && b->option == SO_SNDTIMEO &&
        blocking_is_unix(b))
        blocking_renew(b);
    return blocking_try(b);
}

int blocking_pause(struct blocking *b, double *pause)
{
    double until = hub_deadline(*pause);

    if (*pause < PAUSE_MOST)
        *pause *= 2;
    return wait_until(b, 0, until);
}
