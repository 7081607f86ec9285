/* SPDX-License-Identifier: MIT
 *
 * Our own coroutines as a host. The first of the host's words in a waiter is the coroutine.
 */
#include "hub.h"
#include "scheduler.h"
#include "thread/cancel.h"
#include "waiter.h"

#include <errno.h>

static int park(struct hub *hub, struct waiter *w)
{
    struct scheduler *scheduler = hub->scheduler;
    struct green *self = scheduler->current;
    int error = self->pending_error;

    if (scheduler_in_dispatcher(scheduler))
        return -1;
    if (error != 0) {
        self->pending_error = 0;
        return error;
    }
    if (hub->cancels != 0 && cancel_forbids(self, w))
        return ECANCELED;
    w->parked.host[0] = self;
    self->waiting = w;
    return scheduler_suspend(scheduler);
}

static void unpark(struct hub *hub, struct waiter *w)
{
    struct green *g = w->parked.host[0];

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

static struct waiter *own_waiter(struct hub *hub)
{
    return &hub->scheduler->current->own_waiter;
}

const struct host host_native = {
    .park = park,
    .unpark = unpark,
    .local = local,
    .current = current,
    .own_waiter = own_waiter,
};
