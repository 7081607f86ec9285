/* SPDX-License-Identifier: MIT
 *
 * Hooks of condition variables. Flows of hubs wait in the lot, threads in libc; a signal goes to
 * both. Where there may be signals by code that is not patched a wait ends spuriously now and then,
 * as POSIX allows, less and less often as long as nothing happens.
 */
#include "cond.h"

#include "hook_inside.h"
#include "hub.h"
#include "lot.h"
#include "mutex.h"
#include "thread/cancel.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>

/* --- how long a wait goes on without a signal ------------------------------------------------- */

enum { PATIENCES = 512 };
static const float patience_least = 0.001F, patience_most = 0.1F;

/* All of the process together end so often without a signal: who waits for a condition has more to
 * do to see that nothing has changed than who waits for a lock. */
static const double patience_each = 5e-4;

/* By flow and condition variable. Two that share a cell only look too often or too seldom. */
static _Atomic float patiences[PATIENCES];

static _Atomic float *patience_of(struct hub *hub, const pthread_cond_t *cond)
{
    uint64_t key = (uint64_t)(uintptr_t)cond ^ ((uint64_t)(uintptr_t)hub->host->current(hub) << 7);

    return &patiences[key * 0x9e3779b97f4a7c15 >> 55];
}

/* Other processes may signal it. libc keeps that of the attributes in this bit since 2.25. */
static bool is_of_processes(const pthread_cond_t *cond)
{
    return (__atomic_load_n(&cond->__data.__wrefs, __ATOMIC_RELAXED) & 1) != 0;
}

/* Whether each signal is told here. */
static bool is_heard(const pthread_cond_t *cond)
{
    return atomic_load_explicit(&lot_only_wakes, memory_order_relaxed) ||
           (atomic_load_explicit(&lot_hears_signals, memory_order_relaxed) &&
            !is_of_processes(cond));
}

/* The more wait, the less often each. */
static double patience_read(_Atomic float *cell, const pthread_cond_t *cond)
{
    double patience = (double)atomic_load_explicit(cell, memory_order_relaxed);

    if (is_heard(cond))
        return (double)INFINITY;
    return until_last(until_last(patience, (double)patience_least), lot_crowd(patience_each));
}

static void patience_learn(_Atomic float *cell, bool woken)
{
    float patience = 2 * atomic_load_explicit(cell, memory_order_relaxed);

    if (woken || patience < patience_least)
        patience = woken ? patience_least : 2 * patience_least;
    atomic_store_explicit(cell, patience > patience_most ? patience_most : patience,
                          memory_order_relaxed);
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* In the hub's loop: for real, but not for long, as a signal may have come between the two. */
static void wait_for_real(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct timespec soon;

    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_nsec += 1000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    (void)pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &soon);
}

static int wait_without_lot(pthread_cond_t *cond, pthread_mutex_t *mutex, struct until until)
{
    return until.time == NULL ? pthread_cond_wait(cond, mutex)
                              : pthread_cond_clockwait(cond, mutex, until.clock, until.time);
}

/* How a wait with the mutex unlocked ended. */
struct ended {
    enum wake cause;
    int error; /* that it has to fail with */
    bool woken;
};

static struct ended sleep_unlocked(struct hub *hub, struct lot_wait *w, const pthread_cond_t *cond,
                                   struct until until)
{
    _Atomic float *patience = patience_of(hub, cond);
    double limit = hub_now() + until_left(&until);
    struct ended ended = {WAKE_NONE, 0, false};

    ended.cause = lot_park(w, until_first(limit, lot_look_time(patience_read(patience, cond))));
    if (ended.cause == WAKE_FAILED)
        ended.error = errno;
    ended.woken = lot_leave(w);
    patience_learn(patience, ended.woken);
    return ended;
}

/* The signal of a wait that failed is for somebody else. */
static int conclude(pthread_cond_t *cond, struct until until, const struct ended *ended, int locked)
{
    if (locked != 0 || ended->error != 0) {
        if (ended->woken)
            lot_wake(cond, 1);
        return locked != 0 ? locked : ended->error;
    }
    return !ended->woken && until_left(&until) <= 0 ? ETIMEDOUT : 0;
}

int cond_wait(struct hub *hub, const char *call, pthread_cond_t *cond, pthread_mutex_t *mutex,
              struct until until)
{
    int saved = errno, deferred = 0, locked;
    struct lot_wait *w;
    struct ended ended;

    if (until.time != NULL && (until.time->tv_nsec < 0 || until.time->tv_nsec >= 1000000000))
        return EINVAL;
    CANCELLATION_POINT(hub);
    w = lot_join(hub, call, cond);
    if (w == NULL) {
        errno = saved;
        return wait_without_lot(cond, mutex, until);
    }
    locked = mutex_unlock(hub, mutex);
    if (locked != 0) {
        if (lot_leave(w))
            lot_wake(cond, 1);
        return locked;
    }
    ended = sleep_unlocked(hub, w, cond, until);
    locked = mutex_lock(hub, call, mutex, UNTIL_EVER, &deferred);
    if (ended.error == 0)
        ended.error = deferred;
    if (ended.cause == WAKE_REFUSED && locked == 0 && !ended.woken && until_left(&until) > 0)
        wait_for_real(cond, mutex);
    errno = saved;
    return conclude(cond, until, &ended, locked);
}

/* --- hooks ------------------------------------------------------------------------------------ */

/* A thread's wait releases the mutex inside libc, out of our sight. */
static void announce(const pthread_mutex_t *mutex)
{
    if (!lot_is_empty())
        lot_announce(mutex);
}

int greenify_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    struct hub *hub = hub_current();

    if (hub != NULL)
        return cond_wait(hub, "pthread_cond_wait", cond, mutex, UNTIL_EVER);
    announce(mutex);
    return pthread_cond_wait(cond, mutex);
}

/* libc keeps the clock of the attributes in this bit since 2.25. */
static clockid_t clock_of(const pthread_cond_t *cond)
{
    unsigned flags = __atomic_load_n(&cond->__data.__wrefs, __ATOMIC_RELAXED);

    return (flags & 2) != 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

int greenify_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
                                    const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub != NULL)
        return cond_wait(hub, "pthread_cond_timedwait", cond, mutex,
                         (struct until){clock_of(cond), time});
    announce(mutex);
    return pthread_cond_timedwait(cond, mutex, time);
}

int greenify_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *mutex, clockid_t clock,
                                    const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub != NULL && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC))
        return cond_wait(hub, "pthread_cond_clockwait", cond, mutex, (struct until){clock, time});
    announce(mutex);
    return pthread_cond_clockwait(cond, mutex, clock, time);
}

int greenify_pthread_cond_signal(pthread_cond_t *cond)
{
    int result = pthread_cond_signal(cond);

    lot_released(cond);
    return result;
}

int greenify_pthread_cond_broadcast(pthread_cond_t *cond)
{
    int result = pthread_cond_broadcast(cond);

    if (!lot_is_empty())
        lot_wake(cond, SIZE_MAX);
    return result;
}
