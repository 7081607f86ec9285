/* SPDX-License-Identifier: MIT
 *
 * How a waiter is taken, suspended and put back. In a header, so that calls that wait most often do
 * it in their own frame: of a suspended coroutine less has to come into the caches again.
 */
#ifndef GREEN_SUSPEND_H
#define GREEN_SUSPEND_H

#include "fdtable.h"
#include "hot.h"
#include "hub.h"
#include "waiter.h"

#include <errno.h>

/* Those not in a record of the host's. Of those used before, the last is the one that is in the
 * cache. NULL with ENOMEM. */
struct waiter *waiter_take_spare(struct hub *hub);
void waiter_put_back_spare(struct waiter *w);

/* A foreign host hears when the first call is suspended, and when none is any more. */
void waiter_tell_host(const struct hub *hub);

/* The host did not suspend: host->park() gave `error`. */
void waiter_not_suspended(struct hub *hub, struct waiter *w, int error);

static inline struct waiter *waiter_take(struct hub *hub)
{
    struct waiter *w = hub->host->own_waiter(hub);

    return SELDOM(w == NULL) || SELDOM(w->taken) ? waiter_take_spare(hub) : w;
}

static inline void waiter_put_back(struct waiter *w)
{
    w->taken = false;
    if (SELDOM(!w->own))
        waiter_put_back_spare(w);
}

static inline void waiter_begin(struct waiter *w, const char *call)
{
    w->call = call;
    w->cause = WAKE_NONE;
    w->taken = true;
    w->interruptible = w->restartable = w->remote = w->masked = w->bound = w->brief = false;
}

static inline void waiter_enter(struct hub *hub, struct waiter *w)
{
    if (SELDOM(!w->own))
        list_append(&hub->waiters, &w->link);
    w->suspended = true;
    hub->stats.parked++;
    w->points = hub->points;
    hub->points = 0;
    if (hub->stats.waiting++ == 0)
        waiter_tell_host(hub);
}

static inline void waiter_leave(struct hub *hub, struct waiter *w)
{
    if (--hub->stats.waiting == 0)
        waiter_tell_host(hub);
    hub->points = w->points;
    w->suspended = false;
    if (SELDOM(!w->own))
        list_remove(&w->link);
}

/* Suspends, and takes back whatever was set up for the wait. `awaited`: the loop, or another
 * thread, can end it. */
static inline void waiter_suspend(struct hub *hub, struct waiter *w, bool awaited)
{
    int error;

    waiter_enter(hub, w);
    hub->awaited += awaited;
    error = hub->host->park(hub, w);
    hub->awaited -= awaited;
    waiter_leave(hub, w);
    if (SELDOM(error != 0))
        waiter_not_suspended(hub, w, error);
}

/* Leaves errno as the call has to. */
static inline enum wake waiter_end_of(const struct waiter *w)
{
    if (SELDOM(w->cause == WAKE_FAILED))
        errno = w->error;
    return w->cause;
}

/* Waits for one descriptor, for whatever time, in a call that may be restarted: waiter_create(),
 * waiter_watch(), waiter_park() and waiter_destroy() in one. `entry` is that of fd, which is
 * `trusted` or not. WAKE_CLOSED also where its life is not `life` any more. */
static inline __attribute__((always_inline)) enum wake
waiter_await(struct hub *hub, const char *call, struct fd_entry *entry, bool trusted, int fd,
             short events, unsigned life)
{
    struct waiter *w = waiter_take(hub);
    struct fd_wait *wait;
    enum wake cause = WAKE_FAILED;

    if (SELDOM(w == NULL))
        return WAKE_FAILED;
    waiter_begin(w, call);
    w->restartable = true;
    wait = &w->single;
    wait->fd = fd;
    wait->events = events;
    if (OFTEN(fdtable_add(&hub->fds, entry, trusted, wait) == 0)) {
        w->fd_count = 1;
        if (SELDOM(wait->life != life))
            w->cause = WAKE_CLOSED;
        else if (OFTEN(w->cause == WAKE_NONE))
            waiter_suspend(hub, w, true);
        w->fd_count = 0;
        fdtable_remove(wait);
        cause = waiter_end_of(w);
    }
    waiter_put_back(w);
    return cause;
}

#endif
