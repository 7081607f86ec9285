/* SPDX-License-Identifier: MIT
 *
 * Locks, condition variables, semaphores and joins. Another thread, whose calls are not hooked,
 * holds what is waited for.
 */
#include "cancel.h"
#include "hook.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* --- the other thread ------------------------------------------------------------------------- */

static pthread_t thread;
static sem_t taken, give_up;
static void (*take)(void), (*release)(void);

static void *hold(void *unused)
{
    take();
    sem_post(&taken);
    while (sem_wait(&give_up) != 0)
        continue;
    release();
    return unused;
}

static bool start_holder(void (*taking)(void), void (*releasing)(void))
{
    take = taking;
    release = releasing;
    sem_init(&taken, 0, 0);
    sem_init(&give_up, 0, 0);
    if (pthread_create(&thread, NULL, hold, NULL) != 0)
        return false;
    while (sem_wait(&taken) != 0)
        continue;
    return true;
}

static void stop_holder(void)
{
    sem_post(&give_up);
}

static void join_holder(void)
{
    pthread_join(thread, NULL);
}

static void nothing(void)
{
}

/* --- mutexes ---------------------------------------------------------------------------------- */

static pthread_mutex_t mutex;
static pthread_spinlock_t spin;
static mtx_t c11_mutex;

static void lock_mutex(void)
{
    pthread_mutex_lock(&mutex);
}

static void unlock_mutex(void)
{
    pthread_mutex_unlock(&mutex);
}

static bool hold_mutex(void)
{
    pthread_mutex_init(&mutex, NULL);
    return start_holder(lock_mutex, unlock_mutex);
}

static int unlocked(int error)
{
    if (error == 0)
        greenify_pthread_mutex_unlock(&mutex);
    return error;
}

static int call_mutex_lock(void)
{
    return unlocked(greenify_pthread_mutex_lock(&mutex));
}

static int call_mutex_timedlock(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return unlocked(greenify_pthread_mutex_timedlock(&mutex, &limit));
}

static int call_mutex_clocklock(void)
{
    struct timespec limit = far_off(CLOCK_MONOTONIC);

    return unlocked(greenify_pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &limit));
}

static void lock_spin(void)
{
    pthread_spin_lock(&spin);
}

static void unlock_spin(void)
{
    pthread_spin_unlock(&spin);
}

static bool hold_spin(void)
{
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    return start_holder(lock_spin, unlock_spin);
}

static int call_spin_lock(void)
{
    int error = greenify_pthread_spin_lock(&spin);

    if (error == 0)
        greenify_pthread_spin_unlock(&spin);
    return error;
}

static void lock_c11(void)
{
    mtx_lock(&c11_mutex);
}

static void unlock_c11(void)
{
    mtx_unlock(&c11_mutex);
}

static bool hold_c11(void)
{
    mtx_init(&c11_mutex, mtx_timed);
    return start_holder(lock_c11, unlock_c11);
}

static int c11_error(int result)
{
    if (result == thrd_success)
        greenify_mtx_unlock(&c11_mutex);
    return result == thrd_success ? 0 : killed_with;
}

static int call_mtx_lock(void)
{
    return c11_error(greenify_mtx_lock(&c11_mutex));
}

static int call_mtx_timedlock(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return c11_error(greenify_mtx_timedlock(&c11_mutex, &limit));
}

/* --- reader-writer locks ---------------------------------------------------------------------- */

static pthread_rwlock_t rwlock;

static void lock_rwlock(void)
{
    pthread_rwlock_wrlock(&rwlock);
}

static void unlock_rwlock(void)
{
    pthread_rwlock_unlock(&rwlock);
}

static bool hold_rwlock(void)
{
    pthread_rwlock_init(&rwlock, NULL);
    return start_holder(lock_rwlock, unlock_rwlock);
}

static int let_go(int error)
{
    if (error == 0)
        greenify_pthread_rwlock_unlock(&rwlock);
    return error;
}

static int call_rdlock(void)
{
    return let_go(greenify_pthread_rwlock_rdlock(&rwlock));
}

static int call_timedrdlock(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return let_go(greenify_pthread_rwlock_timedrdlock(&rwlock, &limit));
}

static int call_clockrdlock(void)
{
    struct timespec limit = far_off(CLOCK_MONOTONIC);

    return let_go(greenify_pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &limit));
}

static int call_wrlock(void)
{
    return let_go(greenify_pthread_rwlock_wrlock(&rwlock));
}

static int call_timedwrlock(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return let_go(greenify_pthread_rwlock_timedwrlock(&rwlock, &limit));
}

static int call_clockwrlock(void)
{
    struct timespec limit = far_off(CLOCK_MONOTONIC);

    return let_go(greenify_pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &limit));
}

/* --- condition variables ---------------------------------------------------------------------- */

static pthread_cond_t cond;
static cnd_t c11_cond;
static bool there;

static bool init_cond(void)
{
    pthread_mutex_init(&mutex, NULL);
    pthread_cond_init(&cond, NULL);
    there = false;
    return true;
}

static void signal_cond(void)
{
    there = true;
    greenify_pthread_cond_signal(&cond);
}

/* Waits until it is there; ends with the mutex unlocked. It had it, whatever ended the wait. */
#define UNTIL_THERE(wait)                                                                          \
    ({                                                                                             \
        int error_ = 0;                                                                            \
        greenify_pthread_mutex_lock(&mutex);                                                       \
        while (!there && error_ == 0)                                                              \
            error_ = wait;                                                                         \
        if (greenify_pthread_mutex_unlock(&mutex) != 0)                                            \
            abort();                                                                               \
        error_;                                                                                    \
    })

static int call_cond_wait(void)
{
    return UNTIL_THERE(greenify_pthread_cond_wait(&cond, &mutex));
}

static int call_cond_timedwait(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return UNTIL_THERE(greenify_pthread_cond_timedwait(&cond, &mutex, &limit));
}

static int call_cond_clockwait(void)
{
    struct timespec limit = far_off(CLOCK_MONOTONIC);

    return UNTIL_THERE(greenify_pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &limit));
}

static bool init_c11_cond(void)
{
    mtx_init(&c11_mutex, mtx_plain);
    cnd_init(&c11_cond);
    there = false;
    return true;
}

static void signal_c11_cond(void)
{
    there = true;
    greenify_cnd_signal(&c11_cond);
}

#define UNTIL_C11_THERE(wait)                                                                      \
    ({                                                                                             \
        int result_ = thrd_success;                                                                \
        greenify_mtx_lock(&c11_mutex);                                                             \
        while (!there && result_ == thrd_success)                                                  \
            result_ = wait;                                                                        \
        if (greenify_mtx_unlock(&c11_mutex) != thrd_success)                                       \
            abort();                                                                               \
        result_ == thrd_success ? 0 : killed_with;                                                 \
    })

static int call_cnd_wait(void)
{
    return UNTIL_C11_THERE(greenify_cnd_wait(&c11_cond, &c11_mutex));
}

static int call_cnd_timedwait(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return UNTIL_C11_THERE(greenify_cnd_timedwait(&c11_cond, &c11_mutex, &limit));
}

/* --- semaphores and barriers ------------------------------------------------------------------ */

static sem_t semaphore;

static bool init_semaphore(void)
{
    return sem_init(&semaphore, 0, 0) == 0;
}

static void post_semaphore(void)
{
    greenify_sem_post(&semaphore);
}

static int call_sem_wait(void)
{
    return failure(greenify_sem_wait(&semaphore));
}

static int call_sem_timedwait(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return failure(greenify_sem_timedwait(&semaphore, &limit));
}

static int call_sem_clockwait(void)
{
    struct timespec limit = far_off(CLOCK_MONOTONIC);

    return failure(greenify_sem_clockwait(&semaphore, CLOCK_MONOTONIC, &limit));
}

static pthread_barrier_t barrier;

/* The flow that is killed has not arrived. */
static bool init_barrier(void)
{
    return pthread_barrier_init(&barrier, NULL, 2) == 0;
}

/* It has, and its worker waits on, so that the next is the second of three. */
static bool init_barrier_of_three(void)
{
    return pthread_barrier_init(&barrier, NULL, 3) == 0;
}

static void *wait_at_barrier(void *unused)
{
    pthread_barrier_wait(&barrier);
    return unused;
}

/* The flow may still be on its way. */
static void arrive(void)
{
    if (pthread_create(&thread, NULL, wait_at_barrier, NULL) != 0)
        abort();
}

/* The worker of the flow that was killed leaves it as well. */
static void destroy_barrier(void)
{
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&barrier);
}

static int call_barrier_wait(void)
{
    int result = greenify_pthread_barrier_wait(&barrier);

    return result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result;
}

/* --- once ------------------------------------------------------------------------------------- */

static pthread_once_t once;
static once_flag flag;
static long long guard;

/* The holder is inside the routine. */
static void be_inside(void)
{
    sem_post(&taken);
    while (sem_wait(&give_up) != 0)
        continue;
}

static void *do_once(void *unused)
{
    pthread_once(&once, be_inside);
    return unused;
}

static void *do_flag(void *unused)
{
    call_once(&flag, be_inside);
    return unused;
}

static bool start_inside(void *(*entry)(void *))
{
    once = PTHREAD_ONCE_INIT;
    flag = (once_flag)ONCE_FLAG_INIT;
    sem_init(&taken, 0, 0);
    sem_init(&give_up, 0, 0);
    if (pthread_create(&thread, NULL, entry, NULL) != 0)
        return false;
    while (sem_wait(&taken) != 0)
        continue;
    return true;
}

static bool hold_once(void)
{
    return start_inside(do_once);
}

static bool hold_flag(void)
{
    return start_inside(do_flag);
}

static int call_pthread_once(void)
{
    return greenify_pthread_once(&once, abort);
}

static int call_call_once(void)
{
    greenify_call_once(&flag, abort);
    return 0;
}

/* As if another thread were at it; the program has no C++ runtime. */
static bool hold_guard(void)
{
    guard = 0;
    ((unsigned char *)&guard)[1] = 1;
    return true;
}

static void release_guard(void)
{
    ((unsigned char *)&guard)[1] = 0;
    __atomic_store_n((unsigned char *)&guard, 1, __ATOMIC_RELEASE);
}

static int call_guard_acquire(void)
{
    return greenify___cxa_guard_acquire(&guard);
}

/* --- joins ------------------------------------------------------------------------------------ */

static bool start_thread(void)
{
    return start_holder(nothing, nothing);
}

static int call_join(void)
{
    return greenify_pthread_join(thread, NULL);
}

static int call_timedjoin(void)
{
    struct timespec limit = far_off(CLOCK_REALTIME);

    return greenify_pthread_timedjoin_np(thread, NULL, &limit);
}

static int call_clockjoin(void)
{
    struct timespec limit = far_off(CLOCK_MONOTONIC);

    return greenify_pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &limit);
}

static int call_thrd_join(void)
{
    return greenify_thrd_join(thread, NULL) == thrd_success ? 0 : killed_with;
}

const struct point points_sync[] = {
    POINT(pthread_mutex_lock, hold_mutex, call_mutex_lock, stop_holder, join_holder),
    POINT(pthread_mutex_timedlock, hold_mutex, call_mutex_timedlock, stop_holder, join_holder),
    POINT(pthread_mutex_clocklock, hold_mutex, call_mutex_clocklock, stop_holder, join_holder),
    POINT(pthread_spin_lock, hold_spin, call_spin_lock, stop_holder, join_holder),
    POINT(mtx_lock, hold_c11, call_mtx_lock, stop_holder, join_holder),
    POINT(mtx_timedlock, hold_c11, call_mtx_timedlock, stop_holder, join_holder),
    POINT(pthread_rwlock_rdlock, hold_rwlock, call_rdlock, stop_holder, join_holder),
    POINT(pthread_rwlock_timedrdlock, hold_rwlock, call_timedrdlock, stop_holder, join_holder),
    POINT(pthread_rwlock_clockrdlock, hold_rwlock, call_clockrdlock, stop_holder, join_holder),
    POINT(pthread_rwlock_wrlock, hold_rwlock, call_wrlock, stop_holder, join_holder),
    POINT(pthread_rwlock_timedwrlock, hold_rwlock, call_timedwrlock, stop_holder, join_holder),
    POINT(pthread_rwlock_clockwrlock, hold_rwlock, call_clockwrlock, stop_holder, join_holder),
    POINT(pthread_cond_wait, init_cond, call_cond_wait, signal_cond, NULL),
    POINT(pthread_cond_timedwait, init_cond, call_cond_timedwait, signal_cond, NULL),
    POINT(pthread_cond_clockwait, init_cond, call_cond_clockwait, signal_cond, NULL),
    POINT(cnd_wait, init_c11_cond, call_cnd_wait, signal_c11_cond, NULL),
    POINT(cnd_timedwait, init_c11_cond, call_cnd_timedwait, signal_c11_cond, NULL),
    POINT(sem_wait, init_semaphore, call_sem_wait, post_semaphore, NULL),
    POINT(sem_timedwait, init_semaphore, call_sem_timedwait, post_semaphore, NULL),
    POINT(sem_clockwait, init_semaphore, call_sem_clockwait, post_semaphore, NULL),
    POINT(pthread_barrier_wait, init_barrier, call_barrier_wait, arrive, destroy_barrier),
    POINT(pthread_barrier_wait, init_barrier_of_three, call_barrier_wait, arrive, destroy_barrier,
          .rounds = true),
    POINT(pthread_once, hold_once, call_pthread_once, stop_holder, join_holder),
    POINT(call_once, hold_flag, call_call_once, stop_holder, join_holder, .cannot_fail = true),
    POINT(__cxa_guard_acquire, hold_guard, call_guard_acquire, release_guard, NULL,
          .cannot_fail = true),
    POINT(pthread_join, start_thread, call_join, stop_holder, NULL),
    POINT(pthread_timedjoin_np, start_thread, call_timedjoin, stop_holder, NULL),
    POINT(pthread_clockjoin_np, start_thread, call_clockjoin, stop_holder, NULL),
    POINT(thrd_join, start_thread, call_thrd_join, stop_holder, NULL),
};
const size_t points_sync_count = COUNT_OF(points_sync);
