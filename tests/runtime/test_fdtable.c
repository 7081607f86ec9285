/* SPDX-License-Identifier: MIT
 *
 * Who is woken by what, and what the kernel is told.
 */
#include "closings.h"
#include "epollset.h"
#include "fdtable.h"
#include "hub.h"
#include "incarnation.h"
#include "support.h"
#include "waiter.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Numbers that nobody else here has, each an eventfd of its own. */
enum { FIRST = 505, LAST = FIRST + 4 };

static struct epollset set;
static struct fdtable table;
static struct waiter waiters[3];
static struct fd_wait waits[3];

static void open_at(int fd)
{
    int fresh = eventfd(0, EFD_NONBLOCK);

    ck_assert_int_eq(dup2(fresh, fd), fd);
    close(fresh);
}

static void set_up(void)
{
    ck_assert_int_eq(epollset_init(&set), 0);
    fdtable_init(&table, NULL, &set, closings_open(&set));
    for (int i = 0; i < 3; i++)
        list_init(&waiters[i].link);
    for (int fd = FIRST; fd <= LAST; fd++)
        open_at(fd);
}

static void tear_down(void)
{
    fdtable_finish(&table);
    epollset_finish(&set);
}

static int add(int i, int fd, short events)
{
    struct fd_entry *entry = fdtable_entry(&table, fd);

    waits[i] = (struct fd_wait){.waiter = &waiters[i], .fd = fd, .events = events};
    return entry == NULL ? -1 : fdtable_add(&table, entry, fd_entry_is_trusted(entry), &waits[i]);
}

static short told(int fd)
{
    return fdtable_find(&table, fd)->told;
}

static void report(int fd, short revents)
{
    fdtable_ready(&table, fd, fdtable_find(&table, fd)->tag, revents);
}

/* What the kernel reports now. */
static void collect(void)
{
    int error;

    (void)epollset_collect(&set, 0, NULL, &table, &error);
    ck_assert_int_eq(error, 0);
}

/* In use on the kernel's side since it was born in a hook. */
static void trust(int fd)
{
    struct fd_entry *entry = fdtable_entry(&table, fd);

    entry->incarnation = incarnation_changes(entry->number);
}

START_TEST(only_those_are_woken_whose_events_came)
{
    set_up();
    trust(FIRST);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(told(FIRST), POLLIN);
    ck_assert_int_eq(add(1, FIRST, POLLOUT), 0);
    ck_assert_int_eq(told(FIRST), POLLIN | POLLOUT);
    ck_assert_int_eq(add(2, FIRST + 1, POLLIN), 0);
    report(FIRST, POLLOUT);
    ck_assert_int_eq(waiters[0].cause, WAKE_NONE);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    ck_assert_int_eq(waiters[2].cause, WAKE_NONE);
    report(FIRST, POLLHUP);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    for (int i = 0; i < 3; i++)
        fdtable_remove(&waits[i]);
    tear_down();
}
END_TEST

/* The first of two waiters has what it waits for, the second is still to get it. */
static void check_reports_of_two(void)
{
    collect();
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    ck_assert_int_eq(waiters[1].cause, WAKE_NONE);
    ck_assert_int_eq(eventfd_write(FIRST + 1, 1), 0);
    collect();
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
}

START_TEST(the_kernel_reports_what_is_there_and_what_comes)
{
    set_up();
    ck_assert_int_eq(eventfd_write(FIRST, 1), 0);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(add(1, FIRST + 1, POLLIN), 0);
    check_reports_of_two();
    tear_down();
}
END_TEST

START_TEST(what_nobody_waits_for_is_reported_for_a_while_only)
{
    set_up();
    trust(FIRST);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    fdtable_remove(&waits[0]);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(told(FIRST), POLLIN);
        ck_assert_int_eq(eventfd_write(FIRST, 1), 0);
        collect();
    }
    ck_assert_int_eq(told(FIRST), 0);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    collect();
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    tear_down();
}
END_TEST

START_TEST(two_readers_are_both_woken)
{
    set_up();
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(add(1, FIRST, POLLIN), 0);
    report(FIRST, POLLIN);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    tear_down();
}
END_TEST

START_TEST(a_close_wakes_all_and_forgets)
{
    unsigned tag;

    set_up();
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(add(1, FIRST, 0), 0);
    ck_assert_int_eq(add(2, FIRST + 1, POLLIN), 0);
    tag = fdtable_find(&table, FIRST)->tag;
    fdtable_close(&table, FIRST);
    ck_assert_int_eq(told(FIRST), 0);
    ck_assert_int_eq(waiters[0].cause, WAKE_CLOSED);
    ck_assert(waits[0].closed);
    ck_assert_int_eq(waiters[1].cause, WAKE_CLOSED);
    ck_assert_int_eq(waiters[2].cause, WAKE_NONE);
    fdtable_retry(&table, FIRST + 1);
    ck_assert_int_eq(waiters[2].cause, WAKE_READY);
    ck_assert(!waits[2].closed);
    fdtable_remove(&waits[0]);
    waiters[0].cause = WAKE_NONE;
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    fdtable_ready(&table, FIRST, tag, POLLIN); /* of the file that was */
    ck_assert_int_eq(waiters[0].cause, WAKE_NONE);
    tear_down();
}
END_TEST

/* As another thread does it; the number is in use again before the hub hears of it. */
START_TEST(a_close_elsewhere_wakes_those_of_before)
{
    unsigned tag;

    set_up();
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(add(1, FIRST + 1, POLLIN), 0);
    closings_tell(incarnation_end(FIRST), NULL, FIRST);
    ck_assert(set.woken);
    ck_assert(fdtable_is_over(&waits[0]));
    ck_assert_int_eq(add(2, FIRST, POLLOUT), 0);
    tag = fdtable_find(&table, FIRST)->tag;
    fdtable_collect(&table);
    ck_assert_int_eq(waiters[0].cause, WAKE_CLOSED);
    ck_assert(waits[0].closed);
    ck_assert_int_eq(waiters[1].cause, WAKE_NONE);
    ck_assert_int_eq(waiters[2].cause, WAKE_NONE);
    ck_assert_uint_eq(fdtable_find(&table, FIRST)->tag, tag + 1);
    ck_assert_int_eq(told(FIRST), POLLOUT); /* of the new file */
    fdtable_collect(&table);
    ck_assert_uint_eq(fdtable_find(&table, FIRST)->tag, tag + 1);
    closings_tell(incarnation_end(FIRST), NULL, FIRST);
    fdtable_collect(&table);
    ck_assert_int_eq(waiters[2].cause, WAKE_CLOSED);
    tear_down();
}
END_TEST

/* Once nobody waits any more the hub is told once, and then not again. */
START_TEST(a_hub_is_told_as_long_as_it_waits)
{
    set_up();
    ck_assert_uint_eq(incarnation_hubs(FIRST), 0);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_uint_eq(incarnation_hubs(FIRST), table.closings->bit);
    closings_tell(incarnation_end(FIRST), table.closings, FIRST); /* the hub itself */
    ck_assert(!set.woken);
    fdtable_remove(&waits[0]);
    closings_tell(incarnation_end(FIRST), NULL, FIRST);
    ck_assert(set.woken);
    set.woken = false;
    fdtable_collect(&table);
    ck_assert_uint_eq(incarnation_hubs(FIRST), 0);
    ck_assert_uint_eq(incarnation_end(FIRST), 0);
    closings_close(table.closings);
    closings_tell(1, NULL, FIRST); /* whom it meant has gone */
    ck_assert(!set.woken);
    tear_down();
}
END_TEST

START_TEST(nobody_begins_to_wait_for_what_is_being_closed)
{
    unsigned life;

    set_up();
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    fdtable_remove(&waits[0]);
    (void)incarnation_close(FIRST, &life);
    errno = 0;
    ck_assert_int_eq(add(0, FIRST, POLLIN), -1);
    ck_assert_int_eq(errno, EBADF);
    incarnation_closed(FIRST, life);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    tear_down();
}
END_TEST

START_TEST(what_is_not_there_is_passed_over)
{
    set_up();
    fdtable_close(&table, -1);
    fdtable_close(&table, 123456);
    fdtable_retry(&table, -1);
    fdtable_ready(&table, 123456, 0, POLLIN);
    errno = 0;
    ck_assert_int_eq(add(0, -1, POLLIN), -1);
    ck_assert_int_eq(errno, EBADF);
    tear_down();
}
END_TEST

/* Closed out of sight: who waits looks again, and hears of it by the call itself. */
START_TEST(what_the_kernel_does_not_take_wakes)
{
    set_up();
    close(FIRST);
    errno = 0;
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(errno, 0);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    epollset_finish(&set);
    waiters[1].cause = WAKE_NONE;
    set.fd = LAST; /* no epoll set */
    set.watched = true;
    ck_assert_int_eq(add(1, FIRST + 1, POLLIN), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(waiters[1].cause, WAKE_NONE);
    tear_down();
}
END_TEST

START_TEST(a_lost_set_is_made_anew_with_all_that_is_awaited)
{
    set_up();
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    epollset_finish(&set);
    set.fd = LAST; /* the program's by now, and no epoll set */
    errno = 0;
    ck_assert_int_eq(add(1, FIRST + 1, POLLIN), 0);
    ck_assert_int_eq(errno, 0);
    ck_assert_int_ne(set.fd, LAST);
    ck_assert_int_eq(eventfd_write(FIRST, 1), 0);
    check_reports_of_two();
    tear_down();
}
END_TEST

/* Twice as long as a wait may rely on what the kernel was told. */
static void doubt(void)
{
    fdtable_doubt(&table);
    fdtable_doubt(&table);
}

START_TEST(a_number_that_came_back_out_of_sight_is_told_of_anew)
{
    set_up();
    trust(FIRST);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    fdtable_remove(&waits[0]);
    open_at(FIRST);
    ck_assert_int_eq(eventfd_write(FIRST, 1), 0);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    collect();
    ck_assert_int_eq(waiters[0].cause, WAKE_NONE);
    doubt();
    collect();
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    fdtable_remove(&waits[0]);
    waiters[0].cause = WAKE_NONE;
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    close(FIRST);
    doubt();
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    ck_assert(table.doubt_at > 1e300);
    tear_down();
}
END_TEST

START_TEST(a_report_for_others_ends_no_doubt)
{
    set_up();
    trust(FIRST);
    ck_assert_int_eq(add(0, FIRST, POLLIN | POLLOUT), 0);
    fdtable_remove(&waits[0]);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(add(1, FIRST, POLLOUT), 0);
    report(FIRST, POLLOUT);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    open_at(FIRST);
    ck_assert_int_eq(eventfd_write(FIRST, 1), 0);
    doubt();
    collect();
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    tear_down();
}
END_TEST

static bool has_reports(void)
{
    struct pollfd state = {.fd = set.fd, .events = POLLIN};

    return poll(&state, 1, 0) != 0;
}

/* By the hub's own thread, and by another. */
START_TEST(a_file_that_lives_on_is_not_reported)
{
    int copies[2];

    set_up();
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(add(i, FIRST + i, POLLIN), 0);
        copies[i] = dup(FIRST + i);
    }
    fdtable_close(&table, FIRST);
    closings_tell(incarnation_end(FIRST + 1), NULL, FIRST + 1);
    collect();
    for (int i = 0; i < 2; i++) {
        close(FIRST + i);
        ck_assert_int_eq(eventfd_write(copies[i], 1), 0);
        ck_assert(!has_reports());
        close(copies[i]);
    }
    ck_assert_int_eq(add(2, FIRST + 2, POLLIN), 0);
    ck_assert_int_eq(eventfd_write(FIRST + 2, 1), 0);
    ck_assert(has_reports());
    tear_down();
}
END_TEST

START_TEST(waits_survive_the_growth_of_the_table)
{
    enum { HIGH = FIRST + 400 };

    set_up();
    open_at(HIGH);
    ck_assert_int_eq(add(0, FIRST, POLLIN), 0);
    ck_assert_int_eq(add(1, HIGH, POLLIN), 0);
    report(FIRST, POLLIN);
    report(HIGH, POLLIN);
    ck_assert_int_eq(waiters[0].cause, WAKE_READY);
    ck_assert_int_eq(waiters[1].cause, WAKE_READY);
    tear_down();
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        only_those_are_woken_whose_events_came,
        the_kernel_reports_what_is_there_and_what_comes,
        what_nobody_waits_for_is_reported_for_a_while_only,
        two_readers_are_both_woken,
        a_close_wakes_all_and_forgets,
        a_close_elsewhere_wakes_those_of_before,
        a_hub_is_told_as_long_as_it_waits,
        nobody_begins_to_wait_for_what_is_being_closed,
        what_is_not_there_is_passed_over,
        what_the_kernel_does_not_take_wakes,
        a_lost_set_is_made_anew_with_all_that_is_awaited,
        a_number_that_came_back_out_of_sight_is_told_of_anew,
        a_report_for_others_ends_no_doubt,
        a_file_that_lives_on_is_not_reported,
        waits_survive_the_growth_of_the_table,
    };

    return run_suite("fdtable", tests, sizeof tests / sizeof tests[0]);
}
