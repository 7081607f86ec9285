/* SPDX-License-Identifier: MIT
 *
 * What a machine has to do right, in a program that needs nothing but libc: built for this machine,
 * and for others under an emulator.
 */
#include "green.h"
#include "hook.h"

#include <errno.h>
#include <fenv.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <unwind.h>

int registers_lost(int (*call)(void), uint64_t seed);

static int failures;

static void expect(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        failures++;
    }
}

/* --- registers and modes ---------------------------------------------------------------------- */

static void *check_registers(void *seed)
{
    intptr_t lost = 0;

    for (int i = 0; i < 10; i++)
        lost += registers_lost(green_yield, (uint64_t)(uintptr_t)seed);
    return (void *)lost;
}

static void registers_survive(void)
{
    green_t *g[4];

    for (uintptr_t i = 0; i < 4; i++)
        g[i] = green_spawn(check_registers, (void *)(0x0101010100000000 * (i + 1)));
    for (int i = 0; i < 4; i++) {
        void *lost = (void *)1;

        expect(green_join(g[i], &lost, -1) == 0 && lost == NULL, "callee-saved registers survive");
    }
}

static void *end_with_modes_changed(void *unused)
{
    fesetround(FE_UPWARD);
    return unused;
}

static int spawn_and_join(void)
{
    return green_join(green_spawn(end_with_modes_changed, NULL), NULL, -1);
}

static void registers_survive_the_end_of_others(void)
{
    expect(registers_lost(spawn_and_join, 0x0707070700000000) == 0,
           "callee-saved registers survive the end of a coroutine");
    expect(fegetround() == FE_TONEAREST, "and so do modes");
}

static void *round_its_way(void *mode)
{
    intptr_t wrong = fegetround() != FE_TONEAREST;

    fesetround((int)(intptr_t)mode);
    for (int i = 0; i < 5; i++) {
        green_yield();
        wrong += fegetround() != (int)(intptr_t)mode;
    }
    return (void *)wrong;
}

static void modes_belong_to_the_coroutine(void)
{
    green_t *up = green_spawn(round_its_way, (void *)(intptr_t)FE_UPWARD);
    green_t *down = green_spawn(round_its_way, (void *)(intptr_t)FE_DOWNWARD);
    void *a = (void *)1, *b = (void *)1;

    fesetround(FE_TOWARDZERO);
    expect(green_join(up, &a, -1) == 0 && green_join(down, &b, -1) == 0, "joined");
    expect(a == NULL && b == NULL, "floating point modes belong to the coroutine");
    expect(fegetround() == FE_TOWARDZERO, "and to the root");
    fesetround(FE_TONEAREST);
}

/* --- many ------------------------------------------------------------------------------------- */

enum { MANY = 3000, ROUNDS = 20 };

static long steps;

static void *step(void *own)
{
    volatile uintptr_t mark = (uintptr_t)own;

    for (int i = 0; i < ROUNDS; i++) {
        steps++;
        green_yield();
        if (mark != (uintptr_t)own)
            return NULL;
    }
    return own;
}

static void thousands_switch(void)
{
    static green_t *g[MANY];
    int right = 0;

    for (uintptr_t i = 0; i < MANY; i++)
        g[i] = green_spawn(step, (void *)(i + 1));
    for (uintptr_t i = 0; i < MANY; i++) {
        void *result = NULL;

        if (g[i] != NULL && green_join(g[i], &result, -1) == 0)
            right += result == (void *)(i + 1);
    }
    expect(right == MANY && steps == (long)MANY * ROUNDS, "thousands of coroutines switch");
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void *sleep_long(void *unused)
{
    int result = green_sleep(100);

    (void)unused;
    return (void *)(intptr_t)(result == 0 ? 0 : errno);
}

static void kill_and_timeout(void)
{
    void *error = NULL;
    green_t *g = green_spawn(sleep_long, NULL);

    expect(green_join(g, NULL, 0.01) == -1 && errno == ETIMEDOUT, "a join times out");
    expect(green_kill(g, ECANCELED) == 0, "a sleeper is killed");
    expect(green_join(g, &error, -1) == 0 && error == (void *)(intptr_t)ECANCELED,
           "its sleep fails with the errno");
    expect(green_sleep(0.01) == 0, "a sleep ends");
}

static int s[2];

static void *await_byte(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)green_wait_fd(s[0], POLLIN, 10);
}

static void wait_for_a_descriptor(void)
{
    void *revents = NULL;
    green_t *g = green_spawn(await_byte, NULL);

    expect(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0, "a pair of sockets");
    green_sleep(0.01);
    expect(write(s[1], "x", 1) == 1, "a byte is written");
    expect(green_join(g, &revents, -1) == 0 && revents == (void *)(intptr_t)POLLIN,
           "a descriptor becomes ready");
}

/* --- hooks ------------------------------------------------------------------------------------ */

/* With all six registers for arguments, and through libc's own errors. */
static void expect_hooks(const char *where)
{
    struct timespec time = {0, 1000000};
    int ends[2];
    char bytes[4] = "";

    expect(pipe(ends) == 0, where);
    errno = 0;
    expect(greenify_recvfrom(ends[0], bytes, 1, MSG_DONTWAIT, NULL, NULL) == -1 &&
               errno == ENOTSOCK,
           where);
    expect(greenify_write(ends[1], "abc", 3) == 3, where);
    expect(greenify_read(ends[0], bytes, 2) == 2 && memcmp(bytes, "ab", 2) == 0, where);
    expect(greenify___read_chk(ends[0], bytes, 4, sizeof bytes) == 1 && bytes[0] == 'c', where);
    expect(greenify_fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0, where);
    expect(greenify_nanosleep(&time, NULL) == 0, where);
    expect(greenify_close(ends[0]) == 0 && greenify___close(ends[1]) == 0, where);
    expect(greenify_close(ends[0]) == -1 && errno == EBADF, where);
}

/* --- unwinding -------------------------------------------------------------------------------- */

static int frames;

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *unused)
{
    (void)context;
    (void)unused;
    return ++frames > 100 ? _URC_NORMAL_STOP : _URC_NO_REASON;
}

static void *unwind(void *unused)
{
    green_yield();
    (void)unused;
    return (void *)(intptr_t)_Unwind_Backtrace(count_frame, NULL);
}

static void a_backtrace_ends(void)
{
    void *end = NULL;

    expect(green_join(green_spawn(unwind, NULL), &end, -1) == 0, "joined");
    expect((intptr_t)end == _URC_END_OF_STACK && frames < 20,
           "a backtrace ends with the coroutine");
}

int main(void)
{
    expect_hooks("hooks without a hub");
    green_set_stack_size(64 * 1024);
    registers_survive();
    registers_survive_the_end_of_others();
    modes_belong_to_the_coroutine();
    thousands_switch();
    kill_and_timeout();
    wait_for_a_descriptor();
    expect_hooks("hooks with a hub");
    a_backtrace_ends();
    printf("%d failures\n", failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
