/* SPDX-License-Identifier: MIT
 *
 * What each call of group sync returns where it is decided by the standard or by libc, printed: the
 * three builds of this file have to print the same.
 */
#include "scenarios.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

const char *scenario;

struct timespec after(clockid_t clock, long milliseconds)
{
    struct timespec time;

    clock_gettime(clock, &time);
    time.tv_nsec += milliseconds * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

bool is_over(clockid_t clock, const struct timespec *time)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec > time->tv_sec ||
           (now.tv_sec == time->tv_sec && now.tv_nsec >= time->tv_nsec);
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
static bool may_end;

static void *sleep_and_say(void *milliseconds)
{
    struct timespec time = {0, (long)(intptr_t)milliseconds * 1000000};

    do
        nanosleep(&time, NULL);
    while (!__atomic_load_n(&may_end, __ATOMIC_ACQUIRE));
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
    struct timespec mono = after(CLOCK_MONOTONIC, 60000);
    struct flow *other;
    thrd_t thread;
    void *value = NULL;
    int result = 0;

    pthread_create(&sleeper, NULL, sleep_and_say, (void *)(intptr_t)50);
    SHOW(CALL(pthread_timedjoin_np)(sleeper, &value, &soon));
    SHOW(is_over(CLOCK_REALTIME, &soon));
    __atomic_store_n(&may_end, true, __ATOMIC_RELEASE);
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
static bool released;

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
    released = true;
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
    released = false;
    SHOW(CALL(mtx_lock)(&mtx));
    SHOW(CALL(mtx_lock)(&mtx));
    flow_join(flow_start(mtx_other, NULL));
    SHOW(CALL(mtx_unlock)(&mtx));
    while ((result = CALL(cnd_timedwait)(&cnd, &mtx, &soon)) == thrd_success)
        continue;
    SHOW(result);
    other = flow_start(cnd_other, NULL);
    while (!released)
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
