/* SPDX-License-Identifier: MIT
 *
 * What each hook itself costs in a process without hubs, over the call of libc: that is replaced by
 * functions that do nothing (stubs.c), so that no system call drowns it. With an argument every
 * call is made once, by direct_NAME() and by hooked_NAME(), for somebody who counts instructions;
 * without one they are timed.
 */
#include "measure.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS = 10000, ROUNDS = 300 };

typedef long any_function(void *, void *, long, long, long, long);

/* Through a pointer, as a library calls through its table. */
#define HOOK(group, name, what)                                                                    \
    extern any_function libc_##name __asm__(#name);                                                \
    any_function greenify_##name;                                                                  \
    static any_function *volatile name##_pointer = libc_##name;                                    \
    static any_function *volatile name##_hook = greenify_##name;                                   \
    __attribute__((noinline)) static long direct_##name(void);                                     \
    __attribute__((noinline)) static long hooked_##name(void);                                     \
    static char name##_room[64];                                                                   \
    static long direct_##name(void)                                                                \
    {                                                                                              \
        return name##_pointer(name##_room, name##_room, 1, 64, 0, 0);                              \
    }                                                                                              \
    static long hooked_##name(void)                                                                \
    {                                                                                              \
        return name##_hook(name##_room, name##_room, 1, 64, 0, 0);                                 \
    }
#include "hooks.def"
#undef HOOK

static const struct {
    const char *name;
    long (*direct)(void), (*hooked)(void);
    any_function *warm;
} rows[] = {
#define HOOK(group, name, what) {#name, direct_##name, hooked_##name, greenify_##name},
#include "hooks.def"
#undef HOOK
};

static long (*volatile timed)(void);

static double nanoseconds(long (*function)(void))
{
    double begin;

    timed = function;
    begin = measure_now();
    for (int i = 0; i < CALLS; i++)
        (void)timed();
    return (measure_now() - begin) / CALLS * 1e9;
}

/* The best of many short rounds, by turns: whatever else the machine does only ever adds time. */
static void compare(const char *name, long (*direct)(void), long (*hooked)(void))
{
    double best = 1e9, best_hooked = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        best = fmin(best, nanoseconds(direct));
        best_hooked = fmin(best_hooked, nanoseconds(hooked));
    }
    printf("%-28s direct %5.2f ns, hooked +%.2f ns\n", name, best, best_hooked - best);
}

int main(int argc, char **argv)
{
    (void)argv;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static char room[64];

        (void)rows[i].warm(room, room, 1, 64, 0, 0); /* what is looked up once */
        if (argc > 1) {
            (void)rows[i].direct();
            (void)rows[i].hooked();
            continue;
        }
        compare(rows[i].name, rows[i].direct, rows[i].hooked);
    }
    return EXIT_SUCCESS;
}
