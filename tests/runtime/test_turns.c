/* SPDX-License-Identifier: MIT
 *
 * Whose turn it is when many are ready and each works for a while, or none ever waits.
 */
#include "green.h"
#include "hook.h"
#include "hub.h"
#include "support.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

enum { WORKERS = 10, ROUNDS = 3 };

#define WORK_SECONDS  0.02 /* of the coarse clock, by which deadlines are seen */
#define SLEEP_SECONDS 0.001

static unsigned turns;
static bool stopped;

/* By the coarse clock, which stands still where a virtual machine has lost the processor that moves
 * it. */
static void work(void)
{
    double end = hub_now_coarsely() + WORK_SECONDS;

    turns++;
    while (hub_now_coarsely() < end)
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

/* What the sleeper saw at *most until the workers were through. */
static unsigned most_until_all_end(green_t **workers, green_t *sleeper, const unsigned *most)
{
    for (int i = 0; i < WORKERS; i++)
        ck_assert_int_eq(green_join(workers[i], NULL, -1), 0);
    stopped = true;
    ck_assert_int_eq(green_join(sleeper, NULL, -1), 0);
    ck_assert_uint_eq(turns, WORKERS * ROUNDS);
    return *most;
}

/* One worker begins before the sleep is over, and one because the clock is coarse. */
START_TEST(a_deadline_does_not_wait_for_all_who_are_ready)
{
    green_t *workers[WORKERS], *sleeper;
    unsigned most = 0;

    sleeper = green_spawn(sleep_beside_them, &most);
    for (int i = 0; i < WORKERS; i++)
        workers[i] = green_spawn(work_and_yield, NULL);
    ck_assert_uint_le(most_until_all_end(workers, sleeper, &most), 3);
}
END_TEST

/* As libraries do that only want to give way: libmariadb, before it asks whether it is connected.
 */
static void *give_way_and_work(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        greenify_usleep(1);
        work();
    }
    return argument;
}

START_TEST(a_sleep_that_only_gives_way_does_not_go_first)
{
    green_t *workers[WORKERS], *sleeper;
    unsigned most = 0;

    for (int i = 0; i < WORKERS; i++)
        workers[i] = green_spawn(give_way_and_work, NULL);
    sleeper = green_spawn(sleep_beside_them, &most);
    ck_assert_uint_le(most_until_all_end(workers, sleeper, &most), 3);
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

/* --- the loop between them ---------------------------------------------------------------------
 */

static int ends[2];
static bool arrived;

static void *await_byte(void *unused)
{
    if (green_wait_fd(ends[0], POLLIN, -1) == POLLIN)
        arrived = true;
    return unused;
}

static green_t *reader(void)
{
    green_t *g;

    ck_assert_int_eq(pipe(ends), 0);
    arrived = false;
    g = green_spawn(await_byte, NULL);
    ck_assert_ptr_nonnull(g);
    return g;
}

static void write_byte(void)
{
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
}

enum { TURNS_MOST = 100000000 };

/* Never waits; each turn takes so many milliseconds. */
static void *take_turns(void *milliseconds)
{
    while (!arrived && turns < TURNS_MOST) {
        double end = now() + (double)(intptr_t)milliseconds * 1e-3;

        turns++;
        while (milliseconds != NULL && now() < end)
            continue;
        green_yield();
    }
    return NULL;
}

static void spin_beside_a_reader(int count, intptr_t milliseconds)
{
    green_t *g = reader(), *spinners[10];

    for (int i = 0; i < count; i++)
        spinners[i] = green_spawn(take_turns, (void *)milliseconds);
    for (int i = 0; i < 20; i++)
        green_yield();
    write_byte();
    turns = 0;
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(green_join(spinners[i], NULL, -1), 0);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert(arrived);
}

START_TEST(those_who_never_wait_leave_the_loop_its_turns)
{
    for (int count = 1; count <= 10; count++) {
        spin_beside_a_reader(count, 0);
        ck_assert_uint_lt(turns, TURNS_MOST);
    }
}
END_TEST

/* The loop is not kept waiting by the number of turns, but by the time that they take. */
START_TEST(where_turns_are_long_the_loop_has_one_each_round)
{
    spin_beside_a_reader(2, 1);
    ck_assert_uint_le(turns, 12);
    spin_beside_a_reader(10, 1);
    ck_assert_uint_le(turns, 40);
}
END_TEST

START_TEST(a_yield_with_nobody_ready_is_a_look_at_the_loop)
{
    green_t *g = reader();

    for (int i = 0; i < 10; i++)
        green_yield();
    ck_assert(!arrived);
    write_byte();
    for (int i = 0; i < 3; i++)
        green_yield();
    ck_assert(arrived);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

static long counter;

static void *note_turns(void *own)
{
    for (int i = 0; i < 100; i++) {
        ((long *)own)[i] = counter++;
        green_yield();
    }
    return NULL;
}

START_TEST(turns_go_round)
{
    enum { MANY = 7 };
    static long own[MANY][100];
    green_t *g[MANY];

    for (int i = 0; i < MANY; i++)
        g[i] = green_spawn(note_turns, own[i]);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
    for (int round = 0; round < 100; round++)
        for (int i = 0; i < MANY; i++)
            ck_assert_int_eq(own[i][round], round * MANY + i);
}
END_TEST

static void *end_at_once(void *count)
{
    ++*(long *)count;
    return NULL;
}

START_TEST(those_detached_leave_their_stacks_to_the_next)
{
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    long count = 0;

    for (int i = 0; i < 10000; i++) {
        green_t *g = green_spawn(end_at_once, &count);

        ck_assert_ptr_nonnull(g);
        lowest = (uintptr_t)g < lowest ? (uintptr_t)g : lowest;
        highest = (uintptr_t)g > highest ? (uintptr_t)g : highest;
        ck_assert_int_eq(green_detach(g), 0);
        green_yield();
        ck_assert_int_eq(count, i + 1);
    }
    ck_assert_uint_le(highest - lowest, 4 * 260 * 1024);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_deadline_does_not_wait_for_all_who_are_ready,
        a_sleep_that_only_gives_way_does_not_go_first,
        deadlines_let_the_others_have_turns,
        one_whose_deadline_passed_goes_first,
        those_who_never_wait_leave_the_loop_its_turns,
        where_turns_are_long_the_loop_has_one_each_round,
        a_yield_with_nobody_ready_is_a_look_at_the_loop,
        turns_go_round,
        those_detached_leave_their_stacks_to_the_next,
    };

    return run_suite("turns", tests, sizeof tests / sizeof *tests);
}
