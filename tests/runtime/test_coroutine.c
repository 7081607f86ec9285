/* SPDX-License-Identifier: MIT
 *
 * Spawn, join, detach, kill, yield, sleep: their order, results and refusals.
 */
#include "green.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static char trace[256];

static void note(char c)
{
    size_t length = strlen(trace);

    if (length + 1 < sizeof trace)
        trace[length] = c;
}

static void *twice(void *letter)
{
    note(*(char *)letter);
    green_yield();
    note(*(char *)letter);
    return letter;
}

START_TEST(coroutines_take_turns_in_the_order_of_their_birth)
{
    char letters[] = "abc";
    green_t *g[3];

    for (int i = 0; i < 3; i++)
        g[i] = green_spawn(twice, &letters[i]);
    note('.');
    for (int i = 0; i < 3; i++) {
        void *result = NULL;

        ck_assert_int_eq(green_join(g[i], &result, -1), 0);
        ck_assert_ptr_eq(result, &letters[i]);
    }
    ck_assert_str_eq(trace, ".abcabc");
}
END_TEST

START_TEST(null_arguments_and_bad_ones_are_refused)
{
    char letter = 'a';
    green_t *g = green_spawn(twice, &letter);

    errno = 0;
    ck_assert_ptr_null(green_spawn(NULL, NULL));
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_join(NULL, NULL, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_detach(NULL), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_kill(NULL, EIO), -1);
    ck_assert_int_eq(errno, EINVAL);
    for (int error = -1; error <= 0; error++) {
        errno = 0;
        ck_assert_int_eq(green_kill(g, error), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    errno = 0;
    ck_assert_int_eq(green_set_name(NULL, "x"), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(green_set_name(g, NULL), 0);
    errno = 0;
    ck_assert_int_eq(green_set_stack_size(0), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

START_TEST(without_a_hub_there_is_no_coroutine)
{
    struct green_hub_stats stats;

    ck_assert_ptr_null(green_current());
    ck_assert_int_eq(green_yield(), 0);
    ck_assert_int_eq(green_sleep(0), 0);
    errno = 0;
    ck_assert_int_eq(green_hub_stats(&stats), -1);
    ck_assert_int_eq(errno, ENOENT);
    errno = 0;
    ck_assert_int_eq(green_dump(STDERR_FILENO), -1);
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

static void *at_once(void *result)
{
    return result;
}

START_TEST(a_second_join_is_refused)
{
    int mark;
    void *result = NULL;
    green_t *g = green_spawn(at_once, &mark);

    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_ptr_eq(result, &mark);
    errno = 0;
    ck_assert_int_eq(green_join(g, &result, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_detach(g), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_kill(g, EIO), -1);
    ck_assert_int_eq(errno, ESRCH);
}
END_TEST

struct outcome {
    int result, error;
};

static void *join_oneself(void *outcome)
{
    struct outcome *o = outcome;

    errno = 0;
    o->result = green_join(green_current(), NULL, -1);
    o->error = errno;
    return NULL;
}

START_TEST(a_coroutine_cannot_join_itself)
{
    struct outcome outcome = {0, 0};
    green_t *g = green_spawn(join_oneself, &outcome);

    ck_assert_int_eq(green_join(g, NULL, -1), 0);
    ck_assert_int_eq(outcome.result, -1);
    ck_assert_int_eq(outcome.error, EDEADLK);
}
END_TEST

START_TEST(the_root_is_never_joined)
{
    green_t *g = green_spawn(at_once, NULL);

    ck_assert_ptr_nonnull(green_current());
    errno = 0;
    ck_assert_int_eq(green_join(green_current(), NULL, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_detach(green_current()), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

START_TEST(a_detached_one_is_not_joined_and_runs)
{
    char letter = 'd';
    green_t *g = green_spawn(twice, &letter), *ended = green_spawn(at_once, NULL);

    ck_assert_int_eq(green_detach(g), 0);
    errno = 0;
    ck_assert_int_eq(green_join(g, NULL, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    errno = 0;
    ck_assert_int_eq(green_detach(g), -1);
    ck_assert_int_eq(errno, EINVAL);
    for (int i = 0; i < 3; i++)
        green_yield();
    ck_assert_str_eq(trace, "dd");
    ck_assert_int_eq(green_detach(ended), 0); /* after its end */
}
END_TEST

static void *sleep_long(void *outcome)
{
    struct outcome *o = outcome;

    errno = 0;
    o->result = green_sleep(30);
    o->error = errno;
    errno = 0;
    return green_sleep(0.001) == 0 ? o : NULL; /* the next call works again */
}

START_TEST(a_join_that_times_out_leaves_it_joinable)
{
    struct outcome outcome;
    void *result = NULL;
    green_t *g = green_spawn(sleep_long, &outcome);

    for (int i = 0; i < 2; i++) {
        errno = 0;
        ck_assert_int_eq(green_join(g, NULL, i == 0 ? 0 : 0.01), -1);
        ck_assert_int_eq(errno, ETIMEDOUT);
    }
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_ptr_eq(result, &outcome);
    ck_assert_int_eq(outcome.result, -1);
    ck_assert_int_eq(outcome.error, ECANCELED);
}
END_TEST

START_TEST(killed_before_it_begins_it_begins_all_the_same)
{
    struct outcome outcome;
    void *result = NULL;
    green_t *g = green_spawn(sleep_long, &outcome);

    ck_assert_int_eq(green_kill(g, EXDEV), 0);
    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_ptr_eq(result, &outcome);
    ck_assert_int_eq(outcome.error, EXDEV);
}
END_TEST

START_TEST(an_ended_one_cannot_be_killed)
{
    green_t *g = green_spawn(at_once, NULL);

    green_yield();
    errno = 0;
    ck_assert_int_eq(green_kill(g, EIO), -1);
    ck_assert_int_eq(errno, ESRCH);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

static void *join_it(void *g)
{
    int result = green_join(g, NULL, -1);

    return (void *)(intptr_t)(result == 0 ? 0 : errno);
}

START_TEST(only_one_joins)
{
    struct outcome outcome;
    void *error = NULL;
    green_t *g = green_spawn(sleep_long, &outcome);
    green_t *joiner = green_spawn(join_it, g);

    green_yield();
    errno = 0;
    ck_assert_int_eq(green_join(g, NULL, -1), -1);
    ck_assert_int_eq(errno, EINVAL);
    ck_assert_int_eq(green_kill(joiner, EINTR), 0); /* gives up, g lives */
    ck_assert_int_eq(green_join(joiner, &error, -1), 0);
    ck_assert_int_eq((int)(intptr_t)error, EINTR);
    green_kill(g, EIO);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

static green_t *pair[2];

static void *join_the_other(void *index)
{
    return join_it(pair[1 - (intptr_t)index]);
}

/* What stderr got while it was redirected into a pipe. */
static int stderr_copy, stderr_pipe[2];

static void capture_stderr(void)
{
    stderr_copy = dup(STDERR_FILENO);
    ck_assert_int_eq(pipe(stderr_pipe), 0);
    dup2(stderr_pipe[1], STDERR_FILENO);
    close(stderr_pipe[1]);
}

static void read_captured(char *text, size_t size)
{
    ssize_t got;

    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    got = read(stderr_pipe[0], text, size - 1);
    close(stderr_pipe[0]);
    text[got > 0 ? got : 0] = '\0';
}

/* libcheck has handlers of its own; without any, no signal ends a wait. */
static void without_handlers(void)
{
    const int numbers[] = {SIGINT, SIGTERM, SIGALRM};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        signal(numbers[i], SIG_DFL);
}

/* Two coroutines join each other, and the root waits for nothing at all. */
START_TEST(would_block_forever_is_edeadlk_and_a_dump)
{
    char text[4096];
    int result, error;

    pair[0] = green_spawn(join_the_other, (void *)0);
    pair[1] = green_spawn(join_the_other, (void *)1);
    green_set_name(pair[0], "philosopher");
    without_handlers();
    capture_stderr();
    errno = 0;
    result = green_wait_fd(-1, 0, -1);
    error = errno;
    read_captured(text, sizeof text);
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(error, EDEADLK);
    ck_assert_ptr_nonnull(strstr(text, "philosopher"));
    ck_assert_ptr_nonnull(strstr(text, "green_join"));
    ck_assert_ptr_nonnull(strstr(text, "root"));
    ck_assert_int_eq(green_sleep(0.001), 0); /* and life goes on */
    ck_assert_int_eq(green_kill(pair[0], EIO), 0);
    green_yield(); /* the first gives up its join */
    ck_assert_int_eq(green_join(pair[1], NULL, -1), 0);
}
END_TEST

START_TEST(a_wait_with_a_limit_is_no_deadlock)
{
    char text[4096];
    int result;

    pair[0] = green_spawn(join_the_other, (void *)0);
    pair[1] = green_spawn(join_the_other, (void *)1);
    capture_stderr();
    result = green_wait_fd(-1, 0, 0.01);
    read_captured(text, sizeof text);
    ck_assert_int_eq(result, 0);
    ck_assert_str_eq(text, "");
}
END_TEST

static void on_alarm(int number)
{
    (void)number;
}

/* As with pause(2): what a signal handler can end is no deadlock. */
START_TEST(a_wait_for_a_signal_is_no_deadlock)
{
    /* Again and again: one that comes before the wait does not end it. */
    const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
    char text[4096];
    int result, error;

    signal(SIGALRM, on_alarm);
    pair[0] = green_spawn(at_once, NULL);
    capture_stderr();
    setitimer(ITIMER_REAL, &often, NULL);
    errno = 0;
    result = green_wait_fd(-1, 0, -1);
    error = errno;
    setitimer(ITIMER_REAL, &never, NULL);
    read_captured(text, sizeof text);
    ck_assert_int_eq(result, -1);
    ck_assert_int_eq(error, EINTR);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(green_join(pair[0], NULL, -1), 0);
}
END_TEST

static void *sleep_a_little(void *seconds)
{
    green_sleep(*(double *)seconds);
    note(*(double *)seconds < 0.05 ? 's' : 'l');
    return NULL;
}

/* Returns how long it took until all of them slept. */
static double sleep_in_order(void)
{
    double lengths[] = {0.10, 0.01, 0.10, 0.01}, begin = now(), begun;
    green_t *g[4];

    memset(trace, 0, sizeof trace);
    for (int i = 0; i < 4; i++)
        g[i] = green_spawn(sleep_a_little, &lengths[i]);
    green_yield();
    begun = now();
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
    ck_assert_double_ge(now() - begin, 0.10);
    return begun - begin;
}

/* Where the machine held one up before it slept, another's time was over sooner. */
START_TEST(sleepers_wake_in_the_order_of_their_deadlines)
{
    for (int i = 0; i < 50; i++)
        if (sleep_in_order() < 0.05)
            break;
    ck_assert_str_eq(trace, "ssll");
}
END_TEST

START_TEST(many_sleep_at_once)
{
    enum { SLEEPERS = 100 };
    double length = 0.10, begin = now();
    green_t *g[SLEEPERS];

    for (int i = 0; i < SLEEPERS; i++)
        g[i] = green_spawn(sleep_a_little, &length);
    for (int i = 0; i < SLEEPERS; i++)
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
    ck_assert_double_lt(now() - begin, SLEEPERS * length / 2);
}
END_TEST

static void *sleep_for_ever(void *seconds)
{
    int result = green_sleep(*(double *)seconds);

    return (void *)(intptr_t)(result == 0 ? 0 : errno);
}

START_TEST(any_length_of_sleep_is_one)
{
    double lengths[] = {1e300, (double)__builtin_inf(), 1e18, 4e9};

    for (size_t i = 0; i < 4; i++) {
        green_t *g = green_spawn(sleep_for_ever, &lengths[i]);
        void *error = NULL;

        ck_assert_int_eq(green_join(g, NULL, 0.002), -1);
        ck_assert_int_eq(errno, ETIMEDOUT);
        ck_assert_int_eq(green_kill(g, ECANCELED), 0);
        ck_assert_int_eq(green_join(g, &error, -1), 0);
        ck_assert_int_eq((int)(intptr_t)error, ECANCELED);
    }
}
END_TEST

static void *count_up(void *counter)
{
    green_yield();
    ++*(int *)counter;
    return NULL;
}

static void spawn_many(int many)
{
    green_t **g = calloc((size_t)many, sizeof *g);
    struct green_hub_stats stats;
    int counter = 0;

    ck_assert_int_eq(green_set_stack_size(16 * 1024), 0);
    for (int i = 0; i < many; i++) {
        g[i] = green_spawn(count_up, &counter);
        ck_assert_ptr_nonnull(g[i]);
    }
    green_yield();
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_uint_eq(stats.coroutines, (size_t)many + 1);
    ck_assert_int_eq(counter, 0);
    for (int i = 0; i < many; i++)
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
    ck_assert_int_eq(counter, many);
    ck_assert_int_eq(green_hub_stats(&stats), 0);
    ck_assert_uint_eq(stats.coroutines, 1);
    free(g);
}

START_TEST(a_hundred_thousand_live_at_once)
{
    spawn_many(is_sanitized() ? 5000 : 100000);
}
END_TEST

static void *hub_in_a_thread(void *unused)
{
    char letter = 't';
    green_t *g = green_spawn(twice, &letter);
    double for_ever = 1e6;
    intptr_t result = green_join(g, NULL, -1);

    (void)unused;
    green_spawn(sleep_for_ever, &for_ever); /* dropped with the thread */
    green_yield();
    return (void *)result;
}

START_TEST(a_thread_ends_with_its_hub_and_who_still_waits)
{
    pthread_t thread;
    void *result = (void *)1;

    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&thread, NULL, hub_in_a_thread, NULL), 0);
        ck_assert_int_eq(pthread_join(thread, &result), 0);
        ck_assert_ptr_null(result);
    }
    ck_assert_str_eq(trace, "tttttt");
    ck_assert_ptr_null(green_current());
}
END_TEST

START_TEST(a_handle_of_another_thread_is_not_joined)
{
    double length = 0.01;
    green_t *g = green_spawn(sleep_a_little, &length);
    pthread_t thread;
    void *error = NULL;

    ck_assert_int_eq(pthread_create(&thread, NULL, join_it, g), 0);
    ck_assert_int_eq(pthread_join(thread, &error), 0);
    ck_assert_int_eq((int)(intptr_t)error, EINVAL);
    ck_assert_int_eq(green_join(g, NULL, -1), 0);
}
END_TEST

static void *hold_memory(void *unused)
{
    char *volatile memory = malloc(1000);

    green_sleep(1e6);
    free(memory);
    return unused;
}

/* The process ends while they wait: a leak checker looks at their stacks too, and, where a stack
 * was given back, not there. */
START_TEST(what_a_suspended_stack_holds_is_no_leak)
{
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(green_spawn(hold_memory, NULL));
    ck_assert_int_eq(green_join(green_spawn(at_once, NULL), NULL, -1), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        coroutines_take_turns_in_the_order_of_their_birth,
        null_arguments_and_bad_ones_are_refused,
        without_a_hub_there_is_no_coroutine,
        a_second_join_is_refused,
        a_coroutine_cannot_join_itself,
        the_root_is_never_joined,
        a_detached_one_is_not_joined_and_runs,
        a_join_that_times_out_leaves_it_joinable,
        killed_before_it_begins_it_begins_all_the_same,
        an_ended_one_cannot_be_killed,
        only_one_joins,
        would_block_forever_is_edeadlk_and_a_dump,
        a_wait_with_a_limit_is_no_deadlock,
        a_wait_for_a_signal_is_no_deadlock,
        sleepers_wake_in_the_order_of_their_deadlines,
        many_sleep_at_once,
        any_length_of_sleep_is_one,
        a_hundred_thousand_live_at_once,
        a_thread_ends_with_its_hub_and_who_still_waits,
        a_handle_of_another_thread_is_not_joined,
        what_a_suspended_stack_holds_is_no_leak,
    };

    return run_suite("coroutine", tests, sizeof tests / sizeof tests[0]);
}
