/* SPDX-License-Identifier: MIT
 *
 * What each call of group sync returns where it is decided by the standard or by libc, printed: the
 * three builds of this file have to print the same.
 */
#include "flow.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>

/* --- printing --------------------------------------------------------------------------------- */

static const char *scenario;

/* The calls return errors; errno has to stay what it was. */
#define SHOW(call)                                                                                 \
    do {                                                                                           \
        long shown_;                                                                               \
        errno = 1234;                                                                              \
        shown_ = (long)(call);                                                                     \
        printf("%s: %s = %ld%s\n", scenario, #call, shown_, errno == 1234 ? "" : " errno!");       \
    } while (0)

/* Those that return -1 and set it. */
#define SHOW_ERRNO(call)                                                                           \
    do {                                                                                           \
        long shown_;                                                                               \
        errno = 1234;                                                                              \
        shown_ = (long)(call);                                                                     \
        printf("%s: %s = %ld, errno %d\n", scenario, #call, shown_, errno);                        \
    } while (0)

static struct timespec after(clockid_t clock, long milliseconds)
{
    struct timespec time;

    clock_gettime(clock, &time);
    time.tv_nsec += milliseconds * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static bool is_over(clockid_t clock, const struct timespec *time)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec > time->tv_sec ||
           (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
}

/* --- mutexes ---------------------------------------------------------------------------------- */

static pthread_mutex_t mutex;

static void mutex_prepare(int type, int robust, int protocol)
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

static void plain_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    mutex_all_kinds(false);
}

static void adaptive_mutex(void)
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

static void errorcheck_mutex(void)
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

static void recursive_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_NONE);
    recursive_twice();
    mutex_all_kinds(true);
}

static void robust_mutex(void)
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
static void robust_mutex_of_the_dead(void)
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

static void inheriting_mutex(void)
{
    mutex_prepare(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT);
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    SHOW(CALL(pthread_mutex_lock)(&mutex));
    flow_join(flow_start(mutex_unlock_other, NULL));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(CALL(pthread_mutex_unlock)(&mutex));
    SHOW(flow_join(flow_start(mutex_take_and_free, NULL)));
}

static void spin_lock(void)
{
    pthread_spinlock_t spin;

    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    SHOW(CALL(pthread_spin_lock)(&spin));
    SHOW(pthread_spin_trylock(&spin));
    SHOW(CALL(pthread_spin_unlock)(&spin));
    SHOW(CALL(pthread_spin_lock)(&spin));
}

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

static void cond_times(void)
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

static void cond_without_mutex(void)
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

static void cond_signals(void)
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

static void rwlock_all(void)
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

static void semaphores(void)
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
    soon = after(CLOCK_REALTIME, 5000);
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &soon));
    SHOW(flow_join(other));
    sem_init(&semaphore, 0, SEM_VALUE_MAX);
    SHOW_ERRNO(CALL(sem_post)(&semaphore));
    SHOW_ERRNO(CALL(sem_timedwait)(&semaphore, &past));
}

/* --- once, barriers, joins -------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT, outer = PTHREAD_ONCE_INIT;
static once_flag c11_once = ONCE_FLAG_INIT;
static int initialised;

static void initialise(void)
{
    flow_pause(0.02);
    initialised++;
}

static void nested(void)
{
    CALL(pthread_once)(&once, initialise);
    initialised += 10;
}

static void *use_once(void *unused)
{
    CALL(pthread_once)(&outer, nested);
    CALL(pthread_once)(&once, initialise);
    CALL(call_once)(&c11_once, initialise);
    (void)unused;
    return (void *)(intptr_t)(initialised == 12 ? 1 : 0);
}

static void once_all(void)
{
    struct flow *flows[8];
    long right = 0;

    for (int i = 0; i < 8; i++)
        flows[i] = flow_start(use_once, NULL);
    for (int i = 0; i < 8; i++)
        right += (long)(intptr_t)flow_join(flows[i]);
    SHOW(right);
    SHOW(initialised);
    SHOW(CALL(pthread_once)(&once, initialise));
    SHOW(initialised);
}

static pthread_barrier_t barrier;

static void *use_barrier(void *unused)
{
    long serial = 0;

    for (int i = 0; i < 3; i++)
        serial += CALL(pthread_barrier_wait)(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    (void)unused;
    return (void *)(intptr_t)serial;
}

static void barriers(void)
{
    struct flow *flows[40];
    long serial = 0;

    pthread_barrier_init(&barrier, NULL, 40);
    for (int i = 0; i < 40; i++)
        flows[i] = flow_start(use_barrier, NULL);
    for (int i = 0; i < 40; i++)
        serial += (long)(intptr_t)flow_join(flows[i]);
    SHOW(serial);
    SHOW(pthread_barrier_destroy(&barrier));
}

static pthread_t sleeper;

static void *sleep_and_say(void *milliseconds)
{
    struct timespec time = {0, (long)(intptr_t)milliseconds * 1000000};

    nanosleep(&time, NULL);
    return milliseconds;
}

static int say_seven(void *unused)
{
    (void)unused;
    return 7;
}

static void *join_sleeper(void *unused)
{
    void *value = NULL;

    (void)unused;
    if (CALL(pthread_join)(sleeper, &value) != 0)
        abort();
    return value;
}

static void joins(void)
{
    struct timespec soon = after(CLOCK_REALTIME, 20);
    struct timespec mono = after(CLOCK_MONOTONIC, 5000);
    struct flow *other;
    thrd_t thread;
    void *value = NULL;
    int result = 0;

    pthread_create(&sleeper, NULL, sleep_and_say, (void *)(intptr_t)150);
    SHOW(CALL(pthread_timedjoin_np)(sleeper, &value, &soon));
    SHOW(is_over(CLOCK_REALTIME, &soon));
    other = flow_start(join_sleeper, NULL);
    SHOW(flow_join(other));
    SHOW(CALL(pthread_join)(pthread_self(), &value));
    pthread_create(&sleeper, NULL, sleep_and_say, (void *)(intptr_t)30);
    SHOW(CALL(pthread_clockjoin_np)(sleeper, &value, CLOCK_MONOTONIC, &mono));
    SHOW((long)(intptr_t)value);
    thrd_create(&thread, say_seven, NULL);
    SHOW(CALL(thrd_join)(thread, &result));
    SHOW(result);
}

/* --- C11 -------------------------------------------------------------------------------------- */

static mtx_t mtx;
static cnd_t cnd;

static void *mtx_other(void *unused)
{
    struct timespec soon = after(CLOCK_REALTIME, 20);

    SHOW(CALL(mtx_trylock)(&mtx));
    SHOW(CALL(mtx_timedlock)(&mtx, &soon));
    SHOW(is_over(CLOCK_REALTIME, &soon));
    return unused;
}

static void *cnd_other(void *unused)
{
    long result = CALL(mtx_lock)(&mtx);

    (void)unused;
    released = 1;
    result = 10 * result + CALL(cnd_signal)(&cnd);
    result = 10 * result + CALL(cnd_broadcast)(&cnd);
    return (void *)(10 * result + CALL(mtx_unlock)(&mtx));
}

static void c11(void)
{
    struct timespec time = {0, 1000000}, soon = after(CLOCK_REALTIME, 20);
    struct flow *other;
    int result;

    mtx_init(&mtx, mtx_timed | mtx_recursive);
    cnd_init(&cnd);
    released = 0;
    SHOW(CALL(mtx_lock)(&mtx));
    SHOW(CALL(mtx_lock)(&mtx));
    flow_join(flow_start(mtx_other, NULL));
    SHOW(CALL(mtx_unlock)(&mtx));
    while ((result = CALL(cnd_timedwait)(&cnd, &mtx, &soon)) == thrd_success)
        continue;
    SHOW(result);
    other = flow_start(cnd_other, NULL);
    while (released == 0)
        if (CALL(cnd_wait)(&cnd, &mtx) != thrd_success)
            abort();
    SHOW(CALL(mtx_unlock)(&mtx));
    SHOW(flow_join(other));
    SHOW(CALL(thrd_sleep)(&time, NULL));
    time.tv_nsec = -1;
    SHOW(CALL(thrd_sleep)(&time, NULL));
    SHOW(CALL(sched_yield)());
    CALL(thrd_yield)();
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"plain mutex", plain_mutex},
    {"adaptive mutex", adaptive_mutex},
    {"error-checking mutex", errorcheck_mutex},
    {"recursive mutex", recursive_mutex},
    {"robust mutex", robust_mutex},
    {"robust mutex of the dead", robust_mutex_of_the_dead},
    {"inheriting mutex", inheriting_mutex},
    {"spin lock", spin_lock},
    {"cond times", cond_times},
    {"cond without mutex", cond_without_mutex},
    {"cond signals", cond_signals},
    {"rwlock", rwlock_all},
    {"semaphores", semaphores},
    {"once", once_all},
    {"barriers", barriers},
    {"joins", joins},
    {"c11", c11},
};

static void *run_all(void *only)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        scenario = scenarios[i].name;
        if (only == NULL || strcmp(only, scenario) == 0)
            scenarios[i].run();
        fflush(stdout);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    flow_join(flow_start(run_all, argc > 1 ? argv[1] : NULL));
    return EXIT_SUCCESS;
}
