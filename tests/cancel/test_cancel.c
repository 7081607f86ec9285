/* SPDX-License-Identifier: MIT
 *
 * A call that waits is killed, at every point and with several errors, under both kinds of hosts:
 * it fails with that error, the next calls work, and nothing is left behind. The list of points is
 * held against the hook table.
 */
#include "../runtime/support.h"
#include "cancel.h"
#include "green.h"
#include "hook.h"
#include "lot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* --- helpers of the points -------------------------------------------------------------------- */

int failure(long result)
{
    return result == -1 ? errno : 0;
}

struct timespec far_off(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    time.tv_sec += 1000;
    return time;
}

/* --- the points ------------------------------------------------------------------------------- */

static const struct {
    const struct point *points;
    const size_t *count;
} groups[] = {
    {points_net, &points_net_count},   {points_wait, &points_wait_count},
    {points_file, &points_file_count}, {points_name, &points_name_count},
    {points_sync, &points_sync_count},
};

static const struct point *find_point(void (*hook)(void))
{
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        for (size_t k = 0; k < *groups[i].count; k++)
            if (groups[i].points[k].hook == hook)
                return &groups[i].points[k];
    return NULL;
}

static const struct {
    const char *name, *what;
    void (*hook)(void);
} rows[] = {
#define HOOK(group, name, what) {#name, what, HOOK_OF(name)},
#include "hooks.def"
#undef HOOK
};

/* These let others run, and wait for nothing that a kill could end; and this waits by tcdrain(),
 * where a terminal has output that it has not sent, which one without a line never has. */
static bool is_left_out(const char *name)
{
    static const char *const names[] = {"sched_yield", "__sched_yield", "thrd_yield", "tcsetattr"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

START_TEST(every_hook_that_waits_is_a_point)
{
    size_t missing = 0;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool waits = strncmp(rows[i].what, "not at all", 10) != 0 && !is_left_out(rows[i].name);

        if (!waits || find_point(rows[i].hook) != NULL)
            continue;
        fprintf(stderr, "no point for %s, which waits %s\n", rows[i].name, rows[i].what);
        missing++;
    }
    ck_assert_uint_eq(missing, 0);
}
END_TEST

/* --- one point -------------------------------------------------------------------------------- */

enum { KILLED, NEXT };

static const struct point *point;
static int results[FLOWS], afterwards;
int killed_with;

static void call_and_wait_again(int number)
{
    results[number] = point->call();
    /* Only one call is ended. */
    afterwards = failure(greenify_usleep(1000));
}

static void call_once_more(int number)
{
    results[number] = point->call();
}

static void check_that_nobody_waits(void)
{
    struct green_hub_stats stats;

    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_msg(stats.waiting == 0, "%s: %zu wait", point->name, stats.waiting);
    ck_assert_msg(atomic_load(&lot_sleepers) == 0, "%s: in the lot", point->name);
}

/* Where the kill came too late for the call it is for the next wait; a foreign host keeps its error
 * to itself. */
static void check_killed(const struct host *host, int error)
{
    bool is_late = point->cannot_fail || (point->may_be_done && results[KILLED] == point->success);
    int expected = is_late ? point->success : error;
    int late = is_late && host == &native ? error : 0;

    ck_assert_msg(results[KILLED] == expected, "%s, %s: %d, not %d", host->name, point->name,
                  results[KILLED], expected);
    ck_assert_msg(afterwards == late, "%s, %s: the next wait gave %d, not %d", host->name,
                  point->name, afterwards, late);
}

static void kill_once(const struct host *host, int error)
{
    struct green_hub_stats stats;

    results[KILLED] = afterwards = -7;
    killed_with = error;
    host->start(KILLED, call_and_wait_again);
    if (point->rounds)
        ck_assert_msg(!host->join(KILLED, 0.02), "%s did not wait", point->name);
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_msg(stats.waiting == 1, "%s, %s: %zu wait, result %d", host->name, point->name,
                  stats.waiting, results[KILLED]);
    host->kill(KILLED, error);
    if (point->cannot_fail) {
        ck_assert_msg(!host->join(KILLED, 0.02), "%s was ended", point->name);
        point->proceed();
    }
    ck_assert_msg(host->join(KILLED, 30), "%s, %s: the wait goes on", host->name, point->name);
    check_killed(host, error);
    check_that_nobody_waits();
}

/* Returns how long that took. */
static double succeed(const struct host *host)
{
    double begun = now();

    results[NEXT] = -7;
    host->start(NEXT, call_once_more);
    if (point->proceed != NULL)
        point->proceed();
    ck_assert_msg(host->join(NEXT, 30), "%s, %s: the next call waits on", host->name, point->name);
    ck_assert_msg(results[NEXT] == point->success, "%s, %s: the next call gave %d, not %d",
                  host->name, point->name, results[NEXT], point->success);
    check_that_nobody_waits();
    return now() - begun;
}

/* A worker that was left alone may still be at it. */
static int descriptors_in_the_end(int most)
{
    double limit = now() + 10;
    int found;

    while ((found = open_descriptors()) > most && now() < limit)
        usleep(1000);
    return found;
}

/* false: there is nothing to try it on. */
static bool check_point(const struct host *host)
{
    static const int errors[] = {ECANCELED, ETIMEDOUT, EXDEV};
    int before = 0, after;
    double took = 0;

    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        if (i <= 1) /* some things are opened once and kept */
            before = open_descriptors();
        if (point->set_up != NULL && !point->set_up())
            return false;
        kill_once(host, errors[i]);
        if (!point->cannot_fail && !(point->by_handler && host == &foreign) && took < 0.5)
            took = succeed(host);
        if (point->tear_down != NULL)
            point->tear_down();
        if (i == 0)
            continue;
        after = descriptors_in_the_end(before);
        ck_assert_msg(after <= before, "%s, %s: %d descriptors, not %d", host->name, point->name,
                      after, before);
    }
    return true;
}

static void check_points(const struct host *host)
{
    size_t tried = 0, absent = 0;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_DFL); /* libcheck's own would end waits */
    signal(SIGTERM, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    host->begin();
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        for (size_t k = 0; k < *groups[i].count; k++) {
            point = &groups[i].points[k];
            if (check_point(host))
                tried++;
            else
                absent++;
        }
    host->end();
    printf("%s: %zu points, each killed three times; %zu that this system does not have\n",
           host->name, tried, absent);
    ck_assert_uint_gt(tried, 3 * absent);
}

START_TEST(every_point_of_a_coroutine)
{
    check_points(&native);
}
END_TEST

START_TEST(every_point_of_a_foreign_host)
{
    check_points(&foreign);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        every_hook_that_waits_is_a_point,
        every_point_of_a_coroutine,
        every_point_of_a_foreign_host,
    };

    return run_suite("cancel", tests, sizeof tests / sizeof tests[0]);
}
