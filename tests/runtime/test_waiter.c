/* SPDX-License-Identifier: MIT
 *
 * One suspended call: what ends it, and that the first end counts.
 */
#include "green.h"
#include "hub.h"
#include "support.h"
#include "waiter.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static struct waiter *parked;
static enum wake cause;
static int error;

/* A wait for one descriptor, from beginning to end. */
static enum wake park_fd(int fd, short events, double deadline)
{
    struct waiter *w = waiter_create(hub_current(), "test", 1);
    enum wake end = WAKE_FAILED;

    if (w == NULL)
        return WAKE_FAILED;
    if (waiter_watch(w, fd, events) == 0)
        end = waiter_park(w, deadline);
    waiter_destroy(w);
    return end;
}

static void *park(void *deadline)
{
    struct hub *hub = hub_current();

    parked = waiter_create(hub, "test", 0);
    parked->remote = true; /* somebody will wake it: no deadlock */
    errno = 0;
    cause = waiter_park(parked, deadline == NULL ? (double)INFINITY : *(double *)deadline);
    error = errno;
    waiter_destroy(parked);
    return NULL;
}

static green_t *park_one(double *deadline)
{
    green_t *g = green_spawn(park, deadline);

    green_yield();
    return g;
}

START_TEST(the_first_wake_counts)
{
    green_t *g = park_one(NULL);

    waiter_wake(parked, WAKE_READY);
    waiter_wake(parked, WAKE_SIGNAL);
    waiter_fail(parked, EIO);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert_int_eq(cause, WAKE_READY);
    ck_assert_int_eq(error, 0);
}
END_TEST

START_TEST(a_close_counts_after_readiness)
{
    green_t *g = park_one(NULL);

    waiter_wake(parked, WAKE_READY);
    waiter_wake(parked, WAKE_CLOSED);
    waiter_wake(parked, WAKE_READY);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert_int_eq(cause, WAKE_CLOSED);
}
END_TEST

START_TEST(a_close_does_not_count_after_a_failure)
{
    green_t *g = park_one(NULL);

    waiter_fail(parked, EXDEV);
    waiter_wake(parked, WAKE_CLOSED);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert_int_eq(cause, WAKE_FAILED);
    ck_assert_int_eq(error, EXDEV);
}
END_TEST

START_TEST(a_failure_brings_its_errno)
{
    green_t *g = park_one(NULL);

    waiter_fail(parked, EXDEV);
    waiter_wake(parked, WAKE_READY);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert_int_eq(cause, WAKE_FAILED);
    ck_assert_int_eq(error, EXDEV);
}
END_TEST

START_TEST(a_deadline_ends_it)
{
    double deadline;
    green_t *g;

    green_spawn(park, NULL); /* makes the hub */
    green_yield();
    waiter_wake(parked, WAKE_READY);
    green_yield();
    deadline = hub_deadline(0.01);
    g = park_one(&deadline);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert_int_eq(cause, WAKE_DEADLINE);
    ck_assert_double_ge(hub_now(), deadline);
    deadline = hub_now() - 100; /* long over */
    ck_assert_int_eq(green_join(park_one(&deadline), NULL, -1), 0);
    ck_assert_int_eq(cause, WAKE_DEADLINE);
}
END_TEST

START_TEST(one_that_is_over_before_it_begins_does_not_park)
{
    struct waiter *w;
    struct green_hub_stats stats;

    park_one(NULL);
    waiter_wake(parked, WAKE_READY);
    green_yield();
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    w = waiter_create(hub_current(), "test", 0);
    waiter_wake(w, WAKE_SIGNAL);
    ck_assert_int_eq(waiter_park(w, (double)INFINITY), WAKE_SIGNAL);
    waiter_destroy(w);
    {
        unsigned long before = stats.parked;

        ck_assert_int_eq(green_hub_stats(&stats), 0);
        ck_assert_uint_eq(stats.parked, before);
        ck_assert_uint_eq(stats.waiting, 0);
    }
}
END_TEST

START_TEST(it_watches_as_many_as_it_was_made_for)
{
    int s[2];
    struct waiter *w;

    park_one(NULL);
    waiter_wake(parked, WAKE_READY);
    green_yield();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    w = waiter_create(hub_current(), "test", 2);
    ck_assert_int_eq(waiter_watch(w, s[0], POLLIN), 0);
    errno = 0;
    ck_assert_int_eq(waiter_watch(w, -1, POLLIN), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(waiter_watch(w, s[1], POLLOUT), 0);
    ck_assert_int_eq(waiter_watch(w, s[1], POLLIN), -1);
    ck_assert_int_eq(waiter_park(w, (double)INFINITY), WAKE_READY);
    errno = EXDEV;
    waiter_destroy(w);
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(park_fd(s[1], POLLOUT, (double)INFINITY), WAKE_READY);
    ck_assert_int_eq(park_fd(s[1], POLLIN, hub_deadline(0.005)), WAKE_DEADLINE);
    ck_assert_int_eq(park_fd(-1, POLLIN, (double)INFINITY), WAKE_FAILED);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        the_first_wake_counts,
        a_close_counts_after_readiness,
        a_close_does_not_count_after_a_failure,
        a_failure_brings_its_errno,
        a_deadline_ends_it,
        one_that_is_over_before_it_begins_does_not_park,
        it_watches_as_many_as_it_was_made_for,
    };

    return run_suite("waiter", tests, sizeof tests / sizeof tests[0]);
}
