/* SPDX-License-Identifier: MIT
 *
 * Keys of thread-specific data: those of patched code have values in each coroutine, those of other
 * code in the thread; and libc gives a number to one after the other.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>

static pthread_key_t key;
static int destroyed;

static void count_destroyed(void *value)
{
    destroyed += (int)(intptr_t)value;
}

static void *in_coroutine(void *(*entry)(void *), void *argument)
{
    green_t *g = green_spawn(entry, argument);
    void *result = NULL;

    ck_assert_int_eq(green_join(g, &result, -1), 0);
    return result;
}

/* What patched code has to make and to delete a key. */
static const struct {
    int (*create)(pthread_key_t *key, void (*destructor)(void *));
    int none_left;
} makers[] = {
    {greenify_pthread_key_create, EAGAIN},
    {greenify___pthread_key_create, EAGAIN},
    {greenify_tss_create, thrd_error},
};
enum { MAKERS = sizeof makers / sizeof makers[0] };

static int delete_as_c11(pthread_key_t number)
{
    greenify_tss_delete(number);
    return 0;
}

static int (*const deleters[])(pthread_key_t) = {greenify_pthread_key_delete, delete_as_c11};
enum { DELETERS = sizeof deleters / sizeof deleters[0] };

/* --- whose values ----------------------------------------------------------------------------- */

static void *keep_value(void *value)
{
    ck_assert_ptr_null(greenify_pthread_getspecific(key));
    ck_assert_int_eq(greenify_pthread_setspecific(key, value), 0);
    green_yield();
    ck_assert_ptr_eq(greenify_pthread_getspecific(key), value);
    return value;
}

START_TEST(test_each_coroutine_has_values_and_the_root_those_of_the_thread)
{
    green_t *a = green_spawn(keep_value, (void *)1), *b = green_spawn(keep_value, (void *)2);

    ck_assert_int_eq(greenify_pthread_key_create(&key, count_destroyed), 0);
    ck_assert_int_eq(greenify_pthread_setspecific(key, (void *)100), 0);
    ck_assert_int_eq(green_join(a, NULL, -1), 0);
    ck_assert_int_eq(green_join(b, NULL, -1), 0);
    ck_assert_int_eq(destroyed, 3);
    ck_assert_ptr_eq(greenify_pthread_getspecific(key), (void *)100);
    ck_assert_ptr_eq(pthread_getspecific(key), (void *)100);
    ck_assert_int_eq(greenify_pthread_key_delete(key), 0);
}
END_TEST

START_TEST(test_so_it_is_with_keys_from_before_there_was_a_hub)
{
    pthread_key_t made[MAKERS];

    for (int i = 0; i < MAKERS; i++) {
        ck_assert_int_eq(makers[i].create(&made[i], count_destroyed), 0);
        ck_assert_int_eq(greenify_pthread_setspecific(made[i], (void *)100), 0);
    }
    for (int i = 0; i < MAKERS; i++) {
        key = made[i];
        ck_assert_ptr_eq(in_coroutine(keep_value, (void *)1), (void *)1);
        ck_assert_int_eq(destroyed, i + 1);
        ck_assert_ptr_eq(greenify_pthread_getspecific(key), (void *)100);
    }
}
END_TEST

static void *use_foreign_key(void *unused)
{
    ck_assert_ptr_eq(greenify_pthread_getspecific(key), (void *)5);
    ck_assert_int_eq(greenify_pthread_setspecific(key, (void *)6), 0);
    return unused;
}

START_TEST(test_a_key_of_other_code_keeps_the_values_of_the_thread)
{
    ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
    ck_assert_int_eq(pthread_setspecific(key, (void *)5), 0);
    (void)in_coroutine(use_foreign_key, NULL);
    ck_assert_ptr_eq(pthread_getspecific(key), (void *)6);
    pthread_key_delete(key);
}
END_TEST

/* --- numbers that come back ------------------------------------------------------------------- */

static int (*maker)(pthread_key_t *, void (*)(void *));
static int (*deleter)(pthread_key_t);

/* Whether the next key has this one's number, no value, and then one of this coroutine. */
static void *come_back(void *unused)
{
    pthread_key_t next = (pthread_key_t)-1;

    (void)unused;
    if (greenify_pthread_setspecific(key, (void *)7) != 0 || deleter(key) != 0 ||
        maker(&next, count_destroyed) != 0)
        return NULL;
    if (next != key || greenify_pthread_getspecific(next) != NULL)
        return NULL;
    return greenify_pthread_setspecific(next, (void *)100) == 0 ? &key : NULL;
}

START_TEST(test_a_number_that_comes_back_brings_no_values)
{
    for (int i = 0; i < MAKERS; i++) {
        maker = makers[i].create;
        for (int j = 0; j <= DELETERS; j++) {
            deleter = j < DELETERS ? deleters[j] : pthread_key_delete; /* last, by other code */
            destroyed = 0;
            ck_assert_int_eq(maker(&key, count_destroyed), 0);
            ck_assert_ptr_eq(in_coroutine(come_back, NULL), &key);
            ck_assert_int_eq(destroyed, 100);
            ck_assert_int_eq(greenify_pthread_key_delete(key), 0);
        }
    }
}
END_TEST

/* Patched code deletes it once, as it should, or oftener. */
static void hand_over(int (*delete_number)(pthread_key_t), int times)
{
    pthread_key_t number;

    ck_assert_int_eq(greenify_pthread_key_create(&number, count_destroyed), 0);
    for (int i = 0; i < times; i++)
        (void)delete_number(number);
    ck_assert_int_eq(pthread_key_create(&key, NULL), 0);
    ck_assert_int_eq(key, number);
    ck_assert_int_eq(pthread_setspecific(key, (void *)5), 0);
    (void)in_coroutine(use_foreign_key, NULL);
    ck_assert_ptr_eq(pthread_getspecific(key), (void *)6);
    ck_assert_int_eq(pthread_key_delete(key), 0);
}

START_TEST(test_a_number_that_other_code_gets_is_not_patched_codes)
{
    for (int i = 0; i < DELETERS; i++)
        for (int times = 1; times <= 3; times++)
            hand_over(deleters[i], times);
    ck_assert_int_eq(destroyed, 0);
}
END_TEST

START_TEST(test_a_key_is_deleted_once)
{
    ck_assert_int_eq(greenify_pthread_key_create(&key, NULL), 0);
    ck_assert_int_eq(greenify_pthread_key_delete(key), 0);
    ck_assert_int_eq(greenify_pthread_key_delete(key), EINVAL);
}
END_TEST

START_TEST(test_a_number_that_is_none)
{
    ck_assert_int_eq(greenify_pthread_key_delete(PTHREAD_KEYS_MAX), EINVAL);
    ck_assert_int_eq(greenify_pthread_key_delete((pthread_key_t)-1), EINVAL);
    greenify_tss_delete((pthread_key_t)-1);
}
END_TEST

/* --- no key left ------------------------------------------------------------------------------ */

/* In a coroutine: what was a key stays one. */
static void *ask_for_more(void *unused)
{
    (void)unused;
    if (greenify_pthread_setspecific(key, (void *)3) != 0)
        return NULL;
    for (int i = 0; i < MAKERS; i++) {
        pthread_key_t same = key;

        if (makers[i].create(&same, NULL) != makers[i].none_left || same != key)
            return NULL;
    }
    return greenify_pthread_getspecific(key) == (void *)3 ? &key : NULL;
}

START_TEST(test_who_gets_no_key_changes_none)
{
    pthread_key_t next;

    ck_assert_ptr_nonnull(green_loop()); /* a hub takes a key, too */
    ck_assert_int_eq(greenify_pthread_key_create(&key, count_destroyed), 0);
    while (greenify_pthread_key_create(&next, NULL) == 0)
        continue;
    ck_assert_ptr_eq(in_coroutine(ask_for_more, NULL), &key);
    ck_assert_int_eq(destroyed, 3);
}
END_TEST

/* --- many at once ----------------------------------------------------------------------------- */

enum { THREADS = 4, FLOWS = 3, ROUNDS = 50000 };

static _Atomic int wrong;

/* The numbers go round among all flows of all threads. */
static void *make_and_delete(void *unused)
{
    char mine;

    for (int i = 0; i < ROUNDS; i++) {
        pthread_key_t number;
        int error = makers[i % MAKERS].create(&number, NULL);

        wrong += error != 0 || greenify_pthread_getspecific(number) != NULL;
        wrong += greenify_pthread_setspecific(number, &mine) != 0;
        if (i % 8 == 0)
            green_yield();
        wrong += greenify_pthread_getspecific(number) != &mine;
        wrong += deleters[i % DELETERS](number) != 0;
    }
    return unused;
}

static void *run_flows(void *unused)
{
    green_t *flows[FLOWS];

    for (int i = 0; i < FLOWS; i++)
        flows[i] = green_spawn(make_and_delete, NULL);
    for (int i = 0; i < FLOWS; i++)
        wrong += green_join(flows[i], NULL, -1) != 0;
    return unused;
}

START_TEST(test_many_threads_make_and_delete_keys)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_flows, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(wrong, 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_each_coroutine_has_values_and_the_root_those_of_the_thread,
        test_so_it_is_with_keys_from_before_there_was_a_hub,
        test_a_key_of_other_code_keeps_the_values_of_the_thread,
        test_a_number_that_comes_back_brings_no_values,
        test_a_number_that_other_code_gets_is_not_patched_codes,
        test_a_key_is_deleted_once,
        test_a_number_that_is_none,
        test_who_gets_no_key_changes_none,
        test_many_threads_make_and_delete_keys,
    };

    return run_suite("keys", tests, sizeof tests / sizeof tests[0]);
}
