/* SPDX-License-Identifier: MIT
 *
 * Condition variables, reader-writer locks, semaphores.
 */
#include "scenarios.h"

#include <limits.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>

/* --- condition variables ---------------------------------------------------------------------- */

static pthread_cond_t cond;
static int waiting, released, woken;

static void cond_prepare(clockid_t clock, int type)
{
    pthread_condattr_t attributes;

    mutex_prepare(type, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, clock);
    pthread_cond_init(&cond, &attributes);
    pthread_condattr_destroy(&attributes);
    waiting = released = woken = 0;
}

/* Spurious ends are allowed: waits on until it is something else. */
static int timedwait_to_the_end(const struct timespec *time)
{
    int result;

    while ((result = CALL(pthread_cond_timedwait)(&cond, &mutex, time)) == 0)
        continue;
    return result;
}

static int clockwait_to_the_end(clockid_t clock, const struct timespec *time)
{
    int result;

    while ((result = CALL(pthread_cond_clockwait)(&cond, &mutex, clock, time)) == 0)
        continue;
    return result;
}

void cond_times(void)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    struct timespec bad = {0, 1000000000}, past = {0, 0};

    for (size_t i = 0; i < 2; i++) {
        struct timespec soon;

        cond_prepare(clocks[i], PTHREAD_MUTEX_ERRORCHECK);
        soon = after(clocks[i], 30);
        SHOW(CALL(pthread_mutex_lock)(&mutex));
        SHOW(timedwait_to_the_end(&soon));
        SHOW(is_over(clocks[i], &soon));
        soon = after(CLOCK_MONOTONIC, 30);
        SHOW(clockwait_to_the_end(CLOCK_MONOTONIC, &soon));
        SHOW(is_over(CLOCK_MONOTONIC, &soon));
        SHOW(timedwait_to_the_end(&past));
        SHOW(CALL(pthread_cond_timedwait)(&cond, &mutex, &bad));
        SHOW(CALL(pthread_cond_clockwait)(&cond, &mutex, CLOCK_PROCESS_CPUTIME_ID, &past));
        SHOW(CALL(pthread_mutex_lock)(&mutex));
        SHOW(CALL(pthread_mutex_unlock)(&mutex));
    }
}

void cond_without_mutex(void)
{
    cond_prepare(CLOCK_REALTIME, PTHREAD_MUTEX_ERRORCHECK);
    SHOW(CALL(pthread_cond_wait)(&cond, &mutex));
    SHOW(CALL(pthread_cond_signal)(&cond));
    SHOW(CALL(pthread_cond_broadcast)(&cond));
}

static void *wait_for_release(void *unused)
{
    CALL(pthread_mutex_lock)(&mutex);
    waiting++;
    while (released == 0)
        if (CALL(pthread_cond_wait)(&cond, &mutex) != 0)
            abort();
    released--;
    woken++;
    CALL(pthread_mutex_unlock)(&mutex);
    return unused;
}

static void cond_await_waiting(int count)
{
    bool there = false;

    while (!there) {
        flow_pause(0.002);
        CALL(pthread_mutex_lock)(&mutex);
        there = waiting >= count;
        CALL(pthread_mutex_unlock)(&mutex);
    }
}

void cond_signals(void)
{
    struct flow *flows[10];

    cond_prepare(CLOCK_MONOTONIC, PTHREAD_MUTEX_RECURSIVE);
    for (int i = 0; i < 10; i++)
        flows[i] = flow_start(wait_for_release, NULL);
    cond_await_waiting(10);
    for (int i = 0; i < 4; i++) {
        CALL(pthread_mutex_lock)(&mutex);
        released++;
        SHOW(CALL(pthread_cond_signal)(&cond));
        CALL(pthread_mutex_unlock)(&mutex);
    }
    CALL(pthread_mutex_lock)(&mutex);
    released += 6;
    SHOW(CALL(pthread_cond_broadcast)(&cond));
    CALL(pthread_mutex_unlock)(&mutex);
    for (int i = 0; i < 10; i++)
        flow_join(flows[i]);
    SHOW(woken);
    SHOW(released);
}

/* --- reader-writer locks ---------------------------------------------------------------------- */

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void *rwlock_tries(void *unused)
{
    struct timespec past = {0, 0}, bad = {0, -5}, soon = after(CLOCK_REALTIME, 20);
    struct timespec mono = after(CLOCK_MONOTONIC, 40);
    bool reads = pthread_rwlock_tryrdlock(&rwlock) == 0;

    SHOW(reads);
    if (reads)
        SHOW(CALL(pthread_rwlock_unlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_trywrlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_timedwrlock)(&rwlock, &past));
    SHOW(CALL(pthread_rwlock_timedwrlock)(&rwlock, &bad));
    SHOW(CALL(pthread_rwlock_timedwrlock)(&rwlock, &soon));
    SHOW(CALL(pthread_rwlock_clockwrlock)(&rwlock, CLOCK_MONOTONIC, &mono));
    SHOW(CALL(pthread_rwlock_clockwrlock)(&rwlock, CLOCK_PROCESS_CPUTIME_ID, &mono));
    SHOW(CALL(pthread_rwlock_clockrdlock)(&rwlock, CLOCK_MONOTONIC, &bad));
    if (!reads)
        SHOW(CALL(pthread_rwlock_timedrdlock)(&rwlock, &soon));
    return unused;
}

static void *rwlock_read(void *unused)
{
    long result = CALL(pthread_rwlock_rdlock)(&rwlock);

    (void)unused;
    return (void *)(1000 * result + CALL(pthread_rwlock_unlock)(&rwlock));
}

static void *rwlock_write(void *unused)
{
    long result = CALL(pthread_rwlock_wrlock)(&rwlock);

    (void)unused;
    return (void *)(1000 * result + CALL(pthread_rwlock_unlock)(&rwlock));
}

void rwlock_all(void)
{
    struct timespec soon = after(CLOCK_REALTIME, 2000);
    struct flow *other;

    SHOW(CALL(pthread_rwlock_rdlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_rdlock)(&rwlock));
    flow_join(flow_start(rwlock_tries, NULL));
    SHOW(CALL(pthread_rwlock_unlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_unlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_wrlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_wrlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_rdlock)(&rwlock));
    SHOW(CALL(pthread_rwlock_timedwrlock)(&rwlock, &soon));
    SHOW(CALL(pthread_rwlock_timedrdlock)(&rwlock, &soon));
    SHOW(CALL(pthread_rwlock_trywrlock)(&rwlock));
    flow_join(flow_start(rwlock_tries, NULL));
    other = flow_start(rwlock_read, NULL);
    flow_pause(0.02);
    SHOW(CALL(pthread_rwlock_unlock)(&rwlock));
    SHOW(flow_join(other));
    SHOW(CALL(pthread_rwlock_trywrlock)(&rwlock));
    other = flow_start(rwlock_write, NULL);
    flow_pause(0.02);
    SHOW(CALL(pthread_rwlock_unlock)(&rwlock));
    SHOW(flow_join(other));
}

/* --- semaphores ------------------------------------------------------------------------------- */

static sem_t semaphore;

static void *sem_post_later(void *unused)
{
    (void)unused;
    flow_pause(0.02);
    return (void *)(intptr_t)CALL(sem_post)(&semaphore);
}

void semaphores(void)
{
    struct timespec past = {0, 0}, bad = {0, 1000000000}, soon = after(CLOCK_REALTIME, 30);
    struct timespec mono = after(CLOCK_MONOTONIC, 60);
    struct flow *other;

    sem_init(&semaphore, 0, 1);
    SHOW_ERRNO(CALL(sem_wait)(&semaphore));
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &past));
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &bad));
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &soon));
    SHOW(is_over(CLOCK_REALTIME, &soon));
    SHOW_ERRNO(CALL(sem_clockwait)(&semaphore, CLOCK_MONOTONIC, &mono));
    SHOW(is_over(CLOCK_MONOTONIC, &mono));
    SHOW_ERRNO(CALL(sem_clockwait)(&semaphore, CLOCK_PROCESS_CPUTIME_ID, &mono));
    other = flow_start(sem_post_later, NULL);
    SHOW_ERRNO(CALL(sem_wait)(&semaphore));
    SHOW(flow_join(other));
    other = flow_start(sem_post_later, NULL);
    soon = after(CLOCK_REALTIME, 60000);
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &soon));
    SHOW(flow_join(other));
    sem_init(&semaphore, 0, SEM_VALUE_MAX);
    SHOW_ERRNO(CALL(sem_post)(&semaphore));
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &past));
}
