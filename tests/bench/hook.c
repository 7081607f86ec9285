/* SPDX-License-Identifier: MIT
 *
 * What each hook itself costs in a process without hubs, over the call of libc: that is replaced by
 * functions that do nothing (stubs.c), so that no system call drowns it. With an argument every
 * call is made once, by direct_NAME() and by hooked_NAME(), for somebody who counts instructions;
 * without one they are timed.
 */
#include "hook_calls.h"
#include "measure.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { CALLS = 10000, ROUNDS = 300 };

/* In stubs.c: a program that needs that library has its functions, not libc's. */
extern bool hook_stubs_are_used;

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
static void compare(const struct hook_call *call)
{
    double best = 1e9, best_hooked = 1e9;

    for (int round = 0; round < ROUNDS; round++) {
        best = fmin(best, nanoseconds(call->direct));
        best_hooked = fmin(best_hooked, nanoseconds(call->hooked));
    }
    printf("%-28s direct %5.2f ns, hooked +%.2f ns\n", call->name, best, best_hooked - best);
}

int main(int argc, char **argv)
{
    (void)argv;
    hook_stubs_are_used = true;
    if (mmap(HOOK_CALLS_ROOM, HOOK_CALLS_ROOM_SIZE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != HOOK_CALLS_ROOM) {
        perror("mmap");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < hook_calls_count; i++)
        (void)hook_calls[i].hooked(); /* what is looked up once */
    for (size_t i = 0; i < hook_calls_count; i++) {
        if (argc > 1) {
            (void)hook_calls[i].direct();
            (void)hook_calls[i].hooked();
        } else {
            compare(&hook_calls[i]);
        }
    }
    if (argc == 1)
        compare(&hook_calls_of_keys);
    return EXIT_SUCCESS;
}
