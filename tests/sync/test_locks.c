/* SPDX-License-Identifier: MIT
 *
 * Coroutines of one thread and their locks: exclusion, queues, fairness.
 */
#include "../runtime/support.h"
#include "green.h"
#include "hook.h"

#include <stdint.h>
#include <stdlib.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static long counter;

static void join_all(green_t **flows, int count)
{
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(green_join(flows[i], NULL, -1), 0);
}

/* --- exclusion -------------------------------------------------------------------------------- */

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

static void a_thousand(pthread_mutex_t *lock)
{
    static green_t *flows[1000];

    counter = 0;
    for (int i = 0; i < 1000; i++)
        flows[i] = green_spawn(count_with_mutex, lock);
    join_all(flows, 1000);
    ck_assert_int_eq(counter, 5000);
}

START_TEST(a_thousand_exclude_each_other)
{
    a_thousand(&mutex);
    a_thousand(&recursive);
}
END_TEST

static void *count_with_rwlock(void *writes)
{
    for (int i = 0; i < 20; i++) {
        long before;

        if (writes != NULL)
            greenify_pthread_rwlock_wrlock(&rwlock);
        else
            greenify_pthread_rwlock_rdlock(&rwlock);
        before = counter;
        green_yield();
        if (writes != NULL)
            counter = before + 1;
        else if (counter != before)
            abort();
        greenify_pthread_rwlock_unlock(&rwlock);
        green_yield();
    }
    return NULL;
}

START_TEST(readers_see_no_writer)
{
    green_t *flows[100];

    counter = 0;
    for (int i = 0; i < 100; i++)
        flows[i] = green_spawn(count_with_rwlock, i % 4 == 0 ? &rwlock : NULL);
    join_all(flows, 100);
    ck_assert_int_eq(counter, 500);
}
END_TEST

static void *count_with_spin(void *unused)
{
    for (int i = 0; i < 100; i++) {
        long before;

        greenify_pthread_spin_lock(&spin);
        before = counter;
        green_yield();
        counter = before + 1;
        greenify_pthread_spin_unlock(&spin);
    }
    return unused;
}

START_TEST(a_spin_lock_may_be_held_over_a_wait)
{
    green_t *flows[10];

    counter = 0;
    pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE);
    for (int i = 0; i < 10; i++)
        flows[i] = green_spawn(count_with_spin, NULL);
    join_all(flows, 10);
    ck_assert_int_eq(counter, 1000);
}
END_TEST

/* --- queues ----------------------------------------------------------------------------------- */

enum { ROOM = 4, ITEMS = 2000 };

static int stored, produced, consumed;
static long sum;

static void *produce(void *unused)
{
    for (int i = 0; i < ITEMS; i++) {
        greenify_pthread_mutex_lock(&mutex);
        while (stored == ROOM)
            greenify_pthread_cond_wait(&cond, &mutex);
        stored++;
        produced++;
        greenify_pthread_cond_broadcast(&cond);
        greenify_pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *consume(void *unused)
{
    for (int i = 0; i < ITEMS; i++) {
        greenify_pthread_mutex_lock(&mutex);
        while (stored == 0)
            greenify_pthread_cond_wait(&cond, &mutex);
        stored--;
        consumed++;
        greenify_pthread_cond_broadcast(&cond);
        greenify_pthread_mutex_unlock(&mutex);
    }
    return unused;
}

START_TEST(a_queue_on_a_condition_variable)
{
    green_t *flows[10];

    for (int i = 0; i < 10; i++)
        flows[i] = green_spawn(i % 2 == 0 ? consume : produce, NULL);
    join_all(flows, 10);
    ck_assert_int_eq(produced, 5 * ITEMS);
    ck_assert_int_eq(consumed, 5 * ITEMS);
    ck_assert_int_eq(stored, 0);
}
END_TEST

static sem_t filled, room;
static int ring[ROOM], head, tail;

static void *sem_produce(void *unused)
{
    for (int i = 1; i <= ITEMS; i++) {
        while (greenify_sem_wait(&room) != 0)
            continue;
        ring[head++ % ROOM] = i;
        greenify_sem_post(&filled);
    }
    return unused;
}

static void *sem_consume(void *unused)
{
    for (int i = 1; i <= ITEMS; i++) {
        while (greenify_sem_wait(&filled) != 0)
            continue;
        sum += ring[tail++ % ROOM];
        greenify_sem_post(&room);
    }
    return unused;
}

START_TEST(a_queue_on_semaphores)
{
    green_t *flows[6];

    sem_init(&filled, 0, 0);
    sem_init(&room, 0, ROOM);
    for (int i = 0; i < 6; i++)
        flows[i] = green_spawn(i % 2 == 0 ? sem_consume : sem_produce, NULL);
    join_all(flows, 6);
    ck_assert_int_eq(sum, 3L * ITEMS * (ITEMS + 1) / 2);
}
END_TEST

static void *wait_for_all(void *unused)
{
    greenify_pthread_mutex_lock(&mutex);
    produced++;
    while (stored == 0)
        greenify_pthread_cond_wait(&cond, &mutex);
    consumed++;
    greenify_pthread_mutex_unlock(&mutex);
    return unused;
}

START_TEST(a_broadcast_reaches_ten_thousand)
{
    static green_t *flows[10000];

    green_set_stack_size(32768);
    for (int i = 0; i < 10000; i++)
        flows[i] = green_spawn(wait_for_all, NULL);
    while (produced < 10000)
        green_yield();
    greenify_pthread_mutex_lock(&mutex);
    stored = 1;
    greenify_pthread_cond_broadcast(&cond);
    greenify_pthread_mutex_unlock(&mutex);
    join_all(flows, 10000);
    ck_assert_int_eq(consumed, 10000);
}
END_TEST

/* --- fairness --------------------------------------------------------------------------------- */

static bool content;
static long greedy_rounds;

/* Never lets go for longer than it takes to lock again. */
static void *be_greedy(void *unused)
{
    while (!content && greedy_rounds < 1000000) {
        greenify_pthread_mutex_lock(&mutex);
        greedy_rounds++;
        green_yield();
        greenify_pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *be_modest(void *unused)
{
    for (int i = 0; i < 20; i++) {
        greenify_pthread_mutex_lock(&mutex);
        greenify_pthread_mutex_unlock(&mutex);
    }
    content = true;
    return unused;
}

START_TEST(the_greedy_do_not_starve_the_others)
{
    green_t *greedy = green_spawn(be_greedy, NULL);
    green_t *modest = green_spawn(be_modest, NULL);

    ck_assert_int_eq(green_join(modest, NULL, -1), 0);
    ck_assert_int_eq(green_join(greedy, NULL, -1), 0);
    /* Passed over eight times at most each time. */
    ck_assert_int_lt(greedy_rounds, 20 * 12);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_thousand_exclude_each_other,
        readers_see_no_writer,
        a_spin_lock_may_be_held_over_a_wait,
        a_queue_on_a_condition_variable,
        a_queue_on_semaphores,
        a_broadcast_reaches_ten_thousand,
        the_greedy_do_not_starve_the_others,
    };

    return run_suite("locks", tests, sizeof tests / sizeof tests[0]);
}
