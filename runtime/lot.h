/* SPDX-License-Identifier: MIT
 *
 * The parking lot: flows that wait for a lock, a condition variable or a semaphore, found by its
 * address. The object itself stays libc's and is always the truth; a wait here is the promise to
 * try again, at once when a hooked call released the object, and now and then for releases by code
 * that is not patched.
 *
 *      attempt fails -> in the queue -> attempt fails -> park ... woken -> attempt -> out
 */
#ifndef GREEN_LOT_H
#define GREEN_LOT_H

#include "barrier.h"
#include "waiter.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

struct hub;

/* A point on a clock. time NULL: never. */
struct until {
    clockid_t clock;
    const struct timespec *time;
};
#define UNTIL_EVER ((struct until){CLOCK_MONOTONIC, NULL})

/* Seconds left, negative when it is over, or INFINITY. */
double until_left(const struct until *until);

static inline double until_first(double a, double b)
{
    return a < b ? a : b;
}

static inline double until_last(double a, double b)
{
    return a > b ? a : b;
}

/* --- operations that are tried until they succeed --------------------------------------------- */

enum lot_kind {
    LOT_EXCLUSIVE,      /* one holder */
    LOT_COUNTED,        /* a release by other code may have let in several */
    LOT_SHARED,         /* whoever gets in lets the next of this kind try */
    LOT_SHARED_IN_TURN, /* whoever gets in lets the next try */
};

struct lot_call {
    const char *name; /* for dumps; static storage */
    void *object;
    /* EBUSY: has to wait; everything else is the call's result. Never waits; may run with the
     * lot locked, in the calling flow's thread. */
    int (*attempt)(void *object);
    struct until until;
    enum lot_kind kind;
    bool plain_release; /* by a store that a later load may overtake */
    bool impatient;     /* never steps back for those that were passed over too often */
    bool interruptible; /* EINTR after a handler without SA_RESTART */
    /* Where not NULL, an error that ends the wait does not end it: it is stored here. */
    int *deferred;
};

/* What attempt returned in the end; an error that ended the wait; ETIMEDOUT; EINVAL (a time that
 * is none); or LOT_REFUSED: this flow cannot be suspended, and has to block for real. Leaves errno
 * alone. */
enum { LOT_REFUSED = -1 };
int lot_await(struct hub *hub, const struct lot_call *call);

/* --- one wait, for what cannot be tried (condition variables) --------------------------------- */

struct lot_wait;

/* In the queue from now on. NULL with ENOMEM. */
struct lot_wait *lot_join(struct hub *hub, const char *call, const void *object);
enum wake lot_park(struct lot_wait *w, double deadline);

/* Out of the queue, and freed. Whether it was woken: who does not use that has to lot_wake() the
 * next. Leaves errno alone. */
bool lot_leave(struct lot_wait *w);

/* How seldom each looks by itself, where all of the process together look once in `seconds`. */
double lot_crowd(double seconds);

/* When a look after `pause` seconds is due: a little later, so that many are due together. */
double lot_look_time(double pause);

/* --- releases --------------------------------------------------------------------------------- */

/* Wakes up to `most` that wait for the object, oldest first. Leaves errno alone. */
void lot_wake(const void *object, size_t most);

/* Wakes the oldest, who wakes the next in turn if there is something left for it (LOT_COUNTED). */
void lot_wake_chain(const void *object);

/* Wakes the oldest that can have it together with others (LOT_SHARED), or else the oldest. */
void lot_wake_sharer(const void *object);

/* The caller is about to release the object where no call of ours follows: the oldest looks until
 * it did. */
void lot_announce(const void *object);

/* Wakes one, from signal handlers too. */
void lot_wake_from_handler(const void *object);

/* Everywhere, not woken yet. */
extern atomic_size_t lot_sleepers;

/* No code of the process calls what signals condition variables in libc. */
extern atomic_bool lot_hears_signals;

/* Tests set it: nobody looks by itself any more, so that a wake that does not come is missed. */
extern atomic_bool lot_only_wakes;

static inline bool lot_is_empty(void)
{
    barrier_after_release();
    return atomic_load_explicit(&lot_sleepers, memory_order_relaxed) == 0;
}

/* After each release of an object by a hook, with a hub or without. */
static inline void lot_released(const void *object)
{
    if (!lot_is_empty())
        lot_wake(object, 1);
}

/* The hub goes, with everybody who waits in it. */
void lot_finish(struct hub *hub);

#endif
