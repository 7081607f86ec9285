/* SPDX-License-Identifier: MIT
 *
 * All of it happens in the coroutine's own thread.
 */
#include "cancel.h"

#include "coroutine.h"
#include "scheduler.h"
#include "unwind.h"
#include "waiter.h"

#include <errno.h>
#include <pthread.h>

static bool is_wanted(const struct cancellation *c)
{
    return c->requested && !c->disabled && !c->ignore;
}

void cancel_ignore(struct green *self)
{
    struct cancellation *c = &self->cancellation;

    c->ignore = true;
    if (c->requested)
        self->scheduler->hub->cancels--;
    c->requested = c->due = false;
    self->scheduler->hub->points = 0; /* it does not come back to those that it is in */
}

/* What is left of the error that ended a wait was for this. */
_Noreturn static void act(struct green *self)
{
    self->pending_error = 0;
    unwind(self, PTHREAD_CANCELED);
}

/* --- points ----------------------------------------------------------------------------------- */

void cancel_at_entry(struct hub *hub)
{
    struct green *self = scheduler_coroutine(hub->scheduler);

    if (self != NULL && is_wanted(&self->cancellation))
        act(self);
}

void cancel_at_exit(struct hub *hub)
{
    struct green *self = scheduler_coroutine(hub->scheduler);

    if (self != NULL && self->cancellation.due && is_wanted(&self->cancellation))
        act(self);
}

void cancel_at_once(struct hub *hub)
{
    struct green *self = hub != NULL ? scheduler_coroutine(hub->scheduler) : NULL;

    if (self != NULL && self->cancellation.asynchronous && is_wanted(&self->cancellation))
        act(self);
}

static bool ends(const struct cancellation *c, const struct waiter *w)
{
    return is_wanted(c) && !c->due && w->points > 0;
}

bool cancel_forbids(struct green *self, const struct waiter *w)
{
    if (!ends(&self->cancellation, w))
        return false;
    self->cancellation.due = true;
    return true;
}

/* --- the coroutine's own thread --------------------------------------------------------------- */

void cancel_note(struct green *coroutine)
{
    struct cancellation *c = &coroutine->cancellation;
    struct waiter *w = coroutine->waiting;

    if (c->ignore || c->requested)
        return;
    c->requested = true;
    coroutine->scheduler->hub->cancels++;
    if (w == NULL || w->cause != WAKE_NONE || !ends(c, w))
        return;
    c->due = true;
    waiter_fail(w, ECANCELED);
}

int cancel_set_state(struct green *self, int state, int *before)
{
    struct cancellation *c = &self->cancellation;

    if (state != PTHREAD_CANCEL_ENABLE && state != PTHREAD_CANCEL_DISABLE)
        return EINVAL;
    if (before != NULL)
        *before = c->disabled ? PTHREAD_CANCEL_DISABLE : PTHREAD_CANCEL_ENABLE;
    c->disabled = state == PTHREAD_CANCEL_DISABLE;
    cancel_at_once(self->scheduler->hub);
    return 0;
}

int cancel_set_type(struct green *self, int type, int *before)
{
    struct cancellation *c = &self->cancellation;

    if (type != PTHREAD_CANCEL_DEFERRED && type != PTHREAD_CANCEL_ASYNCHRONOUS)
        return EINVAL;
    if (before != NULL)
        *before = c->asynchronous ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
    c->asynchronous = type == PTHREAD_CANCEL_ASYNCHRONOUS;
    cancel_at_once(self->scheduler->hub);
    return 0;
}
