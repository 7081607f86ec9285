/* SPDX-License-Identifier: MIT
 *
 * Each release by each hooked call wakes who waits: nobody looks by itself here, so that nothing
 * else could. Released by a coroutine of the same thread, by one of another hub, and by a thread
 * without a hub.
 */
#include "../runtime/support.h"
#include "green.h"
#include "hook.h"
#include "lot.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

enum { WAITERS = 3 };

static pthread_mutex_t mutex;
static pthread_cond_t cond;
static pthread_rwlock_t rwlock;
static pthread_spinlock_t spin;
static sem_t semaphore;
static mtx_t c11_mutex;
static cnd_t c11_cond;
static pthread_once_t once;
static once_flag flag;
static bool there, inside, may_end;

static void expect(bool right)
{
    if (!right)
        abort();
}

/* --- what is waited for ----------------------------------------------------------------------- */

static void make_plain(void)
{
    pthread_mutex_init(&mutex, NULL);
}

static void make_of_type(int type)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutex_init(&mutex, &attributes);
}

static void make_recursive(void)
{
    make_of_type(PTHREAD_MUTEX_RECURSIVE);
}

static void make_checking(void)
{
    make_of_type(PTHREAD_MUTEX_ERRORCHECK);
}

static void lock_mutex(void)
{
    expect(greenify_pthread_mutex_lock(&mutex) == 0);
}

static void unlock_mutex(void)
{
    expect(greenify_pthread_mutex_unlock(&mutex) == 0);
}

static void use_mutex(void)
{
    lock_mutex();
    unlock_mutex();
}

static void make_spin(void)
{
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
}

static void lock_spin(void)
{
    expect(greenify_pthread_spin_lock(&spin) == 0);
}

static void unlock_spin(void)
{
    expect(greenify_pthread_spin_unlock(&spin) == 0);
}

static void use_spin(void)
{
    lock_spin();
    unlock_spin();
}

static void make_c11(void)
{
    mtx_init(&c11_mutex, mtx_plain);
}

static void lock_c11(void)
{
    expect(greenify_mtx_lock(&c11_mutex) == thrd_success);
}

static void unlock_c11(void)
{
    expect(greenify_mtx_unlock(&c11_mutex) == thrd_success);
}

static void use_c11(void)
{
    lock_c11();
    unlock_c11();
}

static void make_rwlock(void)
{
    pthread_rwlock_init(&rwlock, NULL);
}

static void make_writers_rwlock(void)
{
    pthread_rwlockattr_t attributes;

    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&rwlock, &attributes);
}

static void lock_write(void)
{
    expect(greenify_pthread_rwlock_wrlock(&rwlock) == 0);
}

static void lock_read(void)
{
    expect(greenify_pthread_rwlock_rdlock(&rwlock) == 0);
}

static void unlock_rwlock(void)
{
    expect(greenify_pthread_rwlock_unlock(&rwlock) == 0);
}

static void use_read(void)
{
    lock_read();
    green_yield();
    unlock_rwlock();
}

static void use_write(void)
{
    lock_write();
    green_yield();
    unlock_rwlock();
}

static void make_semaphore(void)
{
    sem_init(&semaphore, 0, 0);
}

static void nothing(void)
{
}

static void post_all(void)
{
    for (int i = 0; i < WAITERS; i++)
        expect(greenify_sem_post(&semaphore) == 0);
}

static void use_semaphore(void)
{
    expect(greenify_sem_wait(&semaphore) == 0);
}

static void make_cond(void)
{
    make_plain();
    pthread_cond_init(&cond, NULL);
    there = false;
}

/* One signal for each, or one for all. */
static void signal_each(void)
{
    lock_mutex();
    there = true;
    unlock_mutex();
    for (int i = 0; i < WAITERS; i++)
        expect(greenify_pthread_cond_signal(&cond) == 0);
}

static void broadcast(void)
{
    lock_mutex();
    there = true;
    expect(greenify_pthread_cond_broadcast(&cond) == 0);
    unlock_mutex();
}

static void use_cond(void)
{
    lock_mutex();
    while (!there)
        expect(greenify_pthread_cond_wait(&cond, &mutex) == 0);
    unlock_mutex();
}

static void make_c11_cond(void)
{
    make_c11();
    cnd_init(&c11_cond);
    there = false;
}

static void signal_c11_each(void)
{
    lock_c11();
    there = true;
    unlock_c11();
    for (int i = 0; i < WAITERS; i++)
        expect(greenify_cnd_signal(&c11_cond) == thrd_success);
}

static void broadcast_c11(void)
{
    lock_c11();
    there = true;
    expect(greenify_cnd_broadcast(&c11_cond) == thrd_success);
    unlock_c11();
}

static void use_c11_cond(void)
{
    lock_c11();
    while (!there)
        expect(greenify_cnd_wait(&c11_cond, &c11_mutex) == thrd_success);
    unlock_c11();
}

/* A thread's wait for a condition releases the mutex inside libc. */
static void wait_with_mutex(void)
{
    while (!there)
        expect(greenify_pthread_cond_wait(&cond, &mutex) == 0);
    unlock_mutex();
}

/* --- once: who holds is inside the routine ---------------------------------------------------- */

static void stay(void)
{
    __atomic_store_n(&inside, true, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&may_end, __ATOMIC_SEQ_CST))
        green_sleep(0.0005);
}

static void make_once(void)
{
    once = PTHREAD_ONCE_INIT;
    flag = (once_flag)ONCE_FLAG_INIT;
    inside = may_end = false;
}

static void use_once(void)
{
    expect(greenify_pthread_once(&once, abort) == 0);
}

static void use_flag(void)
{
    greenify_call_once(&flag, abort);
}

static void do_once(void)
{
    expect(greenify_pthread_once(&once, stay) == 0);
}

static void do_flag(void)
{
    greenify_call_once(&flag, stay);
}

/* --- each with each --------------------------------------------------------------------------- */

static const struct release {
    const char *name;
    void (*make)(void);
    void (*hold)(void);    /* by who releases */
    void (*release)(void); /* lets all get on, one after another perhaps */
    void (*use)(void);     /* waits */
    bool of_threads;       /* only threads without a hub do it like this */
} releases[] = {
    {"pthread_mutex_unlock", make_plain, lock_mutex, unlock_mutex, use_mutex, false},
    {"recursive", make_recursive, lock_mutex, unlock_mutex, use_mutex, false},
    {"error-checking", make_checking, lock_mutex, unlock_mutex, use_mutex, false},
    {"pthread_spin_unlock", make_spin, lock_spin, unlock_spin, use_spin, false},
    {"mtx_unlock", make_c11, lock_c11, unlock_c11, use_c11, false},
    {"written, read", make_rwlock, lock_write, unlock_rwlock, use_read, false},
    {"written, write", make_rwlock, lock_write, unlock_rwlock, use_write, false},
    {"read, write", make_rwlock, lock_read, unlock_rwlock, use_write, false},
    {"writers first: written, read", make_writers_rwlock, lock_write, unlock_rwlock, use_read,
     false},
    {"writers first: read, write", make_writers_rwlock, lock_read, unlock_rwlock, use_write, false},
    {"sem_post", make_semaphore, nothing, post_all, use_semaphore, false},
    {"pthread_cond_signal", make_cond, nothing, signal_each, use_cond, false},
    {"pthread_cond_broadcast", make_cond, nothing, broadcast, use_cond, false},
    {"cnd_signal", make_c11_cond, nothing, signal_c11_each, use_c11_cond, false},
    {"cnd_broadcast", make_c11_cond, nothing, broadcast_c11, use_c11_cond, false},
    {"pthread_cond_wait", make_cond, lock_mutex, wait_with_mutex, use_mutex, true},
};
enum { RELEASES = sizeof releases / sizeof releases[0] };

static const struct release *of_now;
static pthread_barrier_t held, waited;

static void *wait_for_it(void *unused)
{
    of_now->use();
    return unused;
}

static void start_waiters(green_t **waiters)
{
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = green_spawn(wait_for_it, NULL);
        green_yield();
    }
    ck_assert_msg(atomic_load(&lot_sleepers) == WAITERS, "%s: %zu wait", of_now->name,
                  atomic_load(&lot_sleepers));
}

static void join_waiters(green_t **waiters)
{
    for (int i = 0; i < WAITERS; i++)
        ck_assert_msg(green_join(waiters[i], NULL, 20) == 0, "%s: waiter %d waits on", of_now->name,
                      i);
    ck_assert_uint_eq(atomic_load(&lot_sleepers), 0);
}

static void set_up(const struct release *release)
{
    of_now = release;
    atomic_store(&lot_only_wakes, true);
    release->make();
    ck_assert_ptr_nonnull(green_loop());
}

START_TEST(by_a_coroutine_of_the_thread)
{
    green_t *waiters[WAITERS];

    for (int i = 0; i < RELEASES; i++) {
        if (releases[i].of_threads)
            continue;
        set_up(&releases[i]);
        releases[i].hold();
        start_waiters(waiters);
        releases[i].release();
        join_waiters(waiters);
    }
}
END_TEST

static void *hold_and_release(void *unused)
{
    of_now->hold();
    pthread_barrier_wait(&held);
    pthread_barrier_wait(&waited);
    of_now->release();
    return unused;
}

static void *in_a_hub(void *unused)
{
    green_t *g = green_spawn(hold_and_release, NULL);

    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    return unused;
}

static void check_release(const struct release *release, void *(*entry)(void *))
{
    green_t *waiters[WAITERS];
    pthread_t thread;

    set_up(release);
    pthread_barrier_init(&held, NULL, 2);
    pthread_barrier_init(&waited, NULL, 2);
    pthread_create(&thread, NULL, entry, NULL);
    pthread_barrier_wait(&held);
    start_waiters(waiters);
    pthread_barrier_wait(&waited);
    join_waiters(waiters);
    if (release->of_threads)
        broadcast();
    pthread_join(thread, NULL);
}

START_TEST(by_another_hub)
{
    for (int i = 0; i < RELEASES; i++)
        if (!releases[i].of_threads)
            check_release(&releases[i], in_a_hub);
}
END_TEST

START_TEST(by_a_thread_without_a_hub)
{
    for (int i = 0; i < RELEASES; i++)
        check_release(&releases[i], hold_and_release);
}
END_TEST

/* --- the end of what is done once ------------------------------------------------------------- */

static void *run_holder(void *function)
{
    ((void (*)(void))(uintptr_t)function)();
    return NULL;
}

static void check_once(void (*doing)(void), void (*using)(void), bool in_thread)
{
    const struct release release = {"once", make_once, nothing, nothing, using, false};
    green_t *waiters[WAITERS], *holder = NULL;
    pthread_t thread;

    set_up(&release);
    if (in_thread)
        pthread_create(&thread, NULL, run_holder, (void *)(uintptr_t)doing);
    else
        holder = green_spawn(run_holder, (void *)(uintptr_t)doing);
    while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST))
        green_yield();
    start_waiters(waiters);
    __atomic_store_n(&may_end, true, __ATOMIC_SEQ_CST);
    join_waiters(waiters);
    if (in_thread)
        pthread_join(thread, NULL);
    else
        ck_assert_int_eq(green_join(holder, NULL, 20), 0);
}

START_TEST(when_it_is_done_once)
{
    for (int i = 0; i < 4; i++) {
        check_once(do_once, use_once, i % 2 == 1);
        check_once(do_flag, use_flag, i % 2 == 1);
    }
}
END_TEST

/* --- wakes of those who go -------------------------------------------------------------------- */

static void *try_mutex(void *unused)
{
    int result = greenify_pthread_mutex_lock(&mutex);

    (void)unused;
    if (result == 0)
        unlock_mutex();
    return (void *)(intptr_t)result;
}

static void *try_write(void *unused)
{
    int result = greenify_pthread_rwlock_wrlock(&rwlock);

    (void)unused;
    if (result == 0)
        unlock_rwlock();
    return (void *)(intptr_t)result;
}

static void *try_semaphore(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)(greenify_sem_wait(&semaphore) == -1 ? errno : 0);
}

/* Without a predicate: one signal ends one wait. */
static void *try_cond(void *unused)
{
    int result;

    (void)unused;
    lock_mutex();
    result = greenify_pthread_cond_wait(&cond, &mutex);
    unlock_mutex();
    return (void *)(intptr_t)result;
}

static void post_one(void)
{
    greenify_sem_post(&semaphore);
}

static void signal_one(void)
{
    greenify_pthread_cond_signal(&cond);
}

static void check_handing_on(void (*make)(void), void (*hold)(void), void *(*entry)(void *),
                             void (*release)(void))
{
    green_t *killed, *next;
    void *result;

    atomic_store(&lot_only_wakes, true);
    ck_assert_ptr_nonnull(green_loop());
    make();
    hold();
    killed = green_spawn(entry, NULL);
    next = green_spawn(entry, NULL);
    green_yield();
    green_kill(killed, ECANCELED);
    release(); /* the one that is killed has not left yet, and is the oldest */
    ck_assert_int_eq(green_join(killed, &result, 20), 0);
    ck_assert_int_eq((intptr_t)result, ECANCELED);
    ck_assert_int_eq(green_join(next, &result, 20), 0);
    ck_assert_ptr_null(result);
}

START_TEST(the_wake_of_one_that_is_killed_is_for_the_next)
{
    check_handing_on(make_plain, lock_mutex, try_mutex, unlock_mutex);
    check_handing_on(make_rwlock, lock_read, try_write, unlock_rwlock);
    check_handing_on(make_semaphore, nothing, try_semaphore, post_one);
    check_handing_on(make_cond, nothing, try_cond, signal_one);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        by_a_coroutine_of_the_thread,
        by_another_hub,
        by_a_thread_without_a_hub,
        when_it_is_done_once,
        the_wake_of_one_that_is_killed_is_for_the_next,
    };

    return run_suite("releases", tests, sizeof tests / sizeof tests[0]);
}
