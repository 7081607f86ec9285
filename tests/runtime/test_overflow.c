/* SPDX-License-Identifier: MIT
 *
 * Running out of stack: what is said, and whose handler runs. Each in a process of its own.
 */
#include "green.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Deep enough for any stack, and not for the compiler to see through. */
__attribute__((noinline)) static long fill(volatile long depth)
{
    volatile char bytes[1000];

    memset((void *)(uintptr_t)bytes, (int)depth, sizeof bytes);
    return depth == 0 ? bytes[depth] : fill(depth - 1) + bytes[7];
}

static void *overflow(void *unused)
{
    (void)unused;
    green_set_name(green_current(), "deep one");
    return (void *)fill(100000000);
}

static void overflow_in_coroutine(void)
{
    green_join(green_spawn(overflow, NULL), NULL, -1);
}

static void *fault(void *place)
{
    *(volatile int *)place = 1;
    return NULL;
}

static void fault_elsewhere(void)
{
    green_join(green_spawn(fault, (void *)(uintptr_t)16), NULL, -1);
}

static void note(int number)
{
    (void)!write(STDERR_FILENO, "own handler\n", 12);
    _exit(number == SIGSEGV ? 7 : 8);
}

static void overflow_with_a_handler(void)
{
    signal(SIGSEGV, note);
    overflow_in_coroutine();
}

static void *send_fault(void *unused)
{
    (void)unused;
    raise(SIGSEGV);
    return NULL;
}

static void fault_that_somebody_sends(void)
{
    green_join(green_spawn(send_fault, NULL), NULL, -1);
}

static char said[65536];

/* Runs act() in a child; what that says on standard error is in `said`. */
static int status_of(void (*act)(void))
{
    int ends[2], status = 0;
    size_t length = 0;
    ssize_t got;
    pid_t child;

    ck_assert_int_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        act();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], said + length, sizeof said - 1 - length)) > 0)
        length += (size_t)got;
    said[length] = '\0';
    close(ends[0]);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return status;
}

/* AddressSanitizer's own handler ends the program by exit(). */
static void check_death(int status)
{
#ifndef __SANITIZE_ADDRESS__
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
#else
    ck_assert_int_ne(status, 0);
#endif
}

START_TEST(an_overflow_is_told_with_name_and_place)
{
    check_death(status_of(overflow_in_coroutine));
    ck_assert_ptr_nonnull(strstr(said, "libgreen: stack overflow in coroutine "));
    ck_assert_ptr_nonnull(strstr(said, " deep one: "));
    ck_assert_ptr_nonnull(strstr(said, "test_overflow")); /* a line of the backtrace */
}
END_TEST

START_TEST(the_programs_own_handler_runs)
{
    int status = status_of(overflow_with_a_handler);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    ck_assert_ptr_nonnull(strstr(said, "stack overflow"));
    ck_assert_ptr_nonnull(strstr(said, "own handler\n"));
}
END_TEST

START_TEST(other_faults_are_not_told)
{
    check_death(status_of(fault_elsewhere));
    ck_assert_ptr_null(strstr(said, "libgreen"));
    check_death(status_of(fault_that_somebody_sends));
    ck_assert_ptr_null(strstr(said, "libgreen"));
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        an_overflow_is_told_with_name_and_place,
        the_programs_own_handler_runs,
        other_faults_are_not_told,
    };

    return run_suite("overflow", tests, sizeof tests / sizeof tests[0]);
}
