/* SPDX-License-Identifier: MIT
 *
 * Coroutines as threads, seen from other threads of the process: with a hub, and without.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

static pthread_t target;
static atomic_bool target_known, may_end, interrupted;
static atomic_int ticks; /* of others in a thread with a hub */
static int results[4];

/* --- the thread that has them ----------------------------------------------------------------- */

static void *linger(void *argument)
{
    while (!atomic_load(&may_end))
        greenify_usleep(1000);
    return argument;
}

static void *sleep_long(void *unused)
{
    (void)unused;
    if (greenify_sleep(1000) > 0)
        atomic_store(&interrupted, true);
    return (void *)21;
}

/* In a thread with a hub: a coroutine, and then whatever lets others do something to it. */
static void *carry(void *entry)
{
    void *(*function)(void *);

    *(void **)&function = entry;
    if (green_loop() == NULL || greenify_pthread_create(&target, NULL, function, (void *)33) != 0)
        abort();
    atomic_store(&target_known, true);
    return NULL; /* it ends when the coroutine has */
}

static pthread_t start_carrier(void *(*entry)(void *))
{
    pthread_t carrier;

    ck_assert_int_eq(pthread_create(&carrier, NULL, carry, *(void **)&entry), 0);
    while (!atomic_load(&target_known))
        usleep(1000);
    return carrier;
}

static void end_carrier(pthread_t carrier)
{
    atomic_store(&may_end, true);
    ck_assert_int_eq(pthread_join(carrier, NULL), 0);
}

/* --- joining ---------------------------------------------------------------------------------- */

/* After so many more ticks. */
static void *release_later(void *after)
{
    const int end = atomic_load(&ticks) + (int)(intptr_t)after;

    do
        usleep(10000);
    while (atomic_load(&ticks) < end);
    atomic_store(&may_end, true);
    return NULL;
}

static void check_joins(intptr_t ticks_meanwhile)
{
    pthread_t helper, carrier = start_carrier(linger);
    struct timespec soon;
    void *value = NULL;

    clock_gettime(CLOCK_REALTIME, &soon);
    soon.tv_nsec += 5000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    ck_assert_int_eq(greenify_pthread_tryjoin_np(target, NULL), EBUSY);
    ck_assert_int_eq(greenify_pthread_timedjoin_np(target, NULL, &soon), ETIMEDOUT);
    ck_assert_int_eq(pthread_create(&helper, NULL, release_later, (void *)ticks_meanwhile), 0);
    ck_assert_int_eq(greenify_pthread_join(target, &value), 0);
    ck_assert_ptr_eq(value, (void *)33);
    ck_assert_int_eq(pthread_join(helper, NULL), 0);
    end_carrier(carrier);
}

START_TEST(test_join_from_a_thread_without_a_hub)
{
    check_joins(0);
}
END_TEST

static void *tick(void *unused)
{
    while (!atomic_load(&may_end)) {
        green_sleep(0.001);
        atomic_fetch_add(&ticks, 1);
    }
    return unused;
}

START_TEST(test_join_from_a_thread_with_a_hub)
{
    green_t *g = green_spawn(tick, NULL);

    check_joins(3);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

START_TEST(test_join_after_the_carrier_is_gone)
{
    pthread_t carrier = start_carrier(linger);
    void *value = NULL;

    end_carrier(carrier);
    ck_assert_int_eq(greenify_pthread_kill(target, 0), 0);
    ck_assert_int_eq(greenify_pthread_cancel(target), 0);
    ck_assert_int_eq(greenify_pthread_join(target, &value), 0);
    ck_assert_ptr_eq(value, (void *)33);
}
END_TEST

START_TEST(test_detach_from_elsewhere)
{
    pthread_t carrier = start_carrier(linger);

    ck_assert_int_eq(greenify_pthread_detach(target), 0);
    ck_assert_int_eq(greenify_pthread_detach(target), EINVAL);
    ck_assert_int_eq(greenify_pthread_join(target, NULL), EINVAL);
    end_carrier(carrier);
}
END_TEST

/* --- cancelling and signals ------------------------------------------------------------------- */

static void check_cancel(void)
{
    pthread_t carrier = start_carrier(sleep_long);
    void *value = NULL;

    usleep(20000);
    ck_assert_int_eq(greenify_pthread_cancel(target), 0);
    ck_assert_int_eq(greenify_pthread_cancel(target), 0);
    ck_assert_int_eq(greenify_pthread_join(target, &value), 0);
    ck_assert_ptr_eq(value, PTHREAD_CANCELED);
    end_carrier(carrier);
}

START_TEST(test_cancel_from_a_thread_without_a_hub)
{
    check_cancel();
}
END_TEST

START_TEST(test_cancel_from_a_thread_with_a_hub)
{
    ck_assert_ptr_nonnull(green_loop());
    check_cancel();
}
END_TEST

static void handle(int number)
{
    (void)number;
}

START_TEST(test_a_signal_from_elsewhere_ends_the_wait)
{
    struct sigaction action = {.sa_handler = handle};
    pthread_t carrier;
    void *value = NULL;

    sigaction(SIGUSR1, &action, NULL);
    carrier = start_carrier(sleep_long);
    do { /* one that comes before the wait does not end it */
        ck_assert_int_eq(greenify_pthread_kill(target, SIGUSR1), 0);
        usleep(20000);
    } while (!atomic_load(&interrupted));
    ck_assert_int_eq(greenify_pthread_join(target, &value), 0);
    ck_assert_ptr_eq(value, (void *)21);
    ck_assert(atomic_load(&interrupted));
    end_carrier(carrier);
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

START_TEST(test_names_from_elsewhere)
{
    pthread_t carrier = start_carrier(linger);
    char name[16] = "";

    ck_assert_int_eq(greenify_pthread_setname_np(target, "helper"), 0);
    ck_assert_int_eq(greenify_pthread_getname_np(target, name, sizeof name), 0);
    ck_assert_str_eq(name, "helper");
    end_carrier(carrier);
    ck_assert_int_eq(greenify_pthread_getname_np(target, name, sizeof name), ENOENT);
    ck_assert_int_eq(greenify_pthread_join(target, NULL), 0);
}
END_TEST

/* --- many at once ----------------------------------------------------------------------------- */

enum { CARRIERS = 4, EACH = 200 };
static pthread_t all[CARRIERS][EACH];

static void *sleep_shortly(void *argument)
{
    greenify_usleep((useconds_t)((uintptr_t)argument % 7) * 100);
    return argument;
}

static void *carry_many(void *argument)
{
    intptr_t number = (intptr_t)argument;

    if (green_loop() == NULL)
        abort();
    for (intptr_t i = 0; i < EACH; i++)
        if (greenify_pthread_create(&all[number][i], NULL, sleep_shortly,
                                    (void *)(number * EACH + i)) != 0)
            abort();
    return NULL;
}

/* Half of them have a hub; each joins what another one has made. */
static void *join_many(void *argument)
{
    intptr_t number = (intptr_t)argument;

    if (number % 2 == 0 && green_loop() == NULL)
        abort();
    for (intptr_t i = 0; i < EACH; i++) {
        void *value = NULL;

        if (i % 3 == 0)
            greenify_pthread_cancel(all[number][i]);
        if (greenify_pthread_join(all[number][i], &value) != 0)
            abort();
        if (value != (void *)(number * EACH + i) && value != PTHREAD_CANCELED)
            results[number]++;
    }
    return NULL;
}

START_TEST(test_many_threads_join_and_cancel)
{
    pthread_t carriers[CARRIERS], joiners[CARRIERS];

    for (intptr_t i = 0; i < CARRIERS; i++)
        ck_assert_int_eq(pthread_create(&carriers[i], NULL, carry_many, (void *)i), 0);
    for (intptr_t i = 0; i < CARRIERS; i++)
        ck_assert_int_eq(pthread_join(carriers[i], NULL), 0);
    for (intptr_t i = 0; i < CARRIERS; i++)
        ck_assert_int_eq(pthread_create(&joiners[i], NULL, join_many, (void *)i), 0);
    for (intptr_t i = 0; i < CARRIERS; i++) {
        ck_assert_int_eq(pthread_join(joiners[i], NULL), 0);
        ck_assert_int_eq(results[i], 0);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_join_from_a_thread_without_a_hub,      test_join_from_a_thread_with_a_hub,
        test_join_after_the_carrier_is_gone,        test_detach_from_elsewhere,
        test_cancel_from_a_thread_without_a_hub,    test_cancel_from_a_thread_with_a_hub,
        test_a_signal_from_elsewhere_ends_the_wait, test_names_from_elsewhere,
        test_many_threads_join_and_cancel,
    };

    return run_suite("elsewhere", tests, sizeof tests / sizeof tests[0]);
}
