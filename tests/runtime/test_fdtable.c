/* SPDX-License-Identifier: MIT
 *
 * Who is woken by what, on a loop that only counts.
 */
#include "closings.h"
#include "fdtable.h"
#include "hub.h"
#include "incarnation.h"
#include "loop.h"
#include "support.h"
#include "waiter.h"

#include <errno.h>
#include <poll.h>

static int watched_fd, watch_calls, forget_calls, wake_calls;
static short watched_events;
static bool watch_fails;

static int watch(struct loop *loop, int fd, short events, bool anew)
{
    (void)loop;
    (void)anew;
    watch_calls++;
    watched_fd = fd;
    watched_events = events;
    if (watch_fails)
        errno = ENOSPC;
    return watch_fails ? -1 : 0;
}

static void forget(struct loop *loop, int fd)
{
    (void)loop;
    (void)fd;
    forget_calls++;
}

static void wake_loop(struct loop *loop)
{
    (void)loop;
    wake_calls++;
}

static const struct loop_ops ops = {.watch = watch, .forget = forget, .wake = wake_loop};
static struct loop loop = {.ops = &ops};
static struct fdtable table;
static struct waiter waiters[3];
static struct fd_wait waits[3];

static void set_up(void)
{
    fdtable_init(&table, &loop, closings_open(&loop));
    for (int i = 0; i < 3; i++)
        list_init(&waiters[i].link);
}

static int add(int i, int fd, short events)
{
    struct fd_entry *entry = fdtable_entry(&table, fd);

    waits[i] = (struct fd_wait){.waiter = &waiters[i], .fd = fd, .events = events};
    return entry == NULL ? -1 : fdtable_add(&table, entry, &waits[i]);
}

START_TEST(only_those_are_woken_whose_events_came)
{
    set_up();
    ck_assert_int_eq(add(0, 5, POLLIN), 0);
    ck_assert_int_eq(watched_events, POLLIN);
    ck_assert_int_eq(add(1, 5, POLLOUT), 0);
    ck_assert_int_eq(watched_fd, 5);
    ck_assert_int_eq(watched_events, POLLIN | POLLOUT);
    ck_assert_int_eq(add(2, 6, POLLIN), 0);
    ck_assert_int_eq(fdtable_ready(&table, 5, POLLOUT).open, POLLIN); /* what is still waited for */
    ck_assert_int_eq(waiters[0].cause, WAKE_NONE);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    ck_assert_int_eq(waiters[2].cause, WAKE_NONE);
    ck_assert_int_eq(fdtable_ready(&table, 5, POLLHUP).open, 0);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    for (int i = 0; i < 3; i++)
        fdtable_remove(&waits[i]);
    ck_assert_int_eq(fdtable_ready(&table, 5, POLLIN).open, 0);
    fdtable_finish(&table);
}
END_TEST

START_TEST(two_readers_are_both_woken)
{
    set_up();
    ck_assert_int_eq(add(0, 9, POLLIN), 0);
    ck_assert_int_eq(add(1, 9, POLLIN), 0);
    fdtable_ready(&table, 9, POLLIN);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    fdtable_remove(&waits[0]);
    fdtable_remove(&waits[1]);
    fdtable_finish(&table);
}
END_TEST

START_TEST(a_close_wakes_all_and_forgets)
{
    set_up();
    ck_assert_int_eq(add(0, 7, POLLIN), 0);
    ck_assert_int_eq(add(1, 7, 0), 0);
    ck_assert_int_eq(add(2, 8, POLLIN), 0);
    fdtable_close(&table, 7);
    ck_assert_int_eq(forget_calls, 1);
    ck_assert_int_eq(waiters[0].cause, WAKE_CLOSED);
    ck_assert(waits[0].closed);
    ck_assert_int_eq(waiters[1].cause, WAKE_CLOSED);
    ck_assert_int_eq(waiters[2].cause, WAKE_NONE);
    fdtable_retry(&table, 8);
    ck_assert_int_eq(waiters[2].cause, WAKE_READY);
    ck_assert(!waits[2].closed);
    fdtable_finish(&table);
}
END_TEST

/* As another thread does it; the number is in use again before the hub hears of it. */
START_TEST(a_close_elsewhere_wakes_those_of_before)
{
    set_up();
    ck_assert_int_eq(add(0, 7, POLLIN), 0);
    ck_assert_int_eq(add(1, 8, POLLIN), 0);
    closings_tell(incarnation_end(7), NULL, 7);
    ck_assert_int_eq(wake_calls, 1);
    ck_assert(fdtable_is_over(&waits[0]));
    ck_assert_int_eq(add(2, 7, POLLOUT), 0);
    watch_calls = 0;
    fdtable_collect(&table);
    ck_assert_int_eq(waiters[0].cause, WAKE_CLOSED);
    ck_assert(waits[0].closed);
    ck_assert_int_eq(waiters[1].cause, WAKE_NONE);
    ck_assert_int_eq(waiters[2].cause, WAKE_NONE);
    ck_assert_int_eq(forget_calls, 1);
    ck_assert_int_eq(watch_calls, 1); /* of the new file */
    ck_assert_int_eq(watched_events, POLLOUT);
    fdtable_collect(&table);
    ck_assert_int_eq(forget_calls, 1);
    closings_tell(incarnation_end(7), NULL, 7);
    fdtable_collect(&table);
    ck_assert_int_eq(waiters[2].cause, WAKE_CLOSED);
    fdtable_finish(&table);
}
END_TEST

/* Once nobody waits any more the hub is told once, and then not again. */
START_TEST(a_hub_is_told_as_long_as_it_waits)
{
    set_up();
    ck_assert_uint_eq(incarnation_hubs(7), 0);
    ck_assert_int_eq(add(0, 7, POLLIN), 0);
    ck_assert_uint_eq(incarnation_hubs(7), table.closings->bit);
    closings_tell(incarnation_end(7), table.closings, 7); /* the hub itself */
    ck_assert_int_eq(wake_calls, 0);
    fdtable_remove(&waits[0]);
    closings_tell(incarnation_end(7), NULL, 7);
    ck_assert_int_eq(wake_calls, 1);
    fdtable_collect(&table);
    ck_assert_uint_eq(incarnation_hubs(7), 0);
    ck_assert_uint_eq(incarnation_end(7), 0);
    closings_close(table.closings);
    closings_tell(1, NULL, 7); /* whom it meant has gone */
    ck_assert_int_eq(wake_calls, 1);
    fdtable_finish(&table);
}
END_TEST

START_TEST(what_is_not_there_is_passed_over)
{
    set_up();
    fdtable_close(&table, -1);
    fdtable_close(&table, 123456);
    fdtable_retry(&table, -1);
    ck_assert_int_eq(fdtable_ready(&table, 123456, POLLIN).open, 0);
    errno = 0;
    ck_assert_int_eq(add(0, -1, POLLIN), -1);
    ck_assert_int_eq(errno, EBADF);
    fdtable_finish(&table);
}
END_TEST

START_TEST(a_watch_that_fails_leaves_nobody_behind)
{
    set_up();
    watch_fails = true;
    errno = 0;
    ck_assert_int_eq(add(0, 3, POLLIN), -1);
    ck_assert_int_eq(errno, ENOSPC);
    watch_fails = false;
    ck_assert_int_eq(fdtable_ready(&table, 3, POLLIN).open, 0);
    ck_assert_int_eq(waiters[0].cause, WAKE_NONE);
    fdtable_finish(&table);
}
END_TEST

START_TEST(waits_survive_the_growth_of_the_table)
{
    set_up();
    ck_assert_int_eq(add(0, 1, POLLIN), 0);
    ck_assert_int_eq(add(1, 100000, POLLIN), 0);
    fdtable_ready(&table, 1, POLLIN);
    fdtable_ready(&table, 100000, POLLIN);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    fdtable_remove(&waits[0]);
    fdtable_remove(&waits[1]);
    fdtable_finish(&table);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        only_those_are_woken_whose_events_came,  two_readers_are_both_woken,
        a_close_wakes_all_and_forgets,           what_is_not_there_is_passed_over,
        a_close_elsewhere_wakes_those_of_before, a_hub_is_told_as_long_as_it_waits,
        a_watch_that_fails_leaves_nobody_behind, waits_survive_the_growth_of_the_table,
    };

    return run_suite("fdtable", tests, sizeof tests / sizeof tests[0]);
}
