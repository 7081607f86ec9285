/* SPDX-License-Identifier: MIT
 *
 * Jobs on worker threads: they run at once, their callers may leave, threads may be out of reach.
 */
#include "green.h"
#include "hub.h"
#include "offload.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static atomic_int running, most_running, runs, destroyed;
static atomic_bool held; /* jobs do not end until it is false */
static pthread_t runner;
static sigset_t runner_mask;

static void run(struct job *job)
{
    int at_once = ++running;

    (void)job;
    if (at_once > most_running)
        most_running = at_once;
    runner = pthread_self();
    pthread_sigmask(SIG_BLOCK, NULL, &runner_mask);
    do
        usleep(50000);
    while (held);
    running--;
    runs++;
}

static void destroy(struct job *job)
{
    destroyed++;
    free(job);
}

static struct job *make(void)
{
    struct job *job = calloc(1, sizeof *job);

    job->run = run;
    job->destroy = destroy;
    return job;
}

static void *offload(void *unused)
{
    struct job *job = make();
    int result = offload_run(hub_current(), "test", job);

    (void)unused;
    if (result == 0)
        destroy(job);
    return (void *)(intptr_t)(result == -1 ? errno : -result);
}

START_TEST(a_job_runs_elsewhere_and_comes_back)
{
    void *result = (void *)7;
    green_t *g = green_spawn(offload, NULL);

    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_ptr_null(result);
    ck_assert_int_eq(runs, 1);
    ck_assert_int_eq(destroyed, 1);
    ck_assert(!pthread_equal(runner, pthread_self()));
    ck_assert_int_eq(sigismember(&runner_mask, SIGINT), 1); /* handlers run elsewhere */
}
END_TEST

START_TEST(jobs_run_at_once)
{
    enum { JOBS = 8 };
    green_t *g[JOBS];

    held = true;
    for (int i = 0; i < JOBS; i++)
        g[i] = green_spawn(offload, NULL);
    while (running < JOBS)
        ck_assert_int_eq(green_sleep(0.01), 0);
    held = false;
    for (int i = 0; i < JOBS; i++) {
        void *result = (void *)7;

        ck_assert_int_eq(green_join(g[i], &result, -1), 0);
        ck_assert_ptr_null(result);
    }
    ck_assert_int_eq(runs, JOBS);
    ck_assert_int_eq(most_running, JOBS);
    ck_assert_int_eq(destroyed, JOBS);
}
END_TEST

START_TEST(more_jobs_than_workers_wait_for_their_turn)
{
    enum { JOBS = 70 };
    green_t *g[JOBS];

    for (int i = 0; i < JOBS; i++)
        g[i] = green_spawn(offload, NULL);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
    ck_assert_int_eq(runs, JOBS);
    ck_assert_int_le(most_running, 32);
    ck_assert_int_eq(destroyed, JOBS);
}
END_TEST

START_TEST(a_caller_that_is_killed_leaves_its_job)
{
    void *result = NULL;
    green_t *g = green_spawn(offload, NULL);

    held = true;
    green_yield();
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_int_eq((int)(intptr_t)result, ECANCELED);
    ck_assert_int_eq(destroyed, 0); /* it still runs */
    held = false;
    while (destroyed == 0)
        ck_assert_int_eq(green_sleep(0.01), 0);
    ck_assert_int_eq(runs, 1);
}
END_TEST

static void *leave(void *unused)
{
    green_spawn(offload, NULL);
    green_yield();
    return unused;
}

START_TEST(a_hub_that_goes_leaves_its_jobs)
{
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, leave, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    while (destroyed == 0)
        usleep(1000);
    ck_assert_int_eq(runs, 1);
}
END_TEST

/* 1: the caller has to block for real. */
static void without_threads(void)
{
    void *result = NULL;

    if (!make_fail(SYS_clone3, 0, 0, EAGAIN) || !make_fail(SYS_clone, 0, 0, EAGAIN))
        _exit(77);
    if (green_join(green_spawn(offload, NULL), &result, -1) != 0)
        _exit(2);
    _exit((int)(intptr_t)result == -1 && destroyed == 1 && runs == 0 ? 0 : 3);
}

START_TEST(without_threads_the_caller_has_to_block)
{
    int status = child_status(without_threads);

    ck_assert_msg(WIFEXITED(status), "status %#x", status);
    ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77, "exit %d",
                  WEXITSTATUS(status));
}
END_TEST

static void *fork_and_offload(void *unused)
{
    int status = -1;
    pid_t child = fork();

    (void)unused;
    if (child == 0) {
        runs = 0;
        green_join(green_spawn(offload, NULL), NULL, -1);
        _exit(runs == 1 ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return (void *)(intptr_t)status;
}

START_TEST(the_child_of_a_fork_has_workers_of_its_own)
{
    void *status = (void *)1;

    ck_assert_int_eq(green_join(green_spawn(offload, NULL), NULL, -1), 0);
    ck_assert_int_eq(green_join(green_spawn(fork_and_offload, NULL), &status, -1), 0);
    ck_assert_ptr_null(status);
    ck_assert_int_eq(green_join(green_spawn(offload, NULL), NULL, -1), 0);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        a_job_runs_elsewhere_and_comes_back,
        jobs_run_at_once,
        more_jobs_than_workers_wait_for_their_turn,
        a_caller_that_is_killed_leaves_its_job,
        a_hub_that_goes_leaves_its_jobs,
        without_threads_the_caller_has_to_block,
        the_child_of_a_fork_has_workers_of_its_own,
    };

    return run_suite("offload", tests, sizeof tests / sizeof tests[0]);
}
