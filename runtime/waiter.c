/* SPDX-License-Identifier: MIT
 *
 * The one place where a call is suspended, whoever hosts it.
 */
#include "waiter.h"

#include "cacheline.h"
#include "hub.h"
#include "suspend.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

_Static_assert(offsetof(struct waiter, link) <= CACHE_LINE, "what every wait changes is one line");

/* --- records ---------------------------------------------------------------------------------- */

static void put_to_rest(struct waiter *w, struct hub *hub)
{
    w->hub = hub;
    w->single.waiter = w;
    w->fds = &w->single;
    w->fd_count = 0;
    w->fd_capacity = 1;
    w->own_fd = -1;
    w->taken = w->suspended = false;
}

void waiter_init(struct waiter *w, struct hub *hub)
{
    put_to_rest(w, hub);
    w->own = true;
}

struct waiter *waiter_take_spare(struct hub *hub)
{
    struct waiter *w = hub->spares;

    if (w != NULL) {
        hub->spares = w->next_spare;
        return w;
    }
    w = cacheline_alloc(sizeof *w);
    if (w == NULL)
        return NULL;
    put_to_rest(w, hub);
    w->own = false;
    return w;
}

void waiter_put_back_spare(struct waiter *w)
{
    w->next_spare = w->hub->spares;
    w->hub->spares = w;
}

static int make_room(struct waiter *w, size_t fds)
{
    struct fd_wait *room = fds > UINT_MAX ? NULL : reallocarray(NULL, fds, sizeof(struct fd_wait));

    if (room == NULL) {
        errno = ENOMEM;
        return -1;
    }
    w->fds = room;
    w->fd_capacity = (unsigned)fds;
    return 0;
}

struct waiter *waiter_create(struct hub *hub, const char *call, size_t fds)
{
    struct waiter *w = waiter_take(hub);

    if (w == NULL)
        return NULL;
    waiter_begin(w, call);
    if (fds > 1 && make_room(w, fds) != 0) {
        waiter_put_back(w);
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
    w->fds = &w->single;
    w->fd_capacity = 1;
    w->own_fd = -1;
    waiter_put_back(w);
}

void waiter_drop(struct waiter *w)
{
    if (w->own_fd >= 0)
        close(w->own_fd);
    if (!w->own)
        list_remove(&w->link);
    w->suspended = false;
    waiter_destroy(w);
}

/* Those in the hub's list come first, then the host's own. */
struct waiter *waiter_next(struct hub *hub, struct waiter *w)
{
    struct list *link = w == NULL ? hub->waiters.next : w->own ? &hub->waiters : w->link.next;

    if (link != &hub->waiters)
        return list_entry(link, struct waiter, link);
    w = hub->host->next_own(hub, w != NULL && w->own ? w : NULL);
    while (w != NULL && !w->suspended)
        w = hub->host->next_own(hub, w);
    return w;
}

/* --- waits ------------------------------------------------------------------------------------ */

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
    if (fdtable_add(&w->hub->fds, entry, fd_entry_is_trusted(entry), wait) != 0)
        return -1;
    w->fd_count++;
    return 0;
}

void waiter_tell_host(const struct hub *hub)
{
    if (hub->foreign != NULL && hub->foreign->waiting != NULL)
        hub->foreign->waiting(hub->foreign_data, hub->stats.waiting != 0);
}

void waiter_not_suspended(struct hub *hub, struct waiter *w, int error)
{
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

static void park_until(struct waiter *w, double deadline)
{
    struct hub *hub = w->hub;

    if (deadline < (double)INFINITY && set_timer(w, deadline) != 0) {
        waiter_fail(w, ENOMEM);
        return;
    }
    hub->masked += w->masked;
    waiter_suspend(hub, w, w->bound || w->remote || w->fd_count > 0);
    hub->masked -= w->masked;
    if (w->bound)
        timers_remove(&hub->timers, &w->timer);
}

enum wake waiter_park(struct waiter *w, double deadline)
{
    if (w->cause == WAKE_NONE)
        park_until(w, deadline);
    unwatch(w);
    return waiter_end_of(w);
}

/* Woken, but not running yet, and about to look at its descriptors again. */
static bool looks_again(const struct waiter *w)
{
    return w->cause == WAKE_READY || w->cause == WAKE_DEADLINE;
}

HOT void waiter_wake_in(struct hub *hub, struct waiter *w, enum wake cause)
{
    if (cause == WAKE_CLOSED && looks_again(w))
        w->cause = cause;
    if (w->cause != WAKE_NONE)
        return;
    w->cause = cause;
    if (w->suspended)
        hub->host->unpark(hub, w);
}

void waiter_fail(struct waiter *w, int error)
{
    if (w->cause == WAKE_NONE)
        w->error = error;
    waiter_wake(w, WAKE_FAILED);
}
