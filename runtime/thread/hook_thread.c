/* SPDX-License-Identifier: MIT
 *
 * Hooks of the calls that make threads and let them go. In a thread with a native hub a new thread
 * is a coroutine; under a foreign host it is libc's, since what a thread shares with its maker may
 * be on a stack that the host moves away.
 */
#include "coroutine.h"
#include "hook_inside.h"
#include "hub.h"
#include "join.h"
#include "scheduler.h"
#include "thread.h"

#include <errno.h>
#include <string.h>

/* --- attributes ------------------------------------------------------------------------------- */

static bool is_everywhere(const pthread_attr_t *attributes)
{
    cpu_set_t set, all;

    memset(&all, 0xff, sizeof all);
    return pthread_attr_getaffinity_np(attributes, sizeof set, &set) != 0 || CPU_EQUAL(&set, &all);
}

/* A processor of its own, or a policy, is what no coroutine can have. */
static bool wants_real_thread(const pthread_attr_t *attributes)
{
    struct sched_param parameters = {.sched_priority = 0};
    int inherits = PTHREAD_INHERIT_SCHED, policy = SCHED_OTHER;

    if (attributes == NULL)
        return false;
    pthread_attr_getinheritsched(attributes, &inherits);
    pthread_attr_getschedpolicy(attributes, &policy);
    pthread_attr_getschedparam(attributes, &parameters);
    return !is_everywhere(attributes) ||
           (inherits == PTHREAD_EXPLICIT_SCHED &&
            (policy != SCHED_OTHER || parameters.sched_priority != 0));
}

static struct thread_wish read_wish(const pthread_attr_t *attributes)
{
    int state = PTHREAD_CREATE_JOINABLE;
    struct thread_wish wish = {NULL, 0, false};

    pthread_attr_getdetachstate(attributes, &state);
    wish.detached = state == PTHREAD_CREATE_DETACHED;
    /* Where there is none, what libc gives is NULL less the size. */
    pthread_attr_getstack(attributes, &wish.stack, &wish.stack_size);
    if ((uintptr_t)wish.stack + wish.stack_size == 0)
        wish.stack = NULL;
    if (wish.stack == NULL)
        pthread_attr_getstacksize(attributes, &wish.stack_size);
    return wish;
}

/* --- beginning -------------------------------------------------------------------------------- */

IN_HUB int create_in_hub(struct hub *hub, pthread_t *handle, const pthread_attr_t *attributes,
                         void *(*entry)(void *), void *argument)
{
    struct thread_wish wish;
    pthread_attr_t usual;
    int saved = errno, result;

    if (wants_real_thread(attributes))
        return pthread_create(handle, attributes, entry, argument);
    pthread_attr_init(&usual);
    wish = read_wish(attributes != NULL ? attributes : &usual);
    pthread_attr_destroy(&usual);
    result = thread_start(hub, &wish, entry, argument, handle);
    errno = saved;
    return result;
}

int greenify_pthread_create(pthread_t *__restrict handle,
                            const pthread_attr_t *__restrict attributes, void *(*entry)(void *),
                            void *__restrict argument)
{
    struct hub *hub = hub_current();

    if (hub == NULL || hub->scheduler == NULL)
        return pthread_create(handle, attributes, entry, argument);
    return create_in_hub(hub, handle, attributes, entry, argument);
}

pthread_t greenify_pthread_self(void)
{
    struct hub *hub = hub_current();

    return hub == NULL && thread_adopted == NULL ? pthread_self() : thread_self(hub);
}

/* --- ends ------------------------------------------------------------------------------------- */

int greenify_pthread_detach(pthread_t handle)
{
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread == NULL)
        return pthread_detach(handle);
    result = thread_detach(thread);
    thread_drop(thread);
    return result;
}

int greenify_pthread_tryjoin_np(pthread_t handle, void **value)
{
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread == NULL)
        return pthread_tryjoin_np(handle, value);
    result = thread_try_join(hub_current(), thread, value);
    thread_drop(thread);
    return result;
}
