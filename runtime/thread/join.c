/* SPDX-License-Identifier: MIT
 *
 * Who joins claims the thread first, and gives the claim back where it does not come to an end.
 */
#include "join.h"

#include "hub.h"
#include "thread.h"

#include <errno.h>
#include <stdbool.h>

/* Who joins has the thread to itself; 0, or why that cannot be. */
static int claim(struct hub *hub, struct thread *thread)
{
    const struct thread *current = hub != NULL ? thread_current(hub) : NULL;
    pthread_t self = current != NULL ? thread_handle(current) : pthread_self();
    int result = 0;

    pthread_mutex_lock(&thread_lock);
    if (thread->detached || list_empty(&thread->link))
        result = EINVAL;
    else if (thread == current || (current != NULL && current->joiner == thread_handle(thread)))
        result = EDEADLK;
    else if (thread->joiner != 0)
        result = EINVAL;
    else
        thread->joiner = self;
    pthread_mutex_unlock(&thread_lock);
    return result;
}

static bool has_ended(const struct thread *thread)
{
    return thread_is_of(thread, NULL);
}

/* The end of a claim: either the thread is gone, or somebody else may join it. */
static void settle(struct thread *thread, bool joined)
{
    pthread_mutex_lock(&thread_lock);
    thread->joiner = 0;
    if (joined)
        thread_remove_locked(thread);
    pthread_mutex_unlock(&thread_lock);
}

/* In a thread that cannot be suspended. To be cancelled here would be to leave with the lock. */
static int await_for_real(const struct thread *thread, struct until until)
{
    int state, result = 0;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&thread_lock);
    while (thread->hub != NULL && result == 0)
        result = until.time == NULL
                     ? pthread_cond_wait(&thread_ended, &thread_lock)
                     : pthread_cond_clockwait(&thread_ended, &thread_lock, until.clock, until.time);
    pthread_mutex_unlock(&thread_lock);
    pthread_setcancelstate(state, NULL);
    return result;
}

/* One wait; 0: look again, or LOT_REFUSED. */
static int suspend(struct hub *hub, const char *call, const struct thread *thread,
                   struct until until)
{
    struct lot_wait *w = lot_join(hub, call, thread);
    enum wake cause = WAKE_READY;
    int error = 0;

    if (w == NULL)
        return EAGAIN;
    if (!has_ended(thread))
        cause = lot_park(w, hub_now() + until_left(&until));
    if (cause == WAKE_FAILED)
        error = errno;
    (void)lot_leave(w);
    return cause == WAKE_REFUSED ? LOT_REFUSED : error;
}

static bool is_time(struct until until)
{
    return until.time == NULL || (until.time->tv_nsec >= 0 && until.time->tv_nsec < 1000000000);
}

/* The loop of a hub would wait for what it runs itself. */
static int await(struct hub *hub, const char *call, const struct thread *thread, struct until until)
{
    while (!has_ended(thread)) {
        int result;

        if (!is_time(until))
            return EINVAL;
        if (until_left(&until) <= 0)
            return ETIMEDOUT;
        if (hub == NULL)
            return await_for_real(thread, until);
        result = suspend(hub, call, thread, until);
        if (result == LOT_REFUSED)
            return thread_is_of(thread, hub) ? EDEADLK : await_for_real(thread, until);
        if (result != 0)
            return result;
    }
    return 0;
}

int thread_join(struct hub *hub, const char *call, struct thread *thread, void **value,
                struct until until)
{
    int saved = errno, result;

    if (until.clock != CLOCK_REALTIME && until.clock != CLOCK_MONOTONIC)
        return EINVAL;
    result = claim(hub, thread);
    if (result != 0)
        return result;
    result = await(hub, call, thread, until);
    if (result == 0 && value != NULL)
        *value = thread->result;
    settle(thread, result == 0);
    errno = saved;
    return result;
}

int thread_try_join(struct hub *hub, struct thread *thread, void **value)
{
    static const struct timespec past;

    if (!has_ended(thread))
        return EBUSY;
    return thread_join(hub, "pthread_tryjoin_np", thread, value,
                       (struct until){CLOCK_MONOTONIC, &past});
}

/* Where somebody joins it, this does nothing, as in libc. */
int thread_detach(struct thread *thread)
{
    int result = 0;

    pthread_mutex_lock(&thread_lock);
    if (thread->detached || list_empty(&thread->link))
        result = EINVAL;
    else if (thread->joiner == 0)
        thread->detached = true;
    if (thread->detached && thread->hub == NULL)
        thread_remove_locked(thread);
    pthread_mutex_unlock(&thread_lock);
    return result;
}
