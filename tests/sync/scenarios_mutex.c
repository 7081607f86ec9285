/* SPDX-License-Identifier: MIT
 *
 * Mutexes of all kinds, and spin locks.
 */
#include "scenarios.h"

#include <stdint.h>

pthread_mutex_t mutex;

void mutex_prepare(int type, int robust, int protocol)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutexattr_setrobust(&attributes, robust);
    pthread_mutexattr_setprotocol(&attributes, protocol);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

static void *mutex_other(void *unused)
{
    struct timespec past = {0, 0}, bad = {0, 1000000000}, soon = after(CLOCK_REALTIME, 30);
    struct timespec negative = {-1, 0}, mono = after(CLOCK_MONOTONIC, 60);

    SHOW(CALL(pthread_mutex_trylock)(&mutex));
    SHOW(CALL(pthread_mutex_timedlock)(&mutex, &past));
    SHOW(CALL(pthread_mutex_timedlock)(&mutex, &negative));
    SHOW(CALL(pthread_mutex_timedlock)(&mutex, &bad));
    SHOW(CALL(pthread_mutex_timedlock)(&mutex, &soon));
    SHOW(is_over(CLOCK_REALTIME, &soon));
    SHOW(CALL(pthread_mutex_clocklock)(&mutex, CLOCK_MONOTONIC, &mono));
    SHOW(is_over(CLOCK_MONOTONIC, &mono));
    SHOW(CALL(pthread_mutex_clocklock)(&mutex, CLOCK_PROCESS_CPUTIME_ID, &mono));
    return unused;
}

static void *mutex_unlock_other(void *unused)
{
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    return unused;
}

static void *mutex_take_and_free(void *unused)
{
    long result = CALL(pthread_mutex_lock)(&mutex);

    (void)unused;
    return (void *)(1000 * result + CALL(pthread_mutex_unlock)(&mutex));
}

static void mutex_all_kinds(bool has_owner)
{
    struct timespec bad = {0, -1};
    struct flow *other;

    SHOW(CALL(pthread_mutex_timedlock)(&mutex, &bad));
    flow_join(flow_start(mutex_other, NULL));
    if (CALL(pthread_mutex_trylock)(&mutex) == 0)
        SHOW(CALL(pthread_mutex_unlock)(&mutex));
    if (has_owner)
        flow_join(flow_start(mutex_unlock_other, NULL));
    other = flow_start(mutex_take_and_free, NULL);
    flow_pause(0.02);
    printf("%s: it waits\n", scenario);
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(flow_join(other));
}

void plain_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    mutex_all_kinds(false);
}

void adaptive_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    mutex_all_kinds(false);
}

static void errorcheck_twice(void)
{
    struct timespec soon = after(CLOCK_REALTIME, 10);

    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_timedlock)(&mutex, &soon));
    SHOW(CALL(pthread_mutex_trylock)(&mutex));
    flow_join(flow_start(mutex_unlock_other, NULL));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
}

void errorcheck_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    errorcheck_twice();
    mutex_all_kinds(true);
}

static void recursive_twice(void)
{
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_trylock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    flow_join(flow_start(mutex_unlock_other, NULL));
    flow_join(flow_start(mutex_other, NULL));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    flow_join(flow_start(mutex_other, NULL));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
}

void recursive_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    recursive_twice();
    mutex_all_kinds(true);
}

void robust_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    recursive_twice();
    mutex_prepare(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
}

static void *die_with_mutex(void *unused)
{
    pthread_mutex_lock(&mutex);
    return unused;
}

/* The holder is a thread in all three programs. */
void robust_mutex_of_the_dead(void)
{
    pthread_t thread;

    mutex_prepare(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE);
    pthread_create(&thread, NULL, die_with_mutex, NULL);
    pthread_join(thread, NULL);
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(pthread_mutex_consistent(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    pthread_create(&thread, NULL, die_with_mutex, NULL);
    pthread_join(thread, NULL);
    SHOW(CALL(pthread_mutex_trylock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(CALL(pthread_mutex_lock)(&mutex));
}

void inheriting_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    flow_join(flow_start(mutex_unlock_other, NULL));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(flow_join(flow_start(mutex_take_and_free, NULL)));
}

void spin_lock(void)
{
    pthread_spinlock_t spin;

    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    SHOW(CALL(pthread_spin_lock)(&spin));
    SHOW(pthread_spin_trylock(&spin));
    SHOW(CALL(pthread_spin_unlock)(&spin));
    SHOW(CALL(pthread_spin_lock)(&spin));
}
