/* SPDX-License-Identifier: MIT
 *
 * Hooks of <threads.h>: the POSIX calls under other names, types and results, as in libc.
 */
#include "cond.h"
#include "coroutine.h"
#include "hook_inside.h"
#include "hub.h"
#include "lot.h"
#include "mutex.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>

static int result_of(int error)
{
    static const struct {
        int error, result;
    } results[] = {
        {0, thrd_success}, {EBUSY, thrd_busy}, {ENOMEM, thrd_nomem}, {ETIMEDOUT, thrd_timedout}};

    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        if (results[i].error == error)
            return results[i].result;
    return thrd_error;
}

static pthread_mutex_t *mutex_of(mtx_t *mutex)
{
    return (pthread_mutex_t *)(void *)mutex;
}

static pthread_cond_t *cond_of(cnd_t *cond)
{
    return (pthread_cond_t *)(void *)cond;
}

int greenify_mtx_lock(mtx_t *mutex)
{
    return result_of(greenify_pthread_mutex_lock(mutex_of(mutex)));
}

int greenify_mtx_timedlock(mtx_t *mutex, const struct timespec *time)
{
    return result_of(greenify_pthread_mutex_timedlock(mutex_of(mutex), time));
}

int greenify_mtx_trylock(mtx_t *mutex)
{
    return result_of(greenify_pthread_mutex_trylock(mutex_of(mutex)));
}

int greenify_mtx_unlock(mtx_t *mutex)
{
    return result_of(greenify_pthread_mutex_unlock(mutex_of(mutex)));
}

int greenify_cnd_wait(cnd_t *cond, mtx_t *mutex)
{
    return result_of(greenify_pthread_cond_wait(cond_of(cond), mutex_of(mutex)));
}

int greenify_cnd_timedwait(cnd_t *cond, mtx_t *mutex, const struct timespec *time)
{
    return result_of(greenify_pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), time));
}

int greenify_cnd_signal(cnd_t *cond)
{
    return result_of(greenify_pthread_cond_signal(cond_of(cond)));
}

int greenify_cnd_broadcast(cnd_t *cond)
{
    return result_of(greenify_pthread_cond_broadcast(cond_of(cond)));
}

/* -1: a signal handler ran; any other error is -2, as in libc. */
int greenify_thrd_sleep(const struct timespec *time, struct timespec *left)
{
    int saved = errno, result;

    if (hub_current() == NULL)
        return thrd_sleep(time, left);
    result = greenify_nanosleep(time, left);
    if (result != 0)
        result = errno == EINTR ? -1 : -2;
    errno = saved;
    return result;
}

/* Who waits in a loop of these waits for another coroutine, or for another thread. */
int greenify_sched_yield(void)
{
    struct hub *hub = hub_current();

    if (hub != NULL)
        (void)coroutine_yield(hub);
    return sched_yield();
}

void greenify_thrd_yield(void)
{
    (void)greenify_sched_yield();
}

/* --- threads ---------------------------------------------------------------------------------- */

/* What runs in a thread of C11 returns an int; on its way there and back it is libc's own. */
struct beginning {
    thrd_start_t entry;
    void *argument;
};

static void *begin(void *argument)
{
    struct beginning beginning = *(struct beginning *)argument;

    free(argument);
    return (void *)(intptr_t)beginning.entry(beginning.argument);
}

static int create_in_hub(thrd_t *thread, thrd_start_t entry, void *argument)
{
    struct beginning *beginning = malloc(sizeof *beginning);
    int error;

    if (beginning == NULL)
        return thrd_nomem;
    *beginning = (struct beginning){entry, argument};
    error = greenify_pthread_create(thread, NULL, begin, beginning);
    if (error != 0)
        free(beginning);
    return result_of(error);
}

int greenify_thrd_create(thrd_t *thread, thrd_start_t entry, void *argument)
{
    return hub_current() == NULL ? thrd_create(thread, entry, argument)
                                 : create_in_hub(thread, entry, argument);
}

thrd_t greenify_thrd_current(void)
{
    return greenify_pthread_self();
}

int greenify_thrd_detach(thrd_t thread)
{
    return result_of(greenify_pthread_detach(thread));
}

void greenify_thrd_exit(int result)
{
    greenify_pthread_exit((void *)(intptr_t)result);
}

void *greenify_tss_get(tss_t key)
{
    return greenify_pthread_getspecific(key);
}

int greenify_tss_set(tss_t key, void *value)
{
    return result_of(greenify_pthread_setspecific(key, value));
}
