/* SPDX-License-Identifier: MIT
 *
 * How waits for locks end when nobody simply unlocks: kills, times, code that is not patched, the
 * hub's own loop, signal handlers, the end of the thread, forks.
 */
#include "../runtime/support.h"
#include "green.h"
#include "hook.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t semaphore, filled;
static bool content, stored;
static long counter;

static struct timespec after(double seconds)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += (long)(seconds * 1e9);
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static void join_all(green_t **flows, int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(green_join(flows[i], NULL, -1), 0);
}

/* --- ends of waits ---------------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_barrier_t barrier;
static pthread_t thread;
static mtx_t c11_mutex;
static bool may_end;

static void *sleep_until_told(void *unused)
{
    while (!__atomic_load_n(&may_end, __ATOMIC_ACQUIRE))
        usleep(1000);
    return unused;
}

static void linger(void)
{
    while (!may_end)
        green_sleep(0.001);
}

static void *hold_once(void *unused)
{
    greenify_pthread_once(&once, linger);
    return unused;
}

static void *on_mutex(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_mutex_lock(&mutex);
}

static void *on_recursive(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_mutex_lock(&recursive);
}

static void *on_cond(void *unused)
{
    pthread_mutex_t own = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    int result;

    (void)unused;
    greenify_pthread_mutex_lock(&own);
    while ((result = greenify_pthread_cond_wait(&cond, &own)) == 0)
        continue;
    /* It has the mutex again, whatever ended it. */
    if (greenify_pthread_mutex_unlock(&own) != 0)
        abort();
    return (void *)(intptr_t)result;
}

static void *on_read(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_rwlock_rdlock(&rwlock);
}

static void *on_write(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_rwlock_wrlock(&rwlock);
}

static void *on_semaphore(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(greenify_sem_wait(&semaphore) == -1 ? errno : 0);
}

static void *on_barrier(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_barrier_wait(&barrier);
}

static void *on_thread(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_join(thread, NULL);
}

static void *on_once(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_once(&once, linger);
}

static void *on_spin(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)greenify_pthread_spin_lock(&spin);
}

/* thrd_error is all that C11 knows. */
static void *on_c11(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(greenify_mtx_lock(&c11_mutex) == thrd_error ? ECANCELED : 0);
}

static void *(*const points[])(void *) = {
    on_mutex,   on_recursive, on_cond, on_read, on_write, on_semaphore,
    on_barrier, on_thread,    on_once, on_spin, on_c11,
};
enum { POINTS = sizeof points / sizeof points[0] };

/* By a flow of the hub: what was locked before there was one is the thread's. */
static void block_everything(void)
{
    ck_assert_ptr_nonnull(green_loop());
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    sem_init(&semaphore, 0, 0);
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, sleep_until_told, NULL);
    mtx_init(&c11_mutex, mtx_plain);
    greenify_pthread_mutex_lock(&mutex);
    greenify_pthread_mutex_lock(&recursive);
    greenify_pthread_rwlock_wrlock(&rwlock);
    greenify_pthread_spin_lock(&spin);
    greenify_mtx_lock(&c11_mutex);
}

static void unblock_everything(void)
{
    __atomic_store_n(&may_end, true, __ATOMIC_RELEASE);
    greenify_pthread_mutex_unlock(&mutex);
    greenify_pthread_mutex_unlock(&recursive);
    greenify_pthread_rwlock_unlock(&rwlock);
    greenify_pthread_spin_unlock(&spin);
    greenify_mtx_unlock(&c11_mutex);
    greenify_sem_post(&semaphore);
}

/* After it was killed the call works again, and nobody is left in any queue. */
START_TEST(every_wait_can_be_killed_once)
{
    green_t *holder, *g;
    struct green_hub_stats stats;

    block_everything();
    holder = green_spawn(hold_once, NULL);
    green_sleep(0.005);
    for (size_t i = 0; i < POINTS; i++) {
        for (int with_time = 0; with_time < 2; with_time++) {
            void *result = NULL;

            g = green_spawn(points[i], NULL);
            green_sleep(with_time == 0 ? 0 : 0.01);
            green_yield();
            ck_assert_int_eq(green_kill(g, ECANCELED), 0);
            ck_assert_int_eq(green_join(g, &result, -1), 0);
            ck_assert_msg((intptr_t)result == ECANCELED, "point %zu ended with %ld", i,
                          (long)(intptr_t)result);
            if (points[i] == on_barrier) /* its arrival counts: sets up a new one */
                pthread_barrier_init(&barrier, NULL, 3);
        }
    }
    green_hub_stats(&stats);
    ck_assert_uint_le(stats.waiting, 1);
    unblock_everything();
    green_join(holder, NULL, -1);
    for (size_t i = 0; i < POINTS; i++) {
        void *result = NULL;

        if (points[i] == on_cond || points[i] == on_barrier || points[i] == on_write)
            continue;
        g = green_spawn(points[i], NULL);
        ck_assert_int_eq(green_join(g, &result, 10), 0);
        ck_assert_msg(result == NULL, "point %zu: %ld", i, (long)(intptr_t)result);
    }
}
END_TEST

/* What coroutines found; assertions are for the main stack. */
static int wrong;

static void expect(bool right)
{
    wrong += !right;
}

static void *timed_everything(void *joins)
{
    struct timespec soon = after(0.05);

    expect(greenify_pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
    soon = after(0.05);
    expect(greenify_pthread_mutex_clocklock(&recursive, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
    soon = after(0.05);
    expect(greenify_pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
    soon = after(0.05);
    expect(greenify_pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
    soon = after(0.05);
    expect(greenify_sem_clockwait(&semaphore, CLOCK_MONOTONIC, &soon) == -1 && errno == ETIMEDOUT);
    soon = after(0.05);
    if (joins != NULL)
        expect(greenify_pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
    return NULL;
}

/* One after another they would need twenty times as long. */
START_TEST(waits_of_many_end_in_time_together)
{
    green_t *flows[20];
    double begin = now(), alone;

    block_everything();
    green_join(green_spawn(timed_everything, &thread), NULL, -1);
    alone = now() - begin;
    ck_assert_double_ge(alone, 0.3);
    begin = now();
    for (int i = 0; i < 20; i++)
        flows[i] = green_spawn(timed_everything, i == 0 ? &thread : NULL);
    join_all(flows, 20);
    ck_assert_double_lt(now() - begin, 10 * alone);
    ck_assert_int_eq(wrong, 0);
    unblock_everything();
}
END_TEST

/* The wake of a flow that is killed goes to the next. */
START_TEST(a_killed_waiter_passes_its_signal_on)
{
    green_t *first, *second;

    greenify_pthread_mutex_lock(&mutex);
    first = green_spawn(on_mutex, NULL);
    second = green_spawn(on_mutex, NULL);
    green_yield();
    greenify_pthread_mutex_unlock(&mutex); /* wakes the first, which has not run yet */
    green_kill(first, ECANCELED);
    ck_assert_int_eq(green_join(first, NULL, -1), 0);
    greenify_pthread_mutex_unlock(&mutex);
    ck_assert_int_eq(green_join(second, NULL, 10), 0);
}
END_TEST

/* --- code that is not patched ----------------------------------------------------------------- */

static void *release_behind_our_back(void *unused)
{
    usleep(20000);
    pthread_mutex_unlock(&mutex);
    usleep(20000);
    sem_post(&semaphore);
    usleep(20000);
    pthread_rwlock_unlock(&rwlock);
    usleep(20000);
    pthread_mutex_lock(&recursive);
    stored = true;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&recursive);
    return unused;
}

static void *take_rwlock(void *unused)
{
    pthread_rwlock_wrlock(&rwlock);
    return release_behind_our_back(unused);
}

static void *await_unpatched(void *unused)
{
    expect(greenify_pthread_mutex_lock(&mutex) == 0);
    expect(greenify_sem_wait(&semaphore) == 0);
    expect(greenify_pthread_rwlock_rdlock(&rwlock) == 0);
    greenify_pthread_mutex_lock(&recursive);
    while (!stored)
        expect(greenify_pthread_cond_wait(&cond, &recursive) == 0);
    greenify_pthread_mutex_unlock(&recursive);
    return unused;
}

START_TEST(releases_by_unpatched_code_are_noticed)
{
    pthread_t other;
    green_t *g;

    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&mutex);
    pthread_create(&other, NULL, take_rwlock, NULL);
    usleep(5000);
    g = green_spawn(await_unpatched, NULL);
    ck_assert_int_eq(green_join(g, NULL, 20), 0);
    ck_assert_int_eq(wrong, 0);
    pthread_join(other, NULL);
}
END_TEST

/* --- the hub's own loop ----------------------------------------------------------------------- */

static int in_loop[4];

static void *hold_for_a_while(void *unused)
{
    greenify_pthread_mutex_lock(&mutex);
    usleep(30000);
    greenify_pthread_mutex_unlock(&mutex);
    return unused;
}

static void lock_in_callback(struct ev_loop *loop, ev_timer *timer, int revents)
{
    pthread_mutex_t own = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    struct timespec soon = after(0.01);

    (void)loop;
    (void)timer;
    (void)revents;
    in_loop[0] = greenify_pthread_mutex_lock(&mutex);
    greenify_pthread_mutex_unlock(&mutex);
    in_loop[1] = greenify_sem_clockwait(&semaphore, CLOCK_MONOTONIC, &soon);
    greenify_pthread_mutex_lock(&own);
    soon = after(0.01);
    while ((in_loop[2] = greenify_pthread_cond_clockwait(&cond, &own, CLOCK_MONOTONIC, &soon)) == 0)
        continue;
    greenify_pthread_mutex_unlock(&own);
    in_loop[3] = greenify_pthread_mutex_trylock(&recursive);
}

START_TEST(in_the_loop_calls_block_for_real)
{
    pthread_t other;
    ev_timer timer;

    sem_init(&semaphore, 0, 0);
    greenify_pthread_mutex_lock(&recursive);
    pthread_create(&other, NULL, hold_for_a_while, NULL);
    ev_timer_init(&timer, lock_in_callback, 0.01, 0.);
    ev_timer_start(green_loop(), &timer);
    greenify_pthread_mutex_unlock(&recursive);
    greenify_pthread_mutex_lock(&recursive);
    in_loop[3] = -1;
    while (in_loop[3] == -1) /* the last */
        green_sleep(0.01);
    ck_assert_int_eq(in_loop[0], 0);
    ck_assert_int_eq(in_loop[1], -1);
    ck_assert_int_eq(in_loop[2], ETIMEDOUT);
    ck_assert_int_eq(in_loop[3], EBUSY);
    pthread_join(other, NULL);
}
END_TEST

/* --- signal handlers -------------------------------------------------------------------------- */

static volatile sig_atomic_t posts;

static void post_in_handler(int number)
{
    (void)number;
    posts++;
    greenify_sem_post(&semaphore);
}

static void *take_hundred(void *unused)
{
    for (int i = 0; i < 100; i++)
        while (greenify_sem_wait(&semaphore) != 0)
            if (errno != EINTR)
                abort();
    content = true;
    return unused;
}

static void *keep_the_lot_busy(void *unused)
{
    while (!content) {
        greenify_pthread_mutex_lock(&mutex);
        green_yield();
        greenify_pthread_mutex_unlock(&mutex);
        greenify_sem_post(&filled);
        greenify_sem_wait(&filled);
    }
    return unused;
}

START_TEST(a_handler_may_post)
{
    struct sigaction action = {.sa_handler = post_in_handler, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    green_t *flows[6];

    sem_init(&semaphore, 0, 0);
    sem_init(&filled, 0, 0);
    flows[0] = green_spawn(take_hundred, NULL);
    for (int i = 1; i < 6; i++)
        flows[i] = green_spawn(keep_the_lot_busy, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    join_all(flows, 6);
    setitimer(ITIMER_REAL, &never, NULL);
    ck_assert_int_ge(posts, 100);
}
END_TEST

static void ignore(int number)
{
    (void)number;
}

static void interrupt_soon(int flags)
{
    struct sigaction action = {.sa_handler = ignore, .sa_flags = flags};
    struct itimerval soon = {{0, 7000}, {0, 20000}}; /* again: one may come while others run */

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
}

START_TEST(a_handler_without_restart_ends_sem_wait)
{
    green_t *g;
    void *result = NULL;

    signal(SIGINT, SIG_DFL); /* libcheck's own have no SA_RESTART */
    signal(SIGTERM, SIG_DFL);
    sem_init(&semaphore, 0, 0);
    g = green_spawn(on_semaphore, NULL);
    green_yield();
    interrupt_soon(0);
    ck_assert_int_eq(green_join(g, &result, 10), 0);
    ck_assert_int_eq((intptr_t)result, EINTR);
    g = green_spawn(on_semaphore, NULL);
    green_yield();
    interrupt_soon(SA_RESTART);
    ck_assert_int_eq(green_join(g, &result, 0.1), -1);
    greenify_sem_post(&semaphore);
    ck_assert_int_eq(green_join(g, &result, 10), 0);
    ck_assert_int_eq((intptr_t)result, 0);
}
END_TEST

/* --- threads and processes that end ----------------------------------------------------------- */

static void *leave_waiters_behind(void *unused)
{
    for (int i = 0; i < 3; i++)
        green_detach(green_spawn(on_semaphore, NULL));
    green_sleep(0.005);
    return unused;
}

START_TEST(a_thread_may_end_with_waiters)
{
    pthread_t other;
    green_t *g;

    sem_init(&semaphore, 0, 0);
    pthread_create(&other, NULL, leave_waiters_behind, NULL);
    pthread_join(other, NULL);
    g = green_spawn(on_semaphore, NULL);
    green_yield();
    greenify_sem_post(&semaphore);
    ck_assert_int_eq(green_join(g, NULL, 10), 0);
}
END_TEST

static void *count_with_mutex(void *lock)
{
    for (int i = 0; i < 5; i++) {
        long before;

        greenify_pthread_mutex_lock(lock);
        before = counter;
        green_yield();
        counter = before + 1;
        greenify_pthread_mutex_unlock(lock);
    }
    return NULL;
}

static void *lock_in_child(void *unused)
{
    green_t *g;
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        alarm(20);
        greenify_sem_post(&semaphore);
        if (greenify_sem_wait(&semaphore) != 0)
            _exit(1);
        counter = 0;
        g = green_spawn(count_with_mutex, &mutex);
        green_detach(green_spawn(count_with_mutex, &mutex));
        if (green_join(g, NULL, 10) != 0 || counter < 5)
            _exit(2);
        _exit(0);
    }
    waitpid(child, &status, 0);
    expect(status == 0);
    return unused;
}

START_TEST(the_child_of_a_fork_has_no_waiters)
{
    green_t *flows[3];

    sem_init(&semaphore, 0, 0);
    for (int i = 0; i < 2; i++)
        flows[i] = green_spawn(on_semaphore, NULL);
    flows[2] = green_spawn(lock_in_child, NULL);
    ck_assert_int_eq(green_join(flows[2], NULL, -1), 0);
    ck_assert_int_eq(wrong, 0);
    greenify_sem_post(&semaphore);
    greenify_sem_post(&semaphore);
    join_all(flows, 2);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_wait_can_be_killed_once,           waits_of_many_end_in_time_together,
        a_killed_waiter_passes_its_signal_on,    releases_by_unpatched_code_are_noticed,
        in_the_loop_calls_block_for_real,        a_handler_may_post,
        a_handler_without_restart_ends_sem_wait, a_thread_may_end_with_waiters,
        the_child_of_a_fork_has_no_waiters,
    };

    return run_suite("ends", tests, sizeof tests / sizeof tests[0]);
}
