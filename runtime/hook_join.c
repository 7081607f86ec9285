/* SPDX-License-Identifier: MIT
 *
 * Hooks of waits for other threads: joins, and barriers. libc has no way to tell that a thread has
 * ended but to ask; a barrier has no way to ask, so a thread of its own waits there.
 */
#include "claims.h"
#include "hook.h"
#include "hub.h"
#include "lot.h"
#include "offload.h"
#include "waiter.h"

#include <errno.h>
#include <stdint.h>

/* --- joins ------------------------------------------------------------------------------------ */

/* Seconds between questions, the first by doubling to the second. */
static const double shortest = 0.001, longest = 0.016;

/* 0: ask again; an error number; or LOT_REFUSED. */
static int let_pass(struct hub *hub, const char *call, double seconds)
{
    struct waiter *w = waiter_create(hub, call, 0);
    enum wake cause;

    if (w == NULL)
        return LOT_REFUSED;
    w->remote = true;
    cause = waiter_park(w, hub_deadline(seconds));
    waiter_destroy(w);
    if (cause == WAKE_FAILED)
        return errno;
    return cause == WAKE_REFUSED ? LOT_REFUSED : 0;
}

static int ask_until_ended(struct hub *hub, const char *call, pthread_t thread, void **value,
                           struct until until)
{
    double pause = shortest;
    int result;

    while ((result = pthread_tryjoin_np(thread, value)) == EBUSY) {
        double left = until_left(&until);

        if (left <= 0)
            return ETIMEDOUT;
        result = let_pass(hub, call, until_first(left, pause));
        if (result != 0)
            return result;
        pause = until_first(2 * pause, longest);
    }
    return result;
}

static int join_for_real(pthread_t thread, void **value, struct until until)
{
    return until.time == NULL ? pthread_join(thread, value)
                              : pthread_clockjoin_np(thread, value, until.clock, until.time);
}

static bool is_valid(struct until until)
{
    return until.time == NULL ||
           ((until.clock == CLOCK_REALTIME || until.clock == CLOCK_MONOTONIC) &&
            until.time->tv_nsec >= 0 && until.time->tv_nsec < 1000000000);
}

/* A thread that is being joined cannot be joined by a second one: to ask once more when it is gone
 * would be to look at memory that is gone. */
static int join(struct hub *hub, const char *call, pthread_t thread, void **value,
                struct until until)
{
    const void *claim = (const void *)(uintptr_t)thread;
    int saved = errno, result;

    if (pthread_equal(thread, pthread_self()) || !is_valid(until))
        return join_for_real(thread, value, until);
    if (!claim_take(claim))
        return EINVAL;
    result = ask_until_ended(hub, call, thread, value, until);
    if (result == LOT_REFUSED)
        result = join_for_real(thread, value, until);
    claim_drop(claim);
    errno = saved;
    return result;
}

int greenify_pthread_join(pthread_t thread, void **value)
{
    struct hub *hub = hub_current();

    return hub == NULL ? pthread_join(thread, value)
                       : join(hub, "pthread_join", thread, value, UNTIL_EVER);
}

int greenify_pthread_timedjoin_np(pthread_t thread, void **value, const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return pthread_timedjoin_np(thread, value, time);
    return join(hub, "pthread_timedjoin_np", thread, value, (struct until){CLOCK_REALTIME, time});
}

int greenify_pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock,
                                  const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (hub == NULL)
        return pthread_clockjoin_np(thread, value, clock, time);
    return join(hub, "pthread_clockjoin_np", thread, value, (struct until){clock, time});
}

int greenify_thrd_join(thrd_t thread, int *result)
{
    struct hub *hub = hub_current();
    void *value = NULL;

    if (hub == NULL)
        return thrd_join(thread, result);
    if (join(hub, "thrd_join", thread, &value, UNTIL_EVER) != 0)
        return thrd_error;
    if (result != NULL)
        *result = (int)(intptr_t)value;
    return thrd_success;
}

/* --- barriers --------------------------------------------------------------------------------- */

static long wait_at_barrier(const long *words)
{
    return pthread_barrier_wait((pthread_barrier_t *)(uintptr_t)words[0]);
}

/* The serial thread is told by -1, so that an error of the wait itself has to be told otherwise. */
static long wait_and_shift(const long *words)
{
    return wait_at_barrier(words) - PTHREAD_BARRIER_SERIAL_THREAD;
}

int greenify_pthread_barrier_wait(pthread_barrier_t *barrier)
{
    const long words[OFFLOAD_WORDS] = {(long)(uintptr_t)barrier};
    struct hub *hub = hub_current();
    int saved = errno, error;
    bool blocks = false;
    long result;

    /* Once it waits elsewhere it cannot be taken back: whether this flow can be suspended has to be
     * known before. */
    if (hub == NULL || (error = let_pass(hub, "pthread_barrier_wait", 0)) == LOT_REFUSED)
        return pthread_barrier_wait(barrier);
    errno = saved;
    if (error != 0)
        return error;
    result = offload_call(hub, "pthread_barrier_wait", wait_and_shift, words, JOB_LONG, &blocks);
    error = errno;
    errno = saved;
    if (blocks)
        return pthread_barrier_wait(barrier);
    return result == -1 ? error : (int)result + PTHREAD_BARRIER_SERIAL_THREAD;
}
