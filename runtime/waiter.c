/* SPDX-License-Identifier: MIT
 *
 * The one place where a call is suspended, whoever hosts it.
 */
#include "waiter.h"

#include "hub.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static struct waiter *take(struct hub *hub)
{
    struct list *link = hub->spares.next;

    if (list_empty(&hub->spares))
        return malloc(sizeof(struct waiter));
    list_remove(link);
    return list_entry(link, struct waiter, link);
}

struct waiter *waiter_create(struct hub *hub, const char *call, size_t fds)
{
    struct waiter *w = take(hub);

    if (w == NULL)
        return NULL;
    w->hub = hub;
    w->call = call;
    w->cause = WAKE_NONE;
    w->error = 0;
    w->interruptible = w->restartable = w->remote = w->masked = false;
    w->own_fd = -1;
    w->timer.place = 0;
    w->fd_count = 0;
    w->fd_capacity = 1;
    w->fds = &w->single;
    list_init(&w->link);
    if (fds > 1) {
        w->fds = reallocarray(NULL, fds, sizeof(struct fd_wait));
        w->fd_capacity = fds;
        if (w->fds == NULL) {
            free(w);
            return NULL;
        }
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
    int saved = errno;

    unwatch(w);
    if (w->fds != &w->single)
        free(w->fds);
    list_append(&w->hub->spares, &w->link);
    errno = saved;
}

int waiter_watch(struct waiter *w, int fd, short events)
{
    struct fd_wait *wait;

    if (w->fd_count == w->fd_capacity) {
        errno = ENOMEM;
        return -1;
    }
    wait = &w->fds[w->fd_count];
    wait->waiter = w;
    wait->fd = fd;
    wait->events = events;
    if (fdtable_add(&w->hub->fds, wait) != 0)
        return -1;
    w->fd_count++;
    return 0;
}

static void parked_change(struct hub *hub, int by)
{
    size_t before = hub->stats.waiting;

    hub->stats.waiting += (size_t)by;
    if (hub->foreign != NULL && hub->foreign->waiting != NULL &&
        (before == 0) != (hub->stats.waiting == 0))
        hub->foreign->waiting(hub->foreign_data, hub->stats.waiting != 0);
}

/* Suspends, and takes back whatever was set up for the wait. */
static void suspend(struct waiter *w, bool bound)
{
    struct hub *hub = w->hub;
    bool awaited = bound || w->remote || w->fd_count > 0;
    int error;

    list_append(&hub->waiters, &w->link);
    hub->masked += w->masked;
    hub->awaited += awaited;
    hub->stats.parked++;
    parked_change(hub, 1);
    error = hub->host->park(hub, w);
    parked_change(hub, -1);
    hub->masked -= w->masked;
    hub->awaited -= awaited;
    list_remove(&w->link);
    if (error == -1) {
        w->cause = WAKE_REFUSED;
        hub->stats.parked--;
        hub->stats.blocked++;
    } else if (error != 0) {
        w->cause = WAKE_FAILED;
        w->error = error;
    }
}

enum wake waiter_park(struct waiter *w, double deadline)
{
    bool bound = deadline < (double)INFINITY;

    if (w->cause == WAKE_NONE) {
        w->timer.at = deadline;
        if (bound && timers_add(&w->hub->timers, &w->timer) != 0)
            waiter_fail(w, ENOMEM);
        else
            suspend(w, bound);
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
