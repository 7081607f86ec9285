/* SPDX-License-Identifier: MIT
 *
 * What becomes of threads that are coroutines when the thread or the process that they are in ends.
 */
#include "green.h"
#include "hook.h"
#include "support.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

/* Shared with the children that the tests make. */
static struct {
    int ended, cleaned;
    void *value;
} * shared;

static void set_up(void)
{
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
}

static void begin(void *(*entry)(void *))
{
    pthread_t thread;

    if (green_loop() == NULL || greenify_pthread_create(&thread, NULL, entry, NULL) != 0)
        abort();
    greenify_pthread_detach(thread);
}

static void *end_late(void *unused)
{
    greenify_usleep(30000);
    shared->ended++;
    return unused;
}

static void *begin_another(void *unused)
{
    greenify_usleep(1000);
    begin(end_late);
    return unused;
}

static void *never_end(void *unused)
{
    for (;;)
        greenify_sleep(1000);
    return unused;
}

/* --- the thread ------------------------------------------------------------------------------- */

static void *return_early(void *unused)
{
    begin(end_late);
    begin(begin_another);
    return unused;
}

START_TEST(test_a_thread_ends_after_those_that_it_runs)
{
    pthread_t thread;

    set_up();
    ck_assert_int_eq(pthread_create(&thread, NULL, return_early, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(shared->ended, 2);
}
END_TEST

static void clean(void *unused)
{
    (void)unused;
    shared->cleaned = shared->ended == 0;
}

static void exit_main_flow(void)
{
    begin(end_late);
    begin(begin_another);
    pthread_cleanup_push(clean, NULL);
    greenify_pthread_exit(NULL);
    pthread_cleanup_pop(0);
}

START_TEST(test_pthread_exit_of_the_main_flow_lets_others_end)
{
    int status;

    set_up();
    status = child_status(exit_main_flow);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_int_eq(shared->cleaned, 1);
    ck_assert_int_eq(shared->ended, 2);
}
END_TEST

/* --- the process ------------------------------------------------------------------------------ */

static void return_from_main(void)
{
    begin(never_end);
    begin(end_late);
    green_yield();
    exit(5);
}

START_TEST(test_the_end_of_the_process_waits_for_nobody)
{
    int status;

    set_up();
    status = child_status(return_from_main);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    ck_assert_int_eq(shared->ended, 0);
}
END_TEST

static void *exit_process(void *unused)
{
    exit(6);
    return unused;
}

static void wait_for_exit(void)
{
    begin(exit_process);
    green_sleep(10);
}

START_TEST(test_exit_in_one_ends_the_process)
{
    int status = child_status(wait_for_exit);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 6);
}
END_TEST

/* --- fork ------------------------------------------------------------------------------------- */

static pthread_key_t key, unset;
static pid_t child;

static bool is(pthread_t self)
{
    return pthread_equal(greenify_pthread_self(), self) != 0;
}

/* The child's one thread goes on where this is, as who this is, with its values. When it returns,
 * another one is not done yet. */
static void *fork_in_between(void *unused)
{
    pthread_t self = greenify_pthread_self();

    greenify_pthread_setspecific(key, (void *)44);
    child = fork();
    if (child != 0)
        return unused;
    shared->value = greenify_pthread_getspecific(key);
    shared->ended = greenify_pthread_getspecific(unset) == NULL && is(self) &&
                    greenify_pthread_kill(self, 0) == 0 &&
                    greenify_pthread_join(self, NULL) == EDEADLK;
    begin(end_late);
    greenify_usleep(1);
    shared->cleaned = is(self);
    return unused;
}

START_TEST(test_the_child_of_a_fork_is_who_made_it)
{
    int status = -1;

    set_up();
    ck_assert_int_eq(greenify_pthread_key_create(&key, NULL), 0);
    ck_assert_int_eq(greenify_pthread_key_create(&unset, NULL), 0);
    greenify_pthread_setspecific(unset, (void *)1);
    begin(fork_in_between);
    ck_assert_int_eq(green_sleep(0.01), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    ck_assert_ptr_eq(shared->value, (void *)44);
    ck_assert_int_eq(shared->ended, 2); /* it has a hub of its own, and a coroutine in it */
    ck_assert_int_eq(shared->cleaned, 1);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        test_a_thread_ends_after_those_that_it_runs,
        test_pthread_exit_of_the_main_flow_lets_others_end,
        test_the_end_of_the_process_waits_for_nobody,
        test_exit_in_one_ends_the_process,
        test_the_child_of_a_fork_is_who_made_it,
    };

    return run_suite("ends", tests, sizeof tests / sizeof tests[0]);
}
