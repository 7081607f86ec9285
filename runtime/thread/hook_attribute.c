/* SPDX-License-Identifier: MIT
 *
 * Hooks of what can be asked of a thread and told to it, by its handle. A coroutine has a stack and
 * a name of its own; processors, scheduling and clocks are those of the thread that runs it, which
 * it can ask for and not change. Signals go to that thread.
 */
#include "coroutine.h"
#include "hook_inside.h"
#include "hub.h"
#include "request.h"
#include "thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* --- the stack -------------------------------------------------------------------------------- */

static int read_attributes(const struct thread *thread, pthread_attr_t *attributes)
{
    int policy = SCHED_OTHER, error = pthread_attr_init(attributes);
    struct sched_param parameters = {.sched_priority = 0};

    if (error != 0)
        return error;
    pthread_attr_setstack(attributes, thread->stack, thread->stack_size);
    pthread_attr_setguardsize(attributes, thread->guard_size);
    pthread_attr_setdetachstate(attributes, thread_is_detached(thread) ? PTHREAD_CREATE_DETACHED
                                                                       : PTHREAD_CREATE_JOINABLE);
    if (pthread_getschedparam(thread->carrier, &policy, &parameters) == 0) {
        pthread_attr_setschedpolicy(attributes, policy);
        pthread_attr_setschedparam(attributes, &parameters);
    }
    return 0;
}

int greenify_pthread_getattr_np(pthread_t handle, pthread_attr_t *attributes)
{
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread == NULL)
        return pthread_getattr_np(handle, attributes);
    result = read_attributes(thread, attributes);
    thread_drop(thread);
    return result;
}

/* --- the name --------------------------------------------------------------------------------- */

int greenify_pthread_setname_np(pthread_t handle, const char *name)
{
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread == NULL)
        return pthread_setname_np(handle, name);
    result = thread_set_name(hub_current(), thread, name);
    thread_drop(thread);
    return result;
}

int greenify_pthread_getname_np(pthread_t handle, char *name, size_t size)
{
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread == NULL)
        return pthread_getname_np(handle, name, size);
    result = thread_get_name(hub_current(), thread, name, size);
    thread_drop(thread);
    return result;
}

/* --- the thread that runs it ------------------------------------------------------------------ */

/* Who is meant. */
enum who { COROUTINE, THREAD, NOBODY };

/* *handle becomes that of the thread. NOBODY: the coroutine has ended. */
static enum who find_carrier(pthread_t *handle)
{
    struct thread *thread = thread_take(handle);
    bool ended;

    if (thread == NULL)
        return THREAD;
    *handle = thread->carrier;
    ended = thread_is_of(thread, NULL);
    thread_drop(thread);
    return ended ? NOBODY : COROUTINE;
}

int greenify_pthread_getcpuclockid(pthread_t handle, clockid_t *clock)
{
    return find_carrier(&handle) == NOBODY ? ESRCH : pthread_getcpuclockid(handle, clock);
}

int greenify_pthread_getaffinity_np(pthread_t handle, size_t size, cpu_set_t *set)
{
    return find_carrier(&handle) == NOBODY ? ESRCH : pthread_getaffinity_np(handle, size, set);
}

int greenify_pthread_getschedparam(pthread_t handle, int *__restrict policy,
                                   struct sched_param *__restrict parameters)
{
    return find_carrier(&handle) == NOBODY ? ESRCH
                                           : pthread_getschedparam(handle, policy, parameters);
}

/* Nothing may change for the others of the thread: what is so already is granted. */
static int grant(bool is_so)
{
    return is_so ? 0 : EPERM;
}

static int grant_processors(pthread_t carrier, size_t size, const cpu_set_t *set)
{
    size_t room = size > sizeof(cpu_set_t) ? size : sizeof(cpu_set_t);
    cpu_set_t *now = calloc(2, room), *both = (cpu_set_t *)((char *)now + room);
    int error = now == NULL ? ENOMEM : pthread_getaffinity_np(carrier, room, now);

    if (error == 0) {
        CPU_AND_S(size, both, now, set);
        error = CPU_COUNT_S(size, both) == 0 ? EINVAL : grant(CPU_EQUAL_S(size, now, set) != 0);
    }
    free(now);
    return error;
}

int greenify_pthread_setaffinity_np(pthread_t handle, size_t size, const cpu_set_t *set)
{
    switch (find_carrier(&handle)) {
    case COROUTINE:
        return grant_processors(handle, size, set);
    case THREAD:
        return pthread_setaffinity_np(handle, size, set);
    default:
        return ESRCH;
    }
}

static int grant_scheduling(pthread_t carrier, int policy, int priority)
{
    int saved = errno, least = sched_get_priority_min(policy), policy_now, error;
    struct sched_param now;

    errno = saved;
    if (least < 0 || priority < least || priority > sched_get_priority_max(policy))
        return EINVAL;
    error = pthread_getschedparam(carrier, &policy_now, &now);
    return error != 0 ? error : grant(policy == policy_now && priority == now.sched_priority);
}

int greenify_pthread_setschedparam(pthread_t handle, int policy,
                                   const struct sched_param *parameters)
{
    switch (find_carrier(&handle)) {
    case COROUTINE:
        return grant_scheduling(handle, policy, parameters->sched_priority);
    case THREAD:
        return pthread_setschedparam(handle, policy, parameters);
    default:
        return ESRCH;
    }
}

static int grant_priority(pthread_t carrier, int priority)
{
    struct sched_param now;
    int policy, error = pthread_getschedparam(carrier, &policy, &now);

    return error != 0 ? error : grant_scheduling(carrier, policy, priority);
}

int greenify_pthread_setschedprio(pthread_t handle, int priority)
{
    switch (find_carrier(&handle)) {
    case COROUTINE:
        return grant_priority(handle, priority);
    case THREAD:
        return pthread_setschedprio(handle, priority);
    default:
        return ESRCH;
    }
}

/* --- signals ---------------------------------------------------------------------------------- */

/* libc keeps the first real-time signals for itself. */
static bool is_libcs(int number)
{
    return number >= __SIGRTMIN && number < SIGRTMIN;
}

/* To one that has ended and was not joined libc sends nothing, and does not complain. */
static int send_signal(struct thread *thread, int number)
{
    int error;

    if (thread_is_of(thread, NULL))
        return is_libcs(number) ? EINVAL : 0;
    error = pthread_kill(thread->carrier, number);
    if (error == 0)
        request_interrupt(hub_current(), thread, number);
    return error;
}

int greenify_pthread_kill(pthread_t handle, int number)
{
    struct thread *thread = thread_take(&handle);
    int result;

    if (thread != NULL) {
        result = send_signal(thread, number);
        thread_drop(thread);
        return result;
    }
    result = pthread_kill(handle, number);
    if (result == 0)
        request_interrupt_root(hub_current(), handle, number);
    return result;
}

int greenify_pthread_sigqueue(pthread_t handle, int number, const union sigval value)
{
    struct thread *thread = thread_take(&handle);
    int result = ESRCH;

    if (thread == NULL) {
        result = pthread_sigqueue(handle, number, value);
        if (result == 0)
            request_interrupt_root(hub_current(), handle, number);
        return result;
    }
    if (!thread_is_of(thread, NULL))
        result = pthread_sigqueue(thread->carrier, number, value);
    if (result == 0)
        request_interrupt(hub_current(), thread, number);
    thread_drop(thread);
    return result;
}
