/* SPDX-License-Identifier: MIT
 *
 * pthread_cancel() of coroutines. A hook that POSIX calls a cancellation point says so before it
 * begins, and needs to do nothing else:
 *
 *      CANCELLATION_POINT(hub);
 *
 * A request ends the wait that the call is in; the hook lets go of what it has and returns, and on
 * its way out the coroutine leaves instead. It must not call such a hook while it holds anything.
 */
#ifndef GREEN_THREAD_CANCEL_H
#define GREEN_THREAD_CANCEL_H

#include "hot.h"
#include "hub.h"

#include <stdbool.h>

struct green;
struct waiter;

/* Of a coroutine. All zero in the beginning. */
struct cancellation {
    bool disabled;     /* pthread_setcancelstate() */
    bool asynchronous; /* pthread_setcanceltype(): at once where the coroutine itself asks */
    bool requested;
    bool due;    /* a wait was ended for it: acted upon at the end of this call */
    bool ignore; /* the coroutine is leaving already */
};

/* --- points ----------------------------------------------------------------------------------- */

/* Act on a request, if there is one to be acted upon: any; one that ended a wait; one that need not
 * wait for a cancellation point. */
void cancel_at_entry(struct hub *hub);
void cancel_at_exit(struct hub *hub);
void cancel_at_once(struct hub *hub);

static inline struct hub *cancel_enter(struct hub *hub)
{
    if (SELDOM(hub->cancels != 0))
        cancel_at_entry(hub);
    hub->points++;
    return hub;
}

static inline void cancel_leave(struct hub *const *hub)
{
    (*hub)->points--;
    if (SELDOM((*hub)->cancels != 0))
        cancel_at_exit(*hub);
}

#define CANCELLATION_POINT(of_hub)                                                                 \
    __attribute__((cleanup(cancel_leave))) struct hub *cancellation_point_ = cancel_enter(of_hub)

/* Whether the running coroutine must not begin this wait. */
bool cancel_forbids(struct green *self, const struct waiter *w);

/* --- requests --------------------------------------------------------------------------------- */

/* In the coroutine's own thread; from others: request.h. */
void cancel_note(struct green *coroutine);

/* No request counts any more. */
void cancel_ignore(struct green *self);

/* The running coroutine's; error numbers as libc's. */
int cancel_set_state(struct green *self, int state, int *before);
int cancel_set_type(struct green *self, int type, int *before);

#endif
