/* SPDX-License-Identifier: MIT
 *
 * Stacks: their limits, their guards (both ways of making one), their use again.
 */
#include "stack.h"
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
    return make_fail(SYS_madvise, 2, GUARD_INSTALL, EINVAL);
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
    stack_release(&pool, &stack);
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
    stack_release(&pool, &b);
    stack_release(&pool, &a);
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
    stack_release(&pool, &stacks[--count]);
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

    ck_assert_int_eq(mincore(top_page, page, &state), 0);
    return (state & 1) != 0;
}

START_TEST(after_a_burst_memory_goes_back)
{
    enum { MANY = 1000 };
    static struct stack stacks[MANY];
    int resident = 0;

    stack_pool_init(&pool);
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_eq(stack_acquire(&pool, SMALL, &stacks[i]), 0);
        memset((char *)stacks[i].base + stacks[i].size - 64, 1, 64);
    }
    for (int i = 0; i < MANY; i++)
        ck_assert(is_resident(&stacks[i]));
    for (int i = 0; i < MANY; i++)
        stack_release(&pool, &stacks[i]);
    for (int i = 0; i < MANY; i++)
        resident += is_resident(&stacks[i]);
    ck_assert_int_le(resident, MANY / 2);
    ck_assert_int_ge(resident, 1);
    for (int i = 0; i < MANY; i++) { /* all can be had again, cold or warm */
        ck_assert_int_eq(stack_acquire(&pool, SMALL, &stacks[i]), 0);
        memset(stacks[i].base, 2, stacks[i].size);
    }
    stack_pool_finish(&pool);
}
END_TEST

START_TEST(release_leaves_errno_alone)
{
    struct stack stack;

    stack_pool_init(&pool);
    ck_assert_int_eq(stack_acquire(&pool, SMALL, &stack), 0);
    errno = EXDEV;
    stack_release(&pool, &stack);
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
        after_a_burst_memory_goes_back,
        release_leaves_errno_alone,
        the_environment_gives_the_size,
        without_a_word_the_size_is_the_default,
        garbage_in_the_environment_is_refused,
    };

    return run_suite("stack", tests, sizeof tests / sizeof tests[0]);
}
