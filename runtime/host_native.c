/* SPDX-License-Identifier: MIT
 *
 * Our own coroutines as a host. The first of the host's words in a waiter is the coroutine, where
 * the waiter is not in its record.
 */
#include "hot.h"
#include "hub.h"
#include "scheduler.h"
#include "thread/cancel.h"
#include "waiter.h"

#include <errno.h>

HOT static int park(struct hub *hub, struct waiter *w)
{
    struct scheduler *scheduler = hub->scheduler;
    struct green *self = scheduler->current;
    int error = self->pending_error;

    if (SELDOM(scheduler_in_dispatcher(scheduler)))
        return -1;
    if (SELDOM(error != 0)) {
        self->pending_error = 0;
        return error;
    }
    if (SELDOM(hub->cancels != 0) && cancel_forbids(self, w))
        return ECANCELED;
    if (SELDOM(!w->own))
        w->parked.host[0] = self;
    self->waiting = w;
    return scheduler_suspend(scheduler);
}

HOT static void unpark(struct hub *hub, struct waiter *w)
{
    struct green *g = w->own ? list_entry(w, struct green, own_waiter) : w->parked.host[0];

    g->waiting = NULL;
    (w->cause == WAKE_DEADLINE && !w->brief ? scheduler_due : scheduler_ready)(hub->scheduler, g);
}

static void **local(struct hub *hub, void (*destroy)(void *))
{
    struct green *self = hub->scheduler->current;

    self->local_destroy = destroy;
    return &self->local;
}

static void *current(struct hub *hub)
{
    return hub->scheduler->current;
}

HOT static struct waiter *own_waiter(struct hub *hub)
{
    return &hub->scheduler->current->own_waiter;
}

/* There is no scheduler where it could not be made. */
static struct waiter *next_own(struct hub *hub, struct waiter *w)
{
    const struct list *all = hub->scheduler != NULL ? &hub->scheduler->all : NULL;
    struct list *next;

    if (all == NULL)
        return NULL;
    next = w == NULL ? all->next : list_entry(w, struct green, own_waiter)->all.next;
    return next == all ? NULL : &list_entry(next, struct green, all)->own_waiter;
}

const struct host host_native = {
    .park = park,
    .unpark = unpark,
    .local = local,
    .current = current,
    .own_waiter = own_waiter,
    .next_own = next_own,
};
