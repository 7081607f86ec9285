/* SPDX-License-Identifier: MIT
 *
 * Stacks: their limits, their guards (both ways of making one), their use again.
 */
#include "stack.h"
#include "stack_size.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL = STACK_SIZE_LEAST, GUARD_INSTALL = 102 };

static struct stack_pool pool;

/* On a kernel before 6.13 there is nothing to take away. */
static bool without_guard_install(void)
{
    return make_fail(SYS_madvise, 2, GUARD_INSTALL, EINVAL) &&
           make_fail(SYS_process_madvise, 3, GUARD_INSTALL, EINVAL);
}

/* Before 6.14 each guard is a call of its own. */
static bool without_many_at_once(void)
{
    return make_fail(SYS_process_madvise, 0, 0, EBADF);
}

START_TEST(sizes_beyond_the_limits_are_refused)
{
    const size_t sizes[] = {0, 1, 15 * 1024, SMALL - 1, STACK_SIZE_MOST + 1, SIZE_MAX};
    struct stack stack;

    stack_pool_init(&pool);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        ck_assert_int_eq(stack_acquire(&pool, sizes[i], &stack), -1);
        ck_assert_int_eq(errno, EINVAL);
        errno = 0;
        ck_assert_int_eq(stack_size_set(sizes[i]), -1);
        ck_assert_int_eq(errno, EINVAL);
    }
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(a_size_is_rounded_up_to_pages)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct stack stack;

    stack_pool_init(&pool);
    ck_assert_int_eq(stack_acquire(&pool, SMALL + 1, &stack), 0);
    ck_assert_uint_eq((uintptr_t)stack.base % page, 0);
    ck_assert_uint_eq(stack.size, SMALL); /* one page more, and one of them is the guard */
    memset(stack.base, 1, stack.size);
    stack_release(&stack);
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(the_last_released_is_the_next_acquired)
{
    struct stack a, b, c;

    stack_pool_init(&pool);
    ck_assert_int_eq(stack_acquire(&pool, SMALL, &a), 0);
    ck_assert_int_eq(stack_acquire(&pool, SMALL, &b), 0);
    ck_assert_ptr_ne(a.base, b.base);
    stack_release(&b);
    stack_release(&a);
    ck_assert_int_eq(stack_acquire(&pool, SMALL, &c), 0);
    ck_assert_ptr_eq(a.base, c.base);
    ck_assert_int_eq(stack_acquire(&pool, 2 * SMALL, &a), 0);
    ck_assert_ptr_ne(a.base, b.base);
    ck_assert_uint_gt(a.size, b.size);
    stack_pool_finish(&pool);
}
END_TEST

static void overflow(void)
{
    struct stack low, high;

    stack_pool_init(&pool);
    if (stack_acquire(&pool, SMALL, &low) != 0 || stack_acquire(&pool, SMALL, &high) != 0)
        _exit(1);
    memset(high.base, 1, high.size);
    ((volatile char *)high.base)[-1] = 1;
}

static void overflow_old_kernel(void)
{
    if (!without_guard_install())
        _exit(77);
    overflow();
}

static void overflow_one_by_one(void)
{
    if (!without_many_at_once())
        _exit(77);
    overflow();
}

START_TEST(a_guard_page_set_up_alone_stops_an_overflow)
{
    int status = child_status(overflow_one_by_one);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return;
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}
END_TEST

/* Every one has its guard, however many were cut at once, and after its memory was given back. */
static void overflow_the_last(void)
{
    enum { MANY = 100 };
    static struct stack stacks[MANY];

    stack_pool_init(&pool);
    for (int i = 0; i < MANY; i++)
        if (stack_acquire(&pool, SMALL, &stacks[i]) != 0)
            _exit(1);
    for (int i = 0; i < MANY; i++)
        stack_release(&stacks[i]);
    (void)stack_pool_cool(&pool);
    while (stack_pool_cool(&pool))
        continue;
    for (int i = 0; i < MANY; i++)
        if (stack_acquire(&pool, SMALL, &stacks[i]) != 0)
            _exit(2);
    for (int i = 0; i < MANY; i++)
        memset(stacks[i].base, 1, stacks[i].size);
    for (int i = 0; i + 1 < MANY; i++) {
        int status;
        pid_t child = fork();

        if (child == 0)
            ((volatile char *)stacks[i].base)[-1] = 1;
        if (child == 0)
            _exit(0);
        if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
            _exit(3);
    }
    ((volatile char *)stacks[MANY - 1].base)[-1] = 1;
}

START_TEST(every_guard_stays_where_it_is)
{
    int status = child_status(overflow_the_last);

    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}
END_TEST

START_TEST(the_guard_page_stops_an_overflow)
{
    int status = child_status(overflow);

    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}
END_TEST

START_TEST(the_guard_page_of_older_kernels_stops_an_overflow)
{
    int status = child_status(overflow_old_kernel);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return;
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}
END_TEST

/* Locked memory takes no guard by madvise(). */
static void overflow_locked(void)
{
    if (mlockall(MCL_FUTURE) != 0)
        _exit(77);
    overflow();
}

START_TEST(locked_memory_has_guards_too)
{
    int status = child_status(overflow_locked);

    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        return;
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}
END_TEST

enum { MORE_THAN_MAPPINGS = 200000 };

/* 0: the pool failed with ENOMEM and worked again afterwards. */
static void run_out_of_mappings(void)
{
    struct stack *stacks = calloc(MORE_THAN_MAPPINGS, sizeof *stacks);
    struct stack again;
    int count = 0;

    if (!without_guard_install())
        _exit(77);
    stack_pool_init(&pool);
    while (count < MORE_THAN_MAPPINGS && stack_acquire(&pool, SMALL, &stacks[count]) == 0)
        count++;
    if (count == MORE_THAN_MAPPINGS)
        _exit(77); /* a system with a higher limit */
    if (errno != ENOMEM || count == 0)
        _exit(2);
    stack_release(&stacks[--count]);
    if (stack_acquire(&pool, SMALL, &again) != 0)
        _exit(3);
    if (stack_acquire(&pool, SMALL, &again) == 0 || errno != ENOMEM)
        _exit(4);
    stack_pool_finish(&pool);
    if (stack_acquire(&pool, SMALL, &again) != 0)
        _exit(5);
    memset(again.base, 1, again.size);
    _exit(0);
}

START_TEST(at_the_limit_of_mappings_acquire_fails_and_the_pool_lives)
{
    int status = child_status(run_out_of_mappings);

    ck_assert_msg(WIFEXITED(status), "status %#x", status);
    ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77, "exit %d",
                  WEXITSTATUS(status));
}
END_TEST

static bool is_resident(const struct stack *stack)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *top_page = (char *)stack->base + stack->size - page;
    unsigned char state = 0;

    if (mincore(top_page, page, &state) != 0) {
        ck_assert_int_eq(errno, ENOMEM); /* not even mapped */
        return false;
    }
    return (state & 1) != 0;
}

enum { MANY = 1000 };

static struct stack stacks[10 * MANY];

static void acquire_many(int count)
{
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(stack_acquire(&pool, SMALL, &stacks[i]), 0);
        memset((char *)stacks[i].base + stacks[i].size - 64, 1, 64);
    }
}

static void release_many(int count)
{
    for (int i = 0; i < count; i++)
        stack_release(&stacks[i]);
}

static int count_resident(int count)
{
    int resident = 0;

    for (int i = 0; i < count; i++)
        resident += is_resident(&stacks[i]);
    return resident;
}

START_TEST(memory_that_nobody_needed_for_long_goes_back)
{
    stack_pool_init(&pool);
    ck_assert(!stack_pool_is_warm(&pool));
    acquire_many(MANY);
    ck_assert_int_eq(count_resident(MANY), MANY);
    ck_assert(!stack_pool_is_warm(&pool));
    release_many(MANY);
    ck_assert(stack_pool_is_warm(&pool));
    ck_assert(!stack_pool_cool(&pool)); /* the first look sees that they were needed before it */
    ck_assert_int_eq(count_resident(MANY), MANY);
    ck_assert(stack_pool_cool(&pool));
    ck_assert_int_gt(count_resident(MANY), MANY / 2); /* not all at once */
    while (stack_pool_cool(&pool))
        continue;
    ck_assert_int_eq(count_resident(MANY), 0);
    ck_assert(!stack_pool_is_warm(&pool));
    acquire_many(MANY);
    for (int i = 0; i < MANY; i++) /* all can be had again */
        memset(stacks[i].base, 2, stacks[i].size);
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(what_a_burst_needs_again_stays)
{
    static struct stack all[MANY];

    stack_pool_init(&pool);
    acquire_many(MANY);
    for (int round = 0; round < 5; round++) {
        release_many(MANY);
        ck_assert(!stack_pool_cool(&pool));
        ck_assert_int_eq(count_resident(MANY), MANY);
        acquire_many(MANY);
    }
    memcpy(all, stacks, sizeof all);
    release_many(MANY);
    ck_assert(!stack_pool_cool(&pool));
    acquire_many(MANY / 2); /* half of them is needed, and half is not */
    release_many(MANY / 2);
    while (stack_pool_cool(&pool))
        continue;
    memcpy(stacks, all, sizeof all);
    ck_assert_int_eq(count_resident(MANY), MANY / 2);
    acquire_many(MANY);
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(after_a_large_burst_memory_goes_back_at_once)
{
    stack_pool_init(&pool);
    acquire_many(10 * MANY);
    release_many(10 * MANY);
    ck_assert_int_lt(count_resident(10 * MANY), 5 * MANY);
    ck_assert_int_gt(count_resident(10 * MANY), 4 * MANY);
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(release_leaves_errno_alone)
{
    struct stack stack;

    stack_pool_init(&pool);
    ck_assert_int_eq(stack_acquire(&pool, SMALL, &stack), 0);
    errno = EXDEV;
    stack_release(&stack);
    ck_assert_int_eq(errno, EXDEV);
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(the_environment_gives_the_size)
{
    setenv("GREEN_STACK_SIZE", "65536", 1);
    errno = EXDEV;
    ck_assert_uint_eq(stack_size_wanted(), 65536);
    ck_assert_int_eq(errno, EXDEV);
    ck_assert_int_eq(stack_size_set(SMALL), 0);
    ck_assert_uint_eq(stack_size_wanted(), SMALL);
}
END_TEST

START_TEST(without_a_word_the_size_is_the_default)
{
    unsetenv("GREEN_STACK_SIZE");
    errno = EXDEV;
    ck_assert_uint_eq(stack_size_wanted(), STACK_SIZE_DEFAULT);
    ck_assert_int_eq(errno, EXDEV);
    setenv("GREEN_STACK_SIZE", "65536", 1); /* too late */
    ck_assert_uint_eq(stack_size_wanted(), STACK_SIZE_DEFAULT);
}
END_TEST

START_TEST(garbage_in_the_environment_is_refused)
{
    const char *const garbage[] = {
        "",    "0",     "1",       "15360", "-1",     "-65536",     " -65536",
        "big", "64KiB", "0x10000", "1e6",   "65536 ", "2147483648", "99999999999999999999999999"};

    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        setenv("GREEN_STACK_SIZE", garbage[i], 1);
        errno = 0;
        ck_assert_msg(stack_size_wanted() == 0, "'%s' was taken", garbage[i]);
        ck_assert_int_eq(errno, EINVAL);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        sizes_beyond_the_limits_are_refused,
        a_size_is_rounded_up_to_pages,
        the_last_released_is_the_next_acquired,
        the_guard_page_stops_an_overflow,
        the_guard_page_of_older_kernels_stops_an_overflow,
        locked_memory_has_guards_too,
        at_the_limit_of_mappings_acquire_fails_and_the_pool_lives,
        a_guard_page_set_up_alone_stops_an_overflow,
        every_guard_stays_where_it_is,
        memory_that_nobody_needed_for_long_goes_back,
        what_a_burst_needs_again_stays,
        after_a_large_burst_memory_goes_back_at_once,
        release_leaves_errno_alone,
        the_environment_gives_the_size,
        without_a_word_the_size_is_the_default,
        garbage_in_the_environment_is_refused,
    };

    return run_suite("stack", tests, sizeof tests / sizeof tests[0]);
}
