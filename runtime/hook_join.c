/* SPDX-License-Identifier: MIT
 *
 * Hooks of waits for other threads: joins, and barriers. libc has no way to tell that a thread has
 * ended but to ask; a barrier has no way to ask, so a thread of its own waits there.
 */
#include "claims.h"
#include "hook_inside.h"
#include "hub.h"
#include "lot.h"
#include "offload.h"
#include "thread/cancel.h"
#include "thread/join.h"
#include "thread/thread.h"
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

/* Such a thread says only that it runs. */
static bool is_detached(pthread_t thread)
{
    int state = PTHREAD_CREATE_JOINABLE;
    pthread_attr_t attributes;

    if (pthread_getattr_np(thread, &attributes) != 0)
        return false;
    pthread_attr_getdetachstate(&attributes, &state);
    pthread_attr_destroy(&attributes);
    return state == PTHREAD_CREATE_DETACHED;
}

static int ask_until_ended(struct hub *hub, const char *call, pthread_t thread, void **value,
                           struct until until)
{
    double pause = shortest;
    int result;

    while ((result = pthread_tryjoin_np(thread, value)) == EBUSY) {
        double left = until_left(&until);

        if (pause <= shortest && is_detached(thread))
            return EINVAL;
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

/* Without a hub only coroutines of other threads are ours to wait for. */
static int join_any(const char *call, pthread_t handle, void **value, struct until until)
{
    struct hub *hub = hub_current();
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread == NULL)
        return hub == NULL ? join_for_real(handle, value, until)
                           : join(hub, call, handle, value, until);
    result = thread_join(hub, call, thread, value, until);
    thread_drop(thread);
    return result;
}

IN_HUB int join_in_hub(struct hub *hub, const char *call, pthread_t handle, void **value,
                       struct until until)
{
    CANCELLATION_POINT(hub);
    return join_any(call, handle, value, until);
}

/* Whether it is certain that libc has to join. */
static inline bool is_libcs(const struct hub *hub)
{
    return hub == NULL && thread_none();
}

static int join_anywhere(struct hub *hub, const char *call, pthread_t handle, void **value,
                         struct until until)
{
    return hub == NULL ? join_any(call, handle, value, until)
                       : join_in_hub(hub, call, handle, value, until);
}

int greenify_pthread_join(pthread_t handle, void **value)
{
    struct hub *hub = hub_current();

    if (is_libcs(hub))
        return pthread_join(handle, value);
    return join_anywhere(hub, "pthread_join", handle, value, UNTIL_EVER);
}

int greenify_pthread_timedjoin_np(pthread_t handle, void **value, const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (is_libcs(hub))
        return pthread_timedjoin_np(handle, value, time);
    return join_anywhere(hub, "pthread_timedjoin_np", handle, value,
                         (struct until){CLOCK_REALTIME, time});
}

int greenify_pthread_clockjoin_np(pthread_t handle, void **value, clockid_t clock,
                                  const struct timespec *time)
{
    struct hub *hub = hub_current();

    if (is_libcs(hub))
        return pthread_clockjoin_np(handle, value, clock, time);
    return join_anywhere(hub, "pthread_clockjoin_np", handle, value, (struct until){clock, time});
}

int greenify_thrd_join(thrd_t handle, int *result)
{
    struct hub *hub = hub_current();
    void *value = NULL;

    if (is_libcs(hub))
        return thrd_join(handle, result);
    if (join_anywhere(hub, "thrd_join", handle, &value, UNTIL_EVER) != 0)
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
