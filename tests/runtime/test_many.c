/* SPDX-License-Identifier: MIT
 *
 * Very many coroutines that wait, and what that costs. The benchmark spawn.py has a million.
 */
#include "green.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends[2];

/* Resident pages and page tables, in bytes. */
static long memory(void)
{
    char line[256];
    long sum = 0;
    FILE *status = fopen("/proc/self/status", "r");

    ck_assert_ptr_nonnull(status);
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0 || strncmp(line, "VmPTE:", 6) == 0)
            sum += atol(line + 6) * 1024;
    fclose(status);
    return sum;
}

static void *end_at_once(void *unused)
{
    return unused;
}

static void *sleep_long(void *unused)
{
    return green_sleep(1e6) == -1 && errno == ECANCELED ? sleep_long : unused;
}

static void *await_input(void *unused)
{
    return green_wait_fd(ends[0], POLLIN, -1) == POLLIN ? await_input : unused;
}

static void *(*const ways_to_wait[])(void *) = {sleep_long, await_input};

/* All wait at the same time, and then all end. */
static void let_many_wait(int count, long *memory_while_waiting)
{
    green_t **all = calloc((size_t)count, sizeof *all);

    ck_assert_ptr_nonnull(all);
    ck_assert_int_eq(pipe(ends), 0);
    for (int i = 0; i < count; i++) {
        all[i] = green_spawn(ways_to_wait[i % 2], NULL);
        ck_assert_ptr_nonnull(all[i]);
    }
    green_yield();
    *memory_while_waiting = memory();
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    for (int i = 0; i < count; i += 2)
        ck_assert_int_eq(green_kill(all[i], ECANCELED), 0);
    for (int i = 0; i < count; i++) {
        void *result = NULL;

        ck_assert_int_eq(green_join(all[i], &result, -1), 0);
        ck_assert(result == ways_to_wait[i % 2]);
    }
    close(ends[0]);
    close(ends[1]);
    free(all);
}

START_TEST(very_many_wait_in_little_memory_and_give_it_back)
{
    const int many = is_sanitized() ? 2000 : 20000;
    long before, waiting, after = 0;

    ck_assert_int_eq(green_join(green_spawn(end_at_once, NULL), NULL, -1), 0); /* a hub */
    before = memory();
    let_many_wait(many, &waiting);
    for (int i = 0; i < 80; i++) { /* after some seconds, but a busy machine may need more */
        green_sleep(0.25);
        after = memory();
        if (is_sanitized() ? i == 10 : after - before < (waiting - before) / 5)
            break;
    }
    if (is_sanitized())
        return;
    printf(
        "figure: %d coroutines that wait: %ld bytes each; before %.1f MB, waiting %.1f MB, after "
        "%.1f MB\n",
        many, (waiting - before) / many, (double)before / 1e6, (double)waiting / 1e6,
        (double)after / 1e6);
    ck_assert_int_lt((waiting - before) / many, 6000);
    ck_assert_int_lt(after - before, (waiting - before) / 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {very_many_wait_in_little_memory_and_give_it_back};

    return run_suite("many", tests, sizeof tests / sizeof tests[0]);
}
