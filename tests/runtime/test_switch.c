/* SPDX-License-Identifier: MIT
 *
 * What belongs to a coroutine across a switch: registers, floating point modes, errno, its stack;
 * and that an unwinder finds its end.
 */
#include "green.h"
#include "support.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unwind.h>

int registers_lost(int (*call)(void), uint64_t seed);

static void *check_registers(void *seed)
{
    int lost = 0;

    for (int i = 0; i < 10; i++)
        lost += registers_lost(green_yield, (uint64_t)(uintptr_t)seed);
    return (void *)(intptr_t)lost;
}

START_TEST(callee_saved_registers_survive)
{
    green_t *g[3];

    for (uintptr_t i = 0; i < 3; i++)
        g[i] = green_spawn(check_registers, (void *)(0x1111111100000000 * (i + 1)));
    ck_assert_ptr_null(check_registers((void *)0x7777777700000000));
    for (int i = 0; i < 3; i++) {
        void *lost = NULL;

        ck_assert_int_eq(green_join(g[i], &lost, -1), 0);
        ck_assert_ptr_null(lost);
    }
}
END_TEST

static int rounding_begin[2], rounding_kept[2];
static const int roundings[2] = {FE_UPWARD, FE_DOWNWARD};

static void *round_its_way(void *index)
{
    intptr_t i = (intptr_t)index;

    rounding_begin[i] = fegetround();
    fesetround(roundings[i]);
    for (int n = 0; n < 5; n++) {
        volatile double one = 1, three = 3;
        double third;

        green_yield();
        third = one / three;
        rounding_kept[i] += fegetround() == roundings[i];
        rounding_kept[i] += (third * 3 > 1) == (roundings[i] == FE_UPWARD);
    }
    return NULL;
}

START_TEST(floating_point_modes_belong_to_the_coroutine)
{
    green_t *g[2];

    for (intptr_t i = 0; i < 2; i++)
        g[i] = green_spawn(round_its_way, (void *)i);
    fesetround(FE_TOWARDZERO);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(green_join(g[i], NULL, -1), 0);
        ck_assert_int_eq(rounding_begin[i], FE_TONEAREST);
        ck_assert_int_eq(rounding_kept[i], 10);
    }
    ck_assert_int_eq(fegetround(), FE_TOWARDZERO);
}
END_TEST

static void *keep_errno(void *number)
{
    int wrong = errno != 0;

    for (int i = 0; i < 5; i++) {
        errno = (int)(intptr_t)number;
        green_yield();
        wrong += errno != (int)(intptr_t)number;
        green_sleep(0.001);
        wrong += errno != (int)(intptr_t)number;
    }
    return (void *)(intptr_t)wrong;
}

START_TEST(errno_belongs_to_the_coroutine)
{
    green_t *g[3];

    for (intptr_t i = 0; i < 3; i++)
        g[i] = green_spawn(keep_errno, (void *)(i + 1));
    errno = EXDEV;
    for (int i = 0; i < 3; i++) {
        void *wrong = NULL;

        ck_assert_int_eq(green_join(g[i], &wrong, -1), 0);
        ck_assert_ptr_null(wrong);
    }
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

enum { FRAMES_MOST = 200 };
static void *frames[FRAMES_MOST];
static int frame_count;
static _Unwind_Reason_Code unwind_end;

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *unused)
{
    (void)unused;
    if (frame_count == FRAMES_MOST)
        return _URC_NORMAL_STOP;
    frames[frame_count++] = (void *)_Unwind_GetIP(context);
    return _URC_NO_REASON;
}

static __attribute__((noinline)) int deep(int depth)
{
    if (depth == 0)
        unwind_end = _Unwind_Backtrace(count_frame, NULL);
    else
        deep(depth - 1);
    return frame_count;
}

static void *backtrace_here(void *unused)
{
    green_yield();
    deep(5);
    return unused;
}

START_TEST(a_backtrace_ends_with_the_coroutine)
{
    ck_assert_int_eq(green_join(green_spawn(backtrace_here, NULL), NULL, -1), 0);
    ck_assert_int_eq(unwind_end, _URC_END_OF_STACK);
    ck_assert_int_ge(frame_count, 3); /* calls at the end may have become jumps */
    ck_assert_int_lt(frame_count, 20);
}
END_TEST

/* --- overflow --------------------------------------------------------------------------------- */

static volatile unsigned char *neighbour;
static green_t *overflowing;

static void *fill_a_stack(void *unused)
{
    volatile unsigned char bytes[8192];

    memset((void *)bytes, 0xa5, sizeof bytes);
    neighbour = bytes;
    for (;;)
        green_sleep(1);
    return unused;
}

static __attribute__((noinline)) int recurse(volatile char *above)
{
    volatile char here[512];

    here[0] = 1;
    return above == NULL ? 0 : recurse(here) + here[0];
}

static void *overflow(void *unused)
{
    volatile char here = 0;

    recurse(&here);
    return unused;
}

static void on_overflow(int number)
{
    int wrong = neighbour == NULL;

    (void)number;
    for (int i = 0; i < 8192; i++)
        wrong += neighbour[i] != 0xa5;
    _exit(wrong == 0 ? 42 : 43);
}

static void overflow_beside_a_neighbour(void)
{
    static char own[65536];
    const stack_t alternative = {.ss_sp = own, .ss_size = sizeof own};
    struct sigaction action = {.sa_handler = on_overflow, .sa_flags = SA_ONSTACK};

    sigaltstack(&alternative, NULL);
    green_set_stack_size(32 * 1024);
    overflowing = green_spawn(fill_a_stack, NULL);
    green_yield();
    sigaction(SIGSEGV, &action, NULL);
    green_join(green_spawn(overflow, NULL), NULL, -1);
    _exit(1);
}

START_TEST(an_overflow_dies_and_leaves_the_neighbour_alone)
{
    int status = child_status(overflow_beside_a_neighbour);

    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %#x", status);
}
END_TEST

static void overflow_plainly(void)
{
    green_join(green_spawn(overflow, NULL), NULL, -1);
}

START_TEST(an_overflow_is_a_sigsegv)
{
    int status = child_status(overflow_plainly);

    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV, "status %#x", status);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        callee_saved_registers_survive,
        floating_point_modes_belong_to_the_coroutine,
        errno_belongs_to_the_coroutine,
        a_backtrace_ends_with_the_coroutine,
        an_overflow_dies_and_leaves_the_neighbour_alone,
        an_overflow_is_a_sigsegv,
    };

    return run_suite("switch", tests, sizeof tests / sizeof tests[0]);
}
