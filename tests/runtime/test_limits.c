/* SPDX-License-Identifier: MIT
 *
 * Spawns that cannot be: no memory, no mapping, a stack size that makes no sense. Each fails with
 * an errno, and the hub goes on.
 */
#include "green.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GUARD_INSTALL = 102, SKIPPED = 77, MOST = 200000 };

static void *nothing(void *argument)
{
    return argument;
}

static int works(void)
{
    void *result = NULL;
    int mark;
    green_t *g = green_spawn(nothing, &mark);

    return g != NULL && green_join(g, &result, -1) == 0 && result == &mark;
}

static void check_child(void (*function)(void))
{
    int status = child_status(function);

    ck_assert_msg(WIFEXITED(status), "status %#x", status);
    ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIPPED, "exit %d",
                  WEXITSTATUS(status));
}

/* Spawns until it fails; then joins one, and spawns another in its place. */
static void spawn_to_the_limit(void)
{
    static green_t *all[MOST];
    int count = 0;

    while (count < MOST && (all[count] = green_spawn(nothing, NULL)) != NULL)
        count++;
    if (count == MOST)
        _exit(SKIPPED);
    if (errno != ENOMEM)
        _exit(2);
    if (count == 0)
        _exit(3);
    if (green_join(all[--count], NULL, -1) != 0 || !works())
        _exit(4);
    while (count > 0)
        if (green_join(all[--count], NULL, -1) != 0)
            _exit(5);
    if (!works())
        _exit(6);
    _exit(0);
}

static void little_address_space(void)
{
    struct rlimit limit = {512u << 20, 512u << 20};

    if (is_sanitized() || setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(SKIPPED);
    spawn_to_the_limit();
}

START_TEST(without_address_space_spawn_is_enomem)
{
    check_child(little_address_space);
}
END_TEST

/* As a kernel before 6.13. */
static bool without_guard_install(void)
{
    return make_fail(SYS_madvise, 2, GUARD_INSTALL, EINVAL) &&
           make_fail(SYS_process_madvise, 3, GUARD_INSTALL, EINVAL);
}

/* AddressSanitizer needs mappings of its own, and ends the process where it gets none. */
static void few_mappings(void)
{
    if (is_sanitized() || !without_guard_install())
        _exit(SKIPPED);
    green_set_stack_size(16 * 1024);
    spawn_to_the_limit();
}

START_TEST(without_mappings_spawn_is_enomem)
{
    check_child(few_mappings);
}
END_TEST

/* Not even the dispatcher gets a stack, and the thread stays without a hub. */
static void no_mapping_at_all(void)
{
    struct green_hub_stats stats;

    if (!make_fail(SYS_mmap, 3, MAP_STACK, ENOMEM))
        _exit(SKIPPED);
    for (int i = 0; i < 3; i++) {
        errno = 0;
        if (green_spawn(nothing, NULL) != NULL || errno != ENOMEM)
            _exit(2);
        if (green_hub_stats(&stats) != -1 || green_sleep(0.001) != 0)
            _exit(3);
        errno = 0;
        if (green_loop() != NULL || errno != ENOMEM)
            _exit(4);
    }
}

START_TEST(a_hub_that_cannot_be_made_is_enomem)
{
    check_child(no_mapping_at_all);
}
END_TEST

static void no_guards(void)
{
    if (!without_guard_install() || !make_fail(SYS_mprotect, 0, 0, ENOMEM))
        _exit(SKIPPED);
    errno = 0;
    if (green_spawn(nothing, NULL) != NULL || errno != ENOMEM)
        _exit(2);
}

START_TEST(a_stack_without_a_guard_is_none)
{
    check_child(no_guards);
}
END_TEST

static void no_descriptors(void)
{
    struct rlimit limit = {3, 3}, enough;

    getrlimit(RLIMIT_NOFILE, &enough);
    for (rlim_t i = 3; i < 6; i++) {
        limit.rlim_cur = i;
        limit.rlim_max = enough.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        errno = 0;
        if (green_spawn(nothing, NULL) == NULL ? errno != EMFILE : i < 5)
            _exit(2);
    }
    setrlimit(RLIMIT_NOFILE, &enough);
    if (!works())
        _exit(3);
}

static void close_all(void)
{
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    no_descriptors();
}

START_TEST(without_descriptors_spawn_is_emfile)
{
    check_child(close_all);
}
END_TEST

START_TEST(a_stack_size_that_cannot_be_is_einval)
{
    const char *const sizes[] = {
        "", "0", "1", "15360", "-65536", "garbage", "99999999999999999999"};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        setenv("GREEN_STACK_SIZE", sizes[i], 1);
        errno = 0;
        ck_assert_ptr_null(green_spawn(nothing, NULL));
        ck_assert_int_eq(errno, EINVAL);
    }
    setenv("GREEN_STACK_SIZE", "16384", 1);
    ck_assert(works());
    ck_assert_int_eq(green_set_stack_size((size_t)1 << 30), 0);
    ck_assert(works());
}
END_TEST

static void *wait_long(void *unused)
{
    (void)unused;
    return green_sleep(100) == 0 ? NULL : &works;
}

/* Memory runs out while coroutines wait: the waits of others must not be lost. */
START_TEST(waits_need_no_memory_once_made)
{
    green_t *g = green_spawn(wait_long, NULL);
    void *result = NULL;

    green_yield();
    ck_assert_int_eq(green_kill(g, ECANCELED), 0);
    ck_assert_int_eq(green_join(g, &result, -1), 0);
    ck_assert_ptr_nonnull(result);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        without_address_space_spawn_is_enomem, without_mappings_spawn_is_enomem,
        a_hub_that_cannot_be_made_is_enomem,   a_stack_without_a_guard_is_none,
        without_descriptors_spawn_is_emfile,   a_stack_size_that_cannot_be_is_einval,
        waits_need_no_memory_once_made,
    };

    return run_suite("limits", tests, sizeof tests / sizeof tests[0]);
}
