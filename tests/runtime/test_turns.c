/* SPDX-License-Identifier: MIT
 *
 * Whose turn it is when many are ready and each works for a while.
 */
#include "green.h"
#include "support.h"

#include <stdbool.h>
#include <stdint.h>

enum { WORKERS = 10, ROUNDS = 3 };

#define WORK_SECONDS  0.02 /* longer than the clock may be behind by which deadlines are seen */
#define SLEEP_SECONDS 0.001

static unsigned turns;
static bool stopped;

static void work(void)
{
    double end = now() + WORK_SECONDS;

    turns++;
    while (now() < end)
        continue;
}

static void *work_and_yield(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        work();
        green_yield();
    }
    return argument;
}

/* The most turns of others that began while this one slept. */
static void *sleep_beside_them(void *argument)
{
    unsigned most = 0;

    while (!stopped) {
        unsigned before = turns;

        green_sleep(SLEEP_SECONDS);
        most = turns - before > most ? turns - before : most;
    }
    *(unsigned *)argument = most;
    return argument;
}

/* One worker begins before the sleep is over, and one because the clock is coarse. */
START_TEST(a_deadline_does_not_wait_for_all_who_are_ready)
{
    green_t *workers[WORKERS], *sleeper;
    unsigned most = 0;

    sleeper = green_spawn(sleep_beside_them, &most);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = green_spawn(work_and_yield, NULL);
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(green_join(workers[i], NULL, -1), 0);
    stopped = true;
    ck_assert_int_eq(green_join(sleeper, NULL, -1), 0);
    ck_assert_uint_eq(turns, WORKERS * ROUNDS);
    ck_assert_uint_le(most, 3);
}
END_TEST

static void *sleep_and_work(void *argument)
{
    while (!stopped) {
        green_sleep(SLEEP_SECONDS);
        work();
    }
    return argument;
}

static void *yield_until_stopped(void *argument)
{
    while (!stopped) {
        ++*(unsigned *)argument;
        stopped = turns >= WORKERS;
        green_yield();
    }
    return argument;
}

/* Whenever the two sleepers run, their deadlines pass again meanwhile. */
START_TEST(deadlines_let_the_others_have_turns)
{
    green_t *sleepers[2], *other;
    unsigned yields = 0;

    for (int i = 0; i < 2; i++)
        sleepers[i] = green_spawn(sleep_and_work, NULL);
    other = green_spawn(yield_until_stopped, &yields);
    ck_assert_int_eq(green_join(other, NULL, -1), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(green_join(sleepers[i], NULL, -1), 0);
    ck_assert_uint_ge(yields, WORKERS / 2);
}
END_TEST

static unsigned order, place_of_ready, place_of_sleeper;

static void *take_place(void *place)
{
    *(unsigned *)place = ++order;
    return place;
}

static void *sleep_and_take_place(void *place)
{
    green_sleep(SLEEP_SECONDS);
    return take_place(place);
}

/* Among those who are ready for another reason the first stays the first. */
START_TEST(one_whose_deadline_passed_goes_first)
{
    green_t *sleeper = green_spawn(sleep_and_take_place, &place_of_sleeper), *ready[2];
    unsigned second = 0;

    green_yield();
    work();
    ready[0] = green_spawn(take_place, &place_of_ready);
    ready[1] = green_spawn(take_place, &second);
    ck_assert_int_eq(green_join(sleeper, NULL, -1), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(green_join(ready[i], NULL, -1), 0);
    ck_assert_uint_eq(place_of_sleeper, 1);
    ck_assert_uint_eq(place_of_ready, 2);
    ck_assert_uint_eq(second, 3);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_deadline_does_not_wait_for_all_who_are_ready,
        deadlines_let_the_others_have_turns,
        one_whose_deadline_passed_goes_first,
    };

    return run_suite("turns", tests, sizeof tests / sizeof *tests);
}
