/* SPDX-License-Identifier: MIT
 *
 * The one place where a call is suspended, whoever hosts it.
 */
#include "waiter.h"

#include "cacheline.h"
#include "hub.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

/* Of the others, the one that was used last is the one that is in the cache. */
static struct waiter *take(struct hub *hub)
{
    struct waiter *w = hub->host->own_waiter(hub);

    if (w != NULL && !w->taken) {
        w->taken = true;
        return w;
    }
    w = hub->spares;
    if (w != NULL)
        hub->spares = w->next_spare;
    else
        w = cacheline_alloc(sizeof *w);
    if (w != NULL)
        w->own = false;
    return w;
}

static void put_back(struct waiter *w)
{
    struct hub *hub = w->hub;

    w->taken = false;
    if (w->own)
        return;
    w->next_spare = hub->spares;
    hub->spares = w;
}

static int make_room(struct waiter *w, size_t fds)
{
    w->fds = fds > UINT_MAX ? NULL : reallocarray(NULL, fds, sizeof(struct fd_wait));
    w->fd_capacity = (unsigned)fds;
    if (w->fds != NULL)
        return 0;
    errno = ENOMEM;
    return -1;
}

struct waiter *waiter_create(struct hub *hub, const char *call, size_t fds)
{
    struct waiter *w = take(hub);

    if (w == NULL)
        return NULL;
    list_init(&w->link);
    w->hub = hub;
    w->call = call;
    w->fds = &w->single;
    w->fd_count = 0;
    w->fd_capacity = 1;
    w->cause = WAKE_NONE;
    w->error = 0;
    w->own_fd = -1;
    w->interruptible = w->restartable = w->remote = w->masked = w->bound = w->brief = false;
    if (fds > 1 && make_room(w, fds) != 0) {
        put_back(w);
        return NULL;
    }
    return w;
}

static void unwatch(struct waiter *w)
{
    while (w->fd_count > 0)
        fdtable_remove(&w->fds[--w->fd_count]);
}

void waiter_destroy(struct waiter *w)
{
    unwatch(w);
    if (w->fds != &w->single)
        free(w->fds);
    put_back(w);
}

int waiter_watch(struct waiter *w, int fd, short events)
{
    struct fd_entry *entry = fdtable_entry(&w->hub->fds, fd);
    struct fd_wait *wait = &w->fds[w->fd_count];

    if (entry == NULL)
        return -1;
    if (w->fd_count == w->fd_capacity) {
        errno = ENOMEM;
        return -1;
    }
    wait->waiter = w;
    wait->fd = fd;
    wait->events = events;
    if (fdtable_add(&w->hub->fds, entry, wait) != 0)
        return -1;
    w->fd_count++;
    return 0;
}

/* A foreign host hears when the first call parks, and when none is parked any more. */
static void tell_host(struct hub *hub, size_t before)
{
    if (hub->foreign != NULL && hub->foreign->waiting != NULL &&
        (before == 0) != (hub->stats.waiting == 0))
        hub->foreign->waiting(hub->foreign_data, hub->stats.waiting != 0);
}

static void enter(struct waiter *w, bool awaited)
{
    struct hub *hub = w->hub;

    list_append(&hub->waiters, &w->link);
    hub->masked += w->masked;
    hub->awaited += awaited;
    hub->stats.parked++;
    w->points = hub->points;
    hub->points = 0;
    tell_host(hub, hub->stats.waiting++);
}

static void leave(struct waiter *w, bool awaited)
{
    struct hub *hub = w->hub;

    tell_host(hub, hub->stats.waiting--);
    hub->points = w->points;
    hub->masked -= w->masked;
    hub->awaited -= awaited;
    list_remove(&w->link);
}

/* Suspends, and takes back whatever was set up for the wait. */
static void suspend(struct waiter *w)
{
    bool awaited = w->bound || w->remote || w->fd_count > 0;
    struct hub *hub = w->hub;
    int error;

    enter(w, awaited);
    error = hub->host->park(hub, w);
    leave(w, awaited);
    if (error == 0)
        return;
    w->cause = error == -1 ? WAKE_REFUSED : WAKE_FAILED;
    w->error = error;
    if (error == -1) {
        hub->stats.parked--;
        hub->stats.blocked++;
    }
}

/* -1: there is no memory for it. */
static int set_timer(struct waiter *w, double deadline)
{
    w->timer = (struct timer){.at = deadline};
    if (timers_add(&w->hub->timers, &w->timer) != 0)
        return -1;
    w->bound = true;
    return 0;
}

enum wake waiter_park(struct waiter *w, double deadline)
{
    if (w->cause == WAKE_NONE) {
        if (deadline < (double)INFINITY && set_timer(w, deadline) != 0)
            waiter_fail(w, ENOMEM);
        else
            suspend(w);
        if (w->bound)
            timers_remove(&w->hub->timers, &w->timer);
    }
    unwatch(w);
    if (w->cause == WAKE_FAILED)
        errno = w->error;
    return w->cause;
}

/* Woken, but not running yet, and about to look at its descriptors again. */
static bool looks_again(const struct waiter *w)
{
    return w->cause == WAKE_READY || w->cause == WAKE_DEADLINE;
}

void waiter_wake(struct waiter *w, enum wake cause)
{
    if (cause == WAKE_CLOSED && looks_again(w))
        w->cause = cause;
    if (w->cause != WAKE_NONE)
        return;
    w->cause = cause;
    if (!list_empty(&w->link))
        w->hub->host->unpark(w->hub, w);
}

void waiter_fail(struct waiter *w, int error)
{
    if (w->cause == WAKE_NONE)
        w->error = error;
    waiter_wake(w, WAKE_FAILED);
}
