/* SPDX-License-Identifier: MIT
 *
 * The heap of deadlines, against a plain search through an array.
 */
#include "support.h"
#include "timers.h"

#include <math.h>
#include <stdint.h>

enum { COUNT = 500 };

static struct timer all[COUNT];
static struct timers timers;
static uint32_t random_state = 1;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static double earliest_by_search(void)
{
    double earliest = (double)INFINITY;

    for (int i = 0; i < COUNT; i++)
        if (all[i].place != 0 && all[i].at < earliest)
            earliest = all[i].at;
    return earliest;
}

START_TEST(an_empty_heap_has_no_deadline)
{
    struct timer timer = {.at = 1, .place = 0};

    timers_init(&timers);
    ck_assert(isinf(timers_earliest(&timers)));
    ck_assert_ptr_null(timers_expire(&timers, 1e9));
    timers_remove(&timers, &timer); /* in no heap: nothing */
    timers_finish(&timers);
}
END_TEST

START_TEST(timers_expire_in_order)
{
    double last = 0;
    int expired = 0;
    struct timer *timer;

    timers_init(&timers);
    for (int i = 0; i < COUNT; i++) {
        all[i] = (struct timer){.at = next_random() % 100, .place = 0};
        ck_assert_int_eq(timers_add(&timers, &all[i]), 0);
    }
    while ((timer = timers_expire(&timers, 1000)) != NULL) {
        ck_assert_double_ge(timer->at, last);
        ck_assert_uint_eq(timer->place, 0);
        last = timer->at;
        expired++;
    }
    ck_assert_int_eq(expired, COUNT);
    ck_assert_uint_le(timers.capacity, 64); /* the memory of a burst does not stay */
    timers_finish(&timers);
}
END_TEST

START_TEST(one_that_is_not_due_stays)
{
    struct timer timer = {.at = 5, .place = 0};

    timers_init(&timers);
    ck_assert_int_eq(timers_add(&timers, &timer), 0);
    ck_assert_ptr_null(timers_expire(&timers, 4.999));
    ck_assert_ptr_eq(timers_expire(&timers, 5), &timer);
    timers_finish(&timers);
}
END_TEST

START_TEST(any_order_of_adding_and_removing_keeps_the_earliest_first)
{
    timers_init(&timers);
    for (int i = 0; i < COUNT; i++)
        all[i].place = 0;
    for (int step = 0; step < 20000; step++) {
        struct timer *timer = &all[next_random() % COUNT];

        if (timer->place != 0) {
            timers_remove(&timers, timer);
            ck_assert_uint_eq(timer->place, 0);
        } else {
            timer->at = next_random() % 1000;
            ck_assert_int_eq(timers_add(&timers, timer), 0);
        }
        ck_assert_double_eq(timers_earliest(&timers), earliest_by_search());
    }
    timers_finish(&timers);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_empty_heap_has_no_deadline,
        timers_expire_in_order,
        one_that_is_not_due_stays,
        any_order_of_adding_and_removing_keeps_the_earliest_first,
    };

    return run_suite("timers", tests, sizeof tests / sizeof tests[0]);
}
